// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

/// What a [VirtioNet] remembers. Its backend is the host's and not part of it.
///
/// @param mac its address
/// @param mtu 0 if it says nothing of the MTU
/// @param linkUp whether the link is up
/// @param configGeneration changes with the link's state
/// @param transmitWaiting whether frames to transmit waited for the rate limit
public record NetState(MacAddress mac, int mtu, boolean linkUp, int configGeneration, boolean transmitWaiting)
        implements DeviceState {}
