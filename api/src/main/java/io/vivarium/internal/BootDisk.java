// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import io.vivarium.virtio.BlockBackend;
import io.vivarium.virtio.BlockException;
import java.lang.foreign.MemorySegment;

/// What stands for a disk while a kernel boots that many sandboxes are to go on from: it has the
/// shape of the disks that those will have, and no contents, so that none of one's can get into the
/// memory of another.
record BootDisk(DiskShape shape) implements BlockBackend {
    @Override
    public long capacity() {
        return shape.capacity();
    }

    @Override
    public boolean isReadOnly() {
        return shape.readOnly();
    }

    @Override
    public void read(long position, MemorySegment target, long offset, long length) throws BlockException {
        throw refused("read");
    }

    @Override
    public void write(long position, MemorySegment source, long offset, long length) throws BlockException {
        throw refused("written");
    }

    @Override
    public void flush() throws BlockException {
        throw refused("flushed");
    }

    @Override
    public void discard(long position, long length) throws BlockException {
        throw refused("discarded");
    }

    @Override
    public void writeZeroes(long position, long length, boolean mayUnmap) throws BlockException {
        throw refused("written");
    }

    private static BlockException refused(String what) {
        return new BlockException(BlockException.Kind.IO, "a disk was " + what + " before the guest was ready");
    }

    @Override
    public void close() {}
}
