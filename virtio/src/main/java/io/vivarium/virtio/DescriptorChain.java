// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.Objects;

/// A request in a queue: the buffers of one descriptor chain, device-readable ones first, and how far they
/// were read and written.
///
/// Made once per request that a device works on at a time ([VirtQueue#newChain]) and filled again and again
/// by [VirtQueue#pop]: the descriptors were read once and checked by then, and nothing here looks at them
/// again. Not thread-safe: the device's lock guards it. Reading and writing copy, and make no objects.
public final class DescriptorChain implements GuestBytes {
    /// One for each descriptor; more, once a buffer was in several regions.
    private MemorySegment[] memory;

    private long[] addresses;
    private long[] offsets;
    private long[] lengths;

    private int head;
    private long read;
    private int count;
    private int firstWritable;
    private long readable;
    private long writable;

    private int readIndex;
    private long readOffset;
    private int writeIndex;
    private long writeOffset;
    private long written;

    DescriptorChain(int capacity) {
        memory = new MemorySegment[capacity];
        Arrays.fill(memory, MemorySegment.NULL);
        addresses = new long[capacity];
        offsets = new long[capacity];
        lengths = new long[capacity];
    }

    /// The descriptor that the available ring named.
    public int head() {
        return head;
    }

    /// How many device-readable bytes are left to read.
    @Override
    public long remaining() {
        return readable;
    }

    /// How many bytes were read or skipped so far.
    public long wasRead() {
        return read;
    }

    /// How many device-writable bytes are left to write.
    public long writable() {
        return writable;
    }

    /// How many bytes were written so far.
    public long written() {
        return written;
    }

    @Override
    public int read(byte[] target, int offset, int length) {
        Objects.checkFromIndexSize(offset, length, target.length);
        int done = 0;
        while (done < length && readable > 0) {
            int part = (int) Math.min(length - done, lengths[readIndex] - readOffset);
            MemorySegment.copy(
                    memory[readIndex],
                    ValueLayout.JAVA_BYTE,
                    offsets[readIndex] + readOffset,
                    target,
                    offset + done,
                    part);
            advanceRead(part);
            done += part;
        }
        return done;
    }

    @Override
    public long read(MemorySegment target, long offset, long length) {
        Objects.checkFromIndexSize(offset, length, target.byteSize());
        long done = 0;
        while (done < length && readable > 0) {
            long part = Math.min(length - done, lengths[readIndex] - readOffset);
            MemorySegment.copy(memory[readIndex], offsets[readIndex] + readOffset, target, offset + done, part);
            advanceRead(part);
            done += part;
        }
        return done;
    }

    @Override
    public long skip(long length) {
        if (length < 0) {
            throw new IllegalArgumentException("cannot skip " + length + " bytes");
        }
        long done = 0;
        while (done < length && readable > 0) {
            long part = Math.min(length - done, lengths[readIndex] - readOffset);
            advanceRead(part);
            done += part;
        }
        return done;
    }

    /// Writes from memory into the device-writable buffers, as much as there is and fits.
    ///
    /// @param source where from
    /// @param offset first byte of it
    /// @param length at most so many
    /// @return how many bytes were written
    /// @throws IndexOutOfBoundsException if the memory has no such range; nothing was written
    public long write(MemorySegment source, long offset, long length) {
        Objects.checkFromIndexSize(offset, length, source.byteSize());
        long done = 0;
        while (done < length && writable > 0) {
            long part = Math.min(length - done, lengths[writeIndex] - writeOffset);
            MemorySegment.copy(source, offset + done, memory[writeIndex], offsets[writeIndex] + writeOffset, part);
            wrote(part);
            done += part;
        }
        return done;
    }

    /// Writes from an array, as [#write(MemorySegment,long,long)] does.
    public int write(byte[] source, int offset, int length) {
        Objects.checkFromIndexSize(offset, length, source.length);
        int done = 0;
        while (done < length && writable > 0) {
            int part = (int) Math.min(length - done, lengths[writeIndex] - writeOffset);
            MemorySegment.copy(
                    source,
                    offset + done,
                    memory[writeIndex],
                    ValueLayout.JAVA_BYTE,
                    offsets[writeIndex] + writeOffset,
                    part);
            wrote(part);
            done += part;
        }
        return done;
    }

    /// The memory that the next device-readable bytes are in, from [#readableOffset] on, [#readableRun] of them.
    MemorySegment readableMemory() {
        return memory[readIndex];
    }

    long readableOffset() {
        return offsets[readIndex] + readOffset;
    }

    /// How many device-readable bytes follow each other there; more than zero if any are left.
    long readableRun() {
        return readable == 0 ? 0 : lengths[readIndex] - readOffset;
    }

    /// The memory that the next device-writable bytes are in, from [#writableOffset] on, [#writableRun] of them.
    MemorySegment writableMemory() {
        return memory[writeIndex];
    }

    long writableOffset() {
        return offsets[writeIndex] + writeOffset;
    }

    /// How many device-writable bytes follow each other there; more than zero if any are left.
    long writableRun() {
        return writable == 0 ? 0 : lengths[writeIndex] - writeOffset;
    }

    /// Bytes were written to [#writableMemory] by somebody else.
    ///
    /// @param length at most [#writableRun]
    void wrote(long length) {
        writeOffset += length;
        writable -= length;
        written += length;
        if (writeOffset == lengths[writeIndex]) {
            writeIndex++;
            writeOffset = 0;
        }
    }

    /// Writes the last device-writable byte. It counts as written only when all before it were: what is told to be
    /// written begins with the first byte (virtio 1.2 §2.7.8.2).
    void writeLast(byte value) {
        int last = count - 1;
        memory[last].set(ValueLayout.JAVA_BYTE, offsets[last] + lengths[last] - 1, value);
        if (writable == 1) {
            wrote(1);
        }
    }

    private void advanceRead(long part) {
        readOffset += part;
        readable -= part;
        read += part;
        if (readOffset == lengths[readIndex]) {
            readIndex++;
            readOffset = 0;
        }
    }

    /// How many buffers it has, one that is in several regions counted for each; for a device to
    /// which they mean memory and not bytes.
    int buffers() {
        return count;
    }

    /// Guest-physical address of a buffer, or of the part of one that is in one region.
    ///
    /// @param buffer below [#buffers]
    long address(int buffer) {
        return addresses[buffer];
    }

    /// Bytes of a buffer.
    ///
    /// @param buffer below [#buffers]
    long length(int buffer) {
        return lengths[buffer];
    }

    void begin(int newHead) {
        head = newHead;
        count = 0;
        firstWritable = 0;
        readable = 0;
        writable = 0;
        readIndex = 0;
        readOffset = 0;
        writeOffset = 0;
        written = 0;
        read = 0;
    }

    void add(MemorySegment region, long address, long offset, long length, boolean deviceWrites) {
        if (count == memory.length) {
            grow();
        }
        memory[count] = region;
        addresses[count] = address;
        offsets[count] = offset;
        lengths[count] = length;
        count++;
        if (deviceWrites) {
            writable += length;
        } else {
            readable += length;
            firstWritable = count;
        }
        writeIndex = firstWritable;
    }

    private void grow() {
        int larger = 2 * memory.length;
        memory = Arrays.copyOf(memory, larger);
        Arrays.fill(memory, count, larger, MemorySegment.NULL);
        addresses = Arrays.copyOf(addresses, larger);
        offsets = Arrays.copyOf(offsets, larger);
        lengths = Arrays.copyOf(lengths, larger);
    }
}
