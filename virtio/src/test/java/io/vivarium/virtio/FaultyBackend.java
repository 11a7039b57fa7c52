// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Storage that writes down what it is asked for, and fails when the test wants it to. Reads as ones.
final class FaultyBackend implements BlockBackend {
    final List<String> calls = new ArrayList<>();
    final boolean readOnly;
    final long capacity;

    /// Thrown by what comes next.
    @Nullable
    BlockException next;

    @Nullable
    Runnable meanwhile;

    FaultyBackend(long capacity, boolean readOnly) {
        this.capacity = capacity;
        this.readOnly = readOnly;
    }

    private void called(String call) throws BlockException {
        calls.add(call);
        if (meanwhile != null) {
            meanwhile.run();
        }
        BlockException thrown = next;
        next = null;
        if (thrown != null) {
            throw thrown;
        }
    }

    @Override
    public long capacity() {
        return capacity;
    }

    @Override
    public boolean isReadOnly() {
        return readOnly;
    }

    @Override
    public void read(long position, MemorySegment target, long offset, long length) throws BlockException {
        called("read %d+%d".formatted(position, length));
        target.asSlice(offset, length).fill((byte) 1);
    }

    @Override
    public void write(long position, MemorySegment source, long offset, long length) throws BlockException {
        called("write %d+%d".formatted(position, length));
    }

    @Override
    public void flush() throws BlockException {
        called("flush");
    }

    @Override
    public void discard(long position, long length) throws BlockException {
        called("discard %d+%d".formatted(position, length));
    }

    @Override
    public void writeZeroes(long position, long length, boolean mayUnmap) throws BlockException {
        called("zero %d+%d%s".formatted(position, length, mayUnmap ? " unmap" : ""));
    }

    @Override
    public void close() {
        calls.add("close");
    }
}
