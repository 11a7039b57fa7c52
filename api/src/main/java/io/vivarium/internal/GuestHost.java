// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

/// What a guest runs on.
interface GuestHost {
    /// Makes the guest stop, promptly and for good. Any thread; does not wait.
    void stop();

    /// Stops the guest, waits until no thread is inside it, and lets go of everything that it held. Idempotent; any
    /// thread.
    void close();

    /// The end of what the guest wrote to its console; also after [#close].
    String console();
}
