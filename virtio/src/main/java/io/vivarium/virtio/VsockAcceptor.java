// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

/// Takes the connections that programs of the guest make to a port of the host.
@FunctionalInterface
public interface VsockAcceptor {
    /// A program in the guest wants to connect. Called with the device's lock held, on a vCPU's thread: it may
    /// keep the connection and wake a thread, and nothing else.
    ///
    /// @param connection established if it is taken; bytes may come at once
    /// @return whether it is taken; if not, the guest's attempt is refused
    boolean offer(VsockConnection connection);
}
