// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

/// The host's end of a console port: it hears what the guest sends.
///
/// No method may block: the guest's vCPU waits.
public interface PortListener {
    /// The guest sent bytes. What is left unread stays in the guest's buffer, unprocessed, and nothing
    /// follows it until [ConsolePort#resume]: so the guest, and not the host, holds what the host has no room
    /// for.
    ///
    /// Called with the device's lock held, usually on a vCPU thread, else on one that called
    /// [ConsolePort#resume] or [ConsolePort#connect]. It may call [ConsolePort#write]. It must not call
    /// `resume`, nor take a lock that another thread holds while it calls a method of a port of the same
    /// device: the two would wait for each other.
    ///
    /// @param bytes at least one; valid during the call
    void received(GuestBytes bytes);

    /// There is room again, after [ConsolePort#write] took less than it was given. Called without the
    /// device's lock.
    default void writable() {}

    /// [ConsolePort#isGuestOpen] or [ConsolePort#fault] may have changed. Called without the device's lock.
    default void stateChanged() {}
}
