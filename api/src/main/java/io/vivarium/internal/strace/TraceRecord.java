// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal.strace;

import java.nio.ByteBuffer;
import java.util.List;

/// Something that a traced thread did (agent protocol, "Trace records").
public sealed interface TraceRecord {
    /// The process's ID in the guest.
    int process();

    /// The thread's ID in the guest.
    int thread();

    /// Memory of the program that an argument points to.
    ///
    /// @param argument index of the argument
    /// @param cut whether there is more of it
    /// @param faulted whether it is not readable
    /// @param bytes little-endian, read-only
    record Piece(int argument, boolean cut, boolean faulted, ByteBuffer bytes) {}

    /// A system call is about to be made.
    ///
    /// @param number of the call
    /// @param arguments six
    /// @param name of the call; empty when it has none
    /// @param pieces of memory before the call
    record Entered(int process, int thread, long number, List<Long> arguments, String name, List<Piece> pieces)
            implements TraceRecord {}

    /// The call that the thread made last has returned.
    ///
    /// @param result or the negative errno
    /// @param pieces of memory after the call
    record Left(int process, int thread, long result, List<Piece> pieces) implements TraceRecord {}

    /// A signal was taken, or ignored.
    ///
    /// @param info the beginning of `siginfo_t`
    record Signalled(int process, int thread, ByteBuffer info) implements TraceRecord {}

    /// The process was stopped.
    record Stopped(int process, int thread, int signal) implements TraceRecord {}

    /// The thread ended.
    ///
    /// @param signal by which; 0 for none
    /// @param code with which, when there was no signal
    record Ended(int process, int thread, int signal, int code) implements TraceRecord {}
}
