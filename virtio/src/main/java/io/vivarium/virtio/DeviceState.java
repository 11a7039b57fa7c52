// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

/// What a device of some type remembers beside its queues and the guest's memory.
public sealed interface DeviceState permits BalloonState, BlockState, ConsoleState, NetState, RngState, VsockState {}
