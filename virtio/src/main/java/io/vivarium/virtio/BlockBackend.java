// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import java.lang.foreign.MemorySegment;

/// Where a block device keeps its contents.
///
/// All calls come with the device's lock held, by one thread at a time, and may wait for the host's storage.
/// Ranges are whole sectors of [VirtioBlock#SECTOR] bytes inside the capacity: the device has checked them.
/// After an exception, what a range contains that was being written is unknown.
public interface BlockBackend extends AutoCloseable {
    /// Bytes; a multiple of [VirtioBlock#SECTOR], which does not change.
    long capacity();

    /// Whether it can only be read; does not change.
    boolean isReadOnly();

    /// Reads all of a range.
    ///
    /// @param position first byte
    /// @param target where to
    /// @param offset first byte of it
    /// @param length bytes
    /// @throws BlockException if not all of it can be read
    void read(long position, MemorySegment target, long offset, long length) throws BlockException;

    /// Writes all of a range.
    ///
    /// @param position first byte
    /// @param source where from; its bytes may change meanwhile
    /// @param offset first byte of it
    /// @param length bytes
    /// @throws BlockException if not all of it can be written
    void write(long position, MemorySegment source, long offset, long length) throws BlockException;

    /// Waits until all that was written is on stable storage.
    ///
    /// @throws BlockException if that is not certain
    void flush() throws BlockException;

    /// The guest does not need the contents of a range any more: its storage may be given back.
    ///
    /// @throws BlockException if the host failed at it
    void discard(long position, long length) throws BlockException;

    /// Has a range read as zeros.
    ///
    /// @param mayUnmap whether its storage may be given back
    /// @throws BlockException if the range may not be all zeros
    void writeZeroes(long position, long length, boolean mayUnmap) throws BlockException;

    /// Lets go of what it holds. Idempotent.
    @Override
    void close();
}
