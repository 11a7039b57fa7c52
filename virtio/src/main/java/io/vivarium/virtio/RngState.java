// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

/// What a [VirtioRng] remembers. Random bytes are not part of it: a device that goes on draws fresh ones.
///
/// @param waiting whether requests waited for the rate limit
public record RngState(boolean waiting) implements DeviceState {}
