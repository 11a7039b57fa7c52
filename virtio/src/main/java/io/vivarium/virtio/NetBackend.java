// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

/// The host's end of a [VirtioNet]: the cable that its frames go out by. What comes in, it gives to
/// [VirtioNet#receive].
///
/// No method may block: the guest's vCPU waits.
public interface NetBackend {
    /// The guest sends a frame: Ethernet header and payload, without the checksum (FCS). What is left unread is
    /// lost.
    ///
    /// Called with the device's lock held. It must call no method of the device, nor take a lock that another
    /// thread holds while it calls one: the two would wait for each other. What it has to do about that it does in
    /// [#transmitted].
    ///
    /// @param frame at least 14 bytes; valid during the call
    void transmit(GuestBytes frame);

    /// Frames were sent since this was last called. Called without the device's lock.
    default void transmitted() {}

    /// There may be room again, after [VirtioNet#receive] refused a frame. Called without the device's lock.
    default void receivable() {}
}
