// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import io.vivarium.SandboxSpec;
import java.util.List;

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
    /// @param goOn programs that may run, and that go on in every guest that goes on from what is saved; it waits
    ///     until they wait
    /// @throws IllegalStateException if others run in it, one of these has ended, or they do not come to rest
    /// @throws io.vivarium.ExecInterruptedException if this thread is interrupted
    /// @throws io.vivarium.SandboxException if it has ended, or the host has no memory for it
    Checkpoint save(SandboxSpec spec, RootFile root, List<Execution> goOn);

    /// The end of what the guest wrote to its console; also after [#close].
    String console();
}
