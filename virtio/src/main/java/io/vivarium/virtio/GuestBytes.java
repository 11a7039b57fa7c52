// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;

/// Bytes that the guest sent, lying in its memory, to be read once and in order.
///
/// They are the guest's to change at any time: there is no way to read one twice, so that what was checked is
/// what is used. Valid only during the call that it was given to.
public sealed interface GuestBytes permits DescriptorChain {
    /// How many bytes are left to read; at most 2^32.
    long remaining();

    /// Reads into an array, as much as there is and fits.
    ///
    /// @param target where to
    /// @param offset first index
    /// @param length at most so many
    /// @return how many bytes were read; zero when none are left
    /// @throws IndexOutOfBoundsException if the array has no such range; nothing was read
    int read(byte[] target, int offset, int length);

    /// Reads into memory, as much as there is and fits.
    ///
    /// @param target where to
    /// @param offset first byte of it
    /// @param length at most so many
    /// @return how many bytes were read; zero when none are left
    /// @throws IndexOutOfBoundsException if the memory has no such range; nothing was read
    long read(MemorySegment target, long offset, long length);

    /// Reads into a buffer, from its position, as much as there is and fits; moves its position.
    ///
    /// @param target where to
    /// @return how many bytes were read; zero when none are left
    default int read(ByteBuffer target) {
        int read = (int) read(MemorySegment.ofBuffer(target), 0, target.remaining());
        target.position(target.position() + read);
        return read;
    }

    /// Passes over bytes without looking at them.
    ///
    /// @param length at most so many; not negative
    /// @return how many were passed over
    long skip(long length);
}
