// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

/// The feature bits that belong to queues and transport, and not to one type of device (virtio 1.2 §6).
enum VirtioFeature {
    /// `VIRTIO_F_INDIRECT_DESC`
    INDIRECT_DESC(28),
    /// `VIRTIO_F_EVENT_IDX`
    EVENT_IDX(29),
    /// `VIRTIO_F_VERSION_1`
    VERSION_1(32);

    private final long mask;

    VirtioFeature(int bit) {
        mask = 1L << bit;
    }

    /// The bit, as a mask of 64 feature bits.
    long mask() {
        return mask;
    }

    /// Whether a set of features has it.
    boolean in(long features) {
        return (features & mask) != 0;
    }
}
