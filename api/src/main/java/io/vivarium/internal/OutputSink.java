// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import java.util.function.Supplier;

/// Where one output stream of a program goes. Called by the thread that runs the guest: nothing may block or call out.
interface OutputSink {
    /// How many bytes the program may write before [#received] or [CreditLine] gives it more.
    int window();

    /// Bytes of the program.
    ///
    /// @param bytes not to be kept: copied from
    /// @return credit to give back at once
    /// @throws ProtocolBreach if the guest had no credit for them
    int received(byte[] bytes, int offset, int length);

    /// The program ended; no more bytes follow.
    void ended();

    /// The sandbox ended; no more bytes follow.
    void failed(Supplier<? extends RuntimeException> cause);

    /// Gives credit to the guest for a stream.
    @FunctionalInterface
    interface CreditLine {
        void grant(int bytes);
    }
}
