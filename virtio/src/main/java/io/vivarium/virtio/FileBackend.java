// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import io.vivarium.kvm.Errno;
import io.vivarium.kvm.HostFile;
import io.vivarium.kvm.KvmException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/// A block device's contents in a file of the host, byte for byte.
///
/// Between the guest's memory and the host's page cache bytes are copied once, by the host's kernel.
public final class FileBackend implements BlockBackend {
    /// Zeros that are written where a file system has no better way.
    private static final MemorySegment ZEROS = Arena.global().allocate(1 << 16).asReadOnly();

    private final HostFile file;
    private final long capacity;
    private final boolean readOnly;

    /// @param file closed with it
    /// @param readOnly whether the file was opened for reading only
    /// @throws IllegalArgumentException if the file is empty, or no multiple of [VirtioBlock#SECTOR] bytes
    public FileBackend(HostFile file, boolean readOnly) {
        this.file = file;
        this.capacity = file.size();
        this.readOnly = readOnly;
        if (capacity == 0 || capacity % VirtioBlock.SECTOR != 0) {
            throw new IllegalArgumentException("%s has %d bytes: a disk has a multiple of %d, and one sector at least"
                    .formatted(file, capacity, VirtioBlock.SECTOR));
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
        long done = 0;
        try {
            while (done < length) {
                long part = file.read(position + done, target, offset + done, length - done);
                if (part == 0) {
                    throw new BlockException(
                            BlockException.Kind.TRUNCATED,
                            "%s ends before byte %d of %d".formatted(file, position + done, capacity));
                }
                done += part;
            }
        } catch (KvmException e) {
            throw failed(e, position + done);
        }
    }

    @Override
    public void write(long position, MemorySegment source, long offset, long length) throws BlockException {
        long done = 0;
        try {
            while (done < length) {
                long part = file.write(position + done, source, offset + done, length - done);
                if (part == 0) {
                    throw new BlockException(
                            BlockException.Kind.NO_SPACE, "%s at byte %d".formatted(file, position + done));
                }
                done += part;
            }
        } catch (KvmException e) {
            throw failed(e, position + done);
        }
    }

    @Override
    public void flush() throws BlockException {
        try {
            file.sync();
        } catch (KvmException e) {
            throw failed(e, 0);
        }
    }

    /// Does nothing on a file system that cannot have holes.
    @Override
    public void discard(long position, long length) throws BlockException {
        try {
            file.punchHole(position, length);
        } catch (KvmException e) {
            throw failed(e, position);
        }
    }

    @Override
    public void writeZeroes(long position, long length, boolean mayUnmap) throws BlockException {
        try {
            if ((mayUnmap && file.punchHole(position, length)) || file.zeroRange(position, length)) {
                return;
            }
        } catch (KvmException e) {
            throw failed(e, position);
        }
        for (long done = 0; done < length; done += ZEROS.byteSize()) {
            write(position + done, ZEROS, 0, Math.min(ZEROS.byteSize(), length - done));
        }
    }

    private BlockException failed(KvmException e, long position) {
        Errno errno = e.errno();
        boolean full = errno.equals(Errno.ENOSPC) || errno.equals(Errno.EDQUOT) || errno.equals(Errno.EFBIG);
        return new BlockException(
                full ? BlockException.Kind.NO_SPACE : BlockException.Kind.IO,
                "%s at byte %d".formatted(e.getMessage(), position),
                e);
    }

    @Override
    public void close() {
        file.close();
    }

    @Override
    public String toString() {
        return file.toString();
    }
}
