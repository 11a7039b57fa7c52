// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import io.vivarium.kvm.HostFile;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/// A block device that begins as another one and keeps what is written to it in memory, so that many can share
/// one base, which none of them changes.
///
/// Clusters of [#CLUSTER] bytes lie either in the base or in a file in memory, which has pages for what was
/// written only. A discarded cluster reads as zeros and takes no memory any more.
public final class OverlayBackend implements BlockBackend {
    /// Bytes of a cluster: a page of memory.
    public static final int CLUSTER = 4096;

    private final BlockBackend base;
    private final BlockBackend memory;
    private final long maxClusters;
    private final long capacity;
    private final MemorySegment scratch = Arena.ofAuto().allocate(CLUSTER);
    private final MemorySegment zeros = Arena.ofAuto().allocate(CLUSTER).asReadOnly();

    /// Those that lie in memory, and not in the base: written, or discarded.
    private final ClusterSet changed;

    /// Those of them that take memory.
    private final ClusterSet held;

    /// @param base closed with it
    /// @param maxMemory bytes that may be held at most, besides 64 KiB for each GiB that has changed
    public OverlayBackend(BlockBackend base, long maxMemory) {
        this.base = base;
        capacity = base.capacity();
        maxClusters = maxMemory / CLUSTER;
        long clusters = Math.ceilDiv(capacity, CLUSTER);
        changed = new ClusterSet(clusters);
        held = new ClusterSet(clusters);
        memory = new FileBackend(HostFile.inMemory("vivarium-overlay", capacity), false);
    }

    @Override
    public long capacity() {
        return capacity;
    }

    @Override
    public boolean isReadOnly() {
        return false;
    }

    /// Bytes of memory that hold what was written.
    public long heldMemory() {
        return held.size() * CLUSTER;
    }

    @Override
    public void read(long position, MemorySegment target, long offset, long length) throws BlockException {
        long end = position + length;
        long at = position;
        while (at < end) {
            boolean inMemory = changed.contains(at / CLUSTER);
            long next = (at / CLUSTER + 1) * CLUSTER;
            while (next < end && changed.contains(next / CLUSTER) == inMemory) {
                next += CLUSTER;
            }
            next = Math.min(next, end);
            (inMemory ? memory : base).read(at, target, offset + at - position, next - at);
            at = next;
        }
    }

    @Override
    public void write(long position, MemorySegment source, long offset, long length) throws BlockException {
        if (length == 0) {
            return;
        }
        long end = position + length;
        long first = position / CLUSTER;
        long last = (end - 1) / CLUSTER;
        checkRoom(first, last);
        if (position != first * CLUSTER || end < endOf(first)) {
            copyUp(first);
        }
        if (last != first && end < endOf(last)) {
            copyUp(last);
        }
        for (long cluster = first; cluster <= last; cluster++) {
            held.add(cluster); // A write that fails halfway may have taken the memory.
        }
        memory.write(position, source, offset, length);
        for (long cluster = first; cluster <= last; cluster++) {
            changed.add(cluster);
        }
    }

    private void checkRoom(long first, long last) throws BlockException {
        long more = 0;
        for (long cluster = first; cluster <= last; cluster++) {
            if (!held.contains(cluster)) {
                more++;
            }
        }
        if (held.size() + more > maxClusters) {
            throw new BlockException(
                    BlockException.Kind.MEMORY_LIMIT,
                    "%s holds %d bytes, may hold %d, and would need %d more"
                            .formatted(this, heldMemory(), maxClusters * CLUSTER, more * CLUSTER));
        }
    }

    /// The last cluster may be cut short by the capacity.
    private long endOf(long cluster) {
        return Math.min((cluster + 1) * CLUSTER, capacity);
    }

    /// Before a part of a cluster is written.
    private void copyUp(long cluster) throws BlockException {
        if (changed.contains(cluster)) {
            return;
        }
        long start = cluster * CLUSTER;
        long length = endOf(cluster) - start;
        base.read(start, scratch, 0, length);
        held.add(cluster);
        memory.write(start, scratch, 0, length);
        changed.add(cluster);
    }

    /// Nothing is kept for longer than the sandbox lives.
    @Override
    public void flush() {}

    /// Clusters that are not wholly in the range stay as they are.
    @Override
    public void discard(long position, long length) throws BlockException {
        long end = position + length;
        long first = Math.ceilDiv(position, CLUSTER);
        long last = end == capacity ? Math.ceilDiv(end, CLUSTER) : end / CLUSTER;
        if (first >= last) {
            return;
        }
        memory.discard(first * CLUSTER, Math.min(last * CLUSTER, capacity) - first * CLUSTER);
        for (long cluster = first; cluster < last; cluster++) {
            held.remove(cluster);
            changed.add(cluster);
        }
    }

    @Override
    public void writeZeroes(long position, long length, boolean mayUnmap) throws BlockException {
        long end = position + length;
        long head = Math.min(Math.ceilDiv(position, CLUSTER) * CLUSTER, end);
        write(position, zeros, 0, head - position);
        if (head < end) {
            discard(head, end - head);
            long tail = end == capacity ? end : Math.max(end / CLUSTER * CLUSTER, head);
            write(tail, zeros, 0, end - tail);
        }
    }

    @Override
    public void close() {
        memory.close();
        base.close();
    }

    @Override
    public String toString() {
        return "overlay of " + base;
    }
}
