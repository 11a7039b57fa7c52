// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import java.time.Duration;

/// How a program ended.
public sealed interface Termination {
    /// The exit code as a shell would have it: the program's own, 128 + n after signal n, 124 after a timeout (as
    /// timeout(1)).
    int exitCode();

    /// It ended by itself.
    ///
    /// @param code 0 … 255
    record Exited(int code) implements Termination {
        @Override
        public int exitCode() {
            return code;
        }
    }

    /// A signal ended it: its own fault, or somebody's [GuestProcess#signal].
    ///
    /// @param signal number, 1 … 64
    /// @param signalCode `si_code` (sigaction(2))
    /// @param address where the fault was, 0 for a signal that is no fault
    /// @param instructionPointer of the program when it ended
    /// @param stackPointer of the program when it ended
    /// @param detail in words, such as `SIGSEGV at 0x0: write to an unmapped address`
    record Killed(int signal, int signalCode, long address, long instructionPointer, long stackPointer, String detail)
            implements Termination {
        @Override
        public int exitCode() {
            return 128 + signal;
        }

        /// Such as `SIGSEGV`.
        public String signalName() {
            return Signals.name(signal);
        }
    }

    /// Its [Command#withTimeout] passed, and it was killed.
    ///
    /// @param limit the timeout
    record TimedOut(Duration limit) implements Termination {
        @Override
        public int exitCode() {
            return 124;
        }
    }
}
