// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import io.vivarium.SandboxSpec;

/// What a guest runs on.
interface GuestHost {
    /// Makes the guest stop, promptly and for good. Any thread; does not wait.
    void stop();

    /// Stops the guest, waits until no thread is inside it, and lets go of everything that it held. Idempotent; any
    /// thread.
    void close();

    /// Saves the guest, which goes on after that.
    ///
    /// @param spec of its sandbox
    /// @param root its root file system
    /// @throws IllegalStateException if programs run in it
    /// @throws io.vivarium.SandboxException if the host has no memory for it
    Checkpoint save(SandboxSpec spec, RootFile root);

    /// The end of what the guest wrote to its console; also after [#close].
    String console();
}
