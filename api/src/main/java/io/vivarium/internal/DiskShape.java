// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import io.vivarium.virtio.BlockBackend;

/// What a guest kernel finds out about a disk as it boots.
///
/// @param capacity bytes
/// @param readOnly whether it can only be read
record DiskShape(long capacity, boolean readOnly) {
    static DiskShape of(BlockBackend backend) {
        return new DiskShape(backend.capacity(), backend.isReadOnly());
    }
}
