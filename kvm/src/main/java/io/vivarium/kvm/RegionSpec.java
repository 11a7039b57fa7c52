// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm;

/// What a region of guest memory is made of.
public sealed interface RegionSpec {
    /// Guest-physical address of the first byte; a multiple of 4096.
    long guestPhysicalAddress();

    /// Bytes that the guest sees; a multiple of 4096, more than zero.
    long length();

    /// Whether the guest may only read.
    boolean readOnly();

    /// Fresh zeros, in host pages of 4 KiB.
    ///
    /// @param guestPhysicalAddress where it starts; a multiple of 4096
    /// @param length bytes; a multiple of 4096
    static RegionSpec anonymous(long guestPhysicalAddress, long length) {
        return new Anonymous(guestPhysicalAddress, length, false);
    }

    /// Fresh zeros, in host pages of 2 MiB where the host has them (`MADV_HUGEPAGE`).
    ///
    /// @param guestPhysicalAddress where it starts; a multiple of 4096, best of 2 MiB
    /// @param length bytes; a multiple of 4096
    static RegionSpec anonymousHuge(long guestPhysicalAddress, long length) {
        return new Anonymous(guestPhysicalAddress, length, true);
    }

    /// The content of a file; what the guest writes stays in this machine alone.
    ///
    /// @param guestPhysicalAddress where it starts; a multiple of 4096
    /// @param length bytes; a multiple of 4096
    /// @param file where the content comes from; it must reach as far as `offset + length`, rounded up to whole
    /// pages
    /// @param offset first byte in the file; a multiple of 4096
    static RegionSpec copyOnWrite(long guestPhysicalAddress, long length, MemoryFile file, long offset) {
        return new CopyOnWrite(guestPhysicalAddress, length, file, offset);
    }

    /// A whole file that the guest may only read, shared with everybody who maps it. The rest of its last page reads as
    /// zeros.
    ///
    /// @param guestPhysicalAddress where it starts; a multiple of 4096
    static RegionSpec readOnlyFile(long guestPhysicalAddress, MemoryFile file) {
        return new ReadOnlyFile(guestPhysicalAddress, file);
    }

    /// Fresh zeros.
    ///
    /// @param hugePages whether to ask for host pages of 2 MiB
    record Anonymous(long guestPhysicalAddress, long length, boolean hugePages) implements RegionSpec {
        /// Checks alignment and size.
        public Anonymous {
            checkRange(guestPhysicalAddress, length);
        }

        @Override
        public boolean readOnly() {
            return false;
        }
    }

    /// A private copy of (a part of) a file.
    record CopyOnWrite(long guestPhysicalAddress, long length, MemoryFile file, long offset) implements RegionSpec {
        /// Checks alignment, size, and that the file reaches that far.
        public CopyOnWrite {
            checkRange(guestPhysicalAddress, length);
            if (offset < 0 || offset % Mapping.PAGE_SIZE != 0) {
                throw new IllegalArgumentException(
                        "offset 0x%x in %s is not a multiple of 4096".formatted(offset, file));
            }
            if (length > Mapping.roundUp(file.size(), Mapping.PAGE_SIZE) - offset) {
                throw new IllegalArgumentException(
                        "%s has %d bytes: 0x%x from 0x%x are not there".formatted(file, file.size(), length, offset));
            }
        }

        @Override
        public boolean readOnly() {
            return false;
        }
    }

    /// A file, read-only.
    record ReadOnlyFile(long guestPhysicalAddress, MemoryFile file) implements RegionSpec {
        /// Checks alignment and size.
        public ReadOnlyFile {
            checkRange(guestPhysicalAddress, Mapping.roundUp(file.size(), Mapping.PAGE_SIZE));
        }

        @Override
        public long length() {
            return Mapping.roundUp(file.size(), Mapping.PAGE_SIZE);
        }

        @Override
        public boolean readOnly() {
            return true;
        }
    }

    private static void checkRange(long address, long length) {
        if (address < 0 || address % Mapping.PAGE_SIZE != 0) {
            throw new IllegalArgumentException("a region at 0x%x: not a multiple of 4096".formatted(address));
        }
        if (length <= 0 || length % Mapping.PAGE_SIZE != 0) {
            throw new IllegalArgumentException(
                    "a region at 0x%x of 0x%x bytes: not a multiple of 4096 above zero".formatted(address, length));
        }
        if (Long.MAX_VALUE - address < length) {
            throw new IllegalArgumentException(
                    "a region at 0x%x of 0x%x bytes ends beyond the address space".formatted(address, length));
        }
    }
}
