// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

/// What a [VirtioBlock] remembers. No request is ever in flight between two calls: what the driver has made
/// available and the device has not taken is in the guest's memory. The contents are the host's and not part
/// of it.
///
/// @param capacity bytes
/// @param readOnly whether it can only be read
public record BlockState(long capacity, boolean readOnly) implements DeviceState {}
