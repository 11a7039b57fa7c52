// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.function.Consumer;

/// Executes the requests of a [VirtioBlock], one after the other (virtio 1.2 §5.2.6): reads each field once,
/// checks, does, and tells the status. Makes no objects unless something fails.
final class BlockCommand {
    /// Bytes of a device ID.
    static final int ID_BYTES = 20;

    /// Segments of a discard or write-zeroes request (`max_discard_seg`, `max_write_zeroes_seg`).
    static final int MAX_SEGMENTS = 16;

    /// Sectors of such a segment (`max_discard_sectors`, `max_write_zeroes_sectors`): 1 GiB.
    static final int MAX_SEGMENT_SECTORS = 1 << 21;

    static final byte OK = 0;
    static final byte IOERR = 1;
    static final byte UNSUPP = 2;

    private static final int IN = 0;
    private static final int OUT = 1;
    private static final int FLUSH = 4;
    private static final int GET_ID = 8;
    private static final int DISCARD = 11;
    private static final int WRITE_ZEROES = 13;

    private static final int HEADER = 16;
    private static final int SEGMENT = 16;
    private static final int FLAG_UNMAP = 1;

    /// A device that is stopped is done at the latest when so many bytes have been moved.
    private static final long PIECE = 1 << 20;

    private static final ValueLayout.OfInt LE32 = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfLong LE64 = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final BlockBackend backend;
    private final byte[] id;
    private final Consumer<BlockException> errors;
    private final byte[] headerBytes = new byte[HEADER];
    private final MemorySegment header = MemorySegment.ofArray(headerBytes);
    private final byte[] segmentBytes = new byte[SEGMENT * MAX_SEGMENTS];
    private final MemorySegment segments = MemorySegment.ofArray(segmentBytes);
    private volatile boolean stopped;

    /// @param errors hears of what failed in the backend, with the device's lock held
    BlockCommand(BlockBackend backend, String serial, Consumer<BlockException> errors) {
        this.backend = backend;
        this.id = Arrays.copyOf(serial.getBytes(StandardCharsets.US_ASCII), ID_BYTES);
        this.errors = errors;
    }

    /// Has everything fail from now on, also what is under way. Any thread.
    void stop() {
        stopped = true;
    }

    /// Does what a request says, and writes its status.
    ///
    /// @param writeThrough whether what was written must be stable before it is told to be done
    /// @return the status
    /// @throws VirtioFault if the request has no place for a status, no header, or buffers for the wrong direction
    byte execute(DescriptorChain chain, boolean writeThrough) {
        if (chain.writable() == 0) {
            throw new VirtioFault(
                    VirtioFault.Kind.BLOCK_STATUS, "head %d has no device-writable byte".formatted(chain.head()));
        }
        if (chain.read(headerBytes, 0, HEADER) < HEADER) {
            throw new VirtioFault(
                    VirtioFault.Kind.BLOCK_HEADER,
                    "head %d has %d device-readable bytes, of %d".formatted(chain.head(), chain.wasRead(), HEADER));
        }
        int type = header.get(LE32, 0);
        long sector = header.get(LE64, 8);
        byte status;
        try {
            status = switch (type) {
                case IN -> in(chain, sector);
                case OUT -> out(chain, sector, writeThrough);
                case FLUSH -> flush();
                case GET_ID -> getId(chain);
                case DISCARD -> backend.isReadOnly() ? UNSUPP : discard(chain);
                case WRITE_ZEROES -> backend.isReadOnly() ? UNSUPP : writeZeroes(chain, writeThrough);
                default -> UNSUPP;
            };
        } catch (BlockException e) {
            errors.accept(e);
            status = IOERR;
        }
        chain.writeLast(status);
        return status;
    }

    private byte in(DescriptorChain chain, long sector) throws BlockException {
        checkNothingToRead(chain);
        long left = chain.writable() - 1;
        if (!isInside(sector, left)) {
            return IOERR;
        }
        long position = sector * VirtioBlock.SECTOR;
        while (left > 0) {
            checkNotStopped();
            long part = Math.min(Math.min(left, PIECE), chain.writableRun());
            backend.read(position, chain.writableMemory(), chain.writableOffset(), part);
            chain.wrote(part);
            position += part;
            left -= part;
        }
        return OK;
    }

    private byte out(DescriptorChain chain, long sector, boolean writeThrough) throws BlockException {
        checkOnlyStatusToWrite(chain);
        if (backend.isReadOnly() || !isInside(sector, chain.remaining())) {
            return IOERR;
        }
        long position = sector * VirtioBlock.SECTOR;
        while (chain.remaining() > 0) {
            checkNotStopped();
            long part = Math.min(PIECE, chain.readableRun());
            backend.write(position, chain.readableMemory(), chain.readableOffset(), part);
            chain.skip(part);
            position += part;
        }
        if (writeThrough) {
            backend.flush();
        }
        return OK;
    }

    /// The sector number is the guest's: anything that 64 bits can be.
    private boolean isInside(long sector, long bytes) {
        long sectors = backend.capacity() / VirtioBlock.SECTOR;
        return bytes % VirtioBlock.SECTOR == 0
                && sector >= 0
                && sector <= sectors
                && bytes / VirtioBlock.SECTOR <= sectors - sector;
    }

    /// Drivers should not send data with it (§5.2.6.1); what there is is not looked at.
    private byte flush() throws BlockException {
        checkNotStopped();
        backend.flush();
        return OK;
    }

    private byte getId(DescriptorChain chain) {
        checkNothingToRead(chain);
        if (chain.writable() - 1 != ID_BYTES) {
            return IOERR;
        }
        for (byte character : id) {
            chain.writableMemory().set(ValueLayout.JAVA_BYTE, chain.writableOffset(), character);
            chain.wrote(1);
        }
        return OK;
    }

    private byte discard(DescriptorChain chain) throws BlockException {
        int count = readSegments(chain);
        byte status = checkSegments(count, 0);
        for (int i = 0; status == OK && i < count; i++) {
            checkNotStopped();
            if (bytesOf(i) > 0) {
                backend.discard(positionOf(i), bytesOf(i));
            }
        }
        return status;
    }

    private byte writeZeroes(DescriptorChain chain, boolean writeThrough) throws BlockException {
        int count = readSegments(chain);
        byte status = checkSegments(count, FLAG_UNMAP);
        for (int i = 0; status == OK && i < count; i++) {
            boolean mayUnmap = (flagsOf(i) & FLAG_UNMAP) != 0;
            long end = positionOf(i) + bytesOf(i);
            for (long at = positionOf(i); at < end; at += PIECE) {
                checkNotStopped();
                backend.writeZeroes(at, Math.min(PIECE, end - at), mayUnmap);
            }
        }
        if (status == OK && writeThrough) {
            backend.flush();
        }
        return status;
    }

    /// Reads the segments of a discard or write-zeroes request.
    ///
    /// @return how many; negative if they are not as they must be
    private int readSegments(DescriptorChain chain) {
        checkOnlyStatusToWrite(chain);
        long bytes = chain.remaining();
        if (bytes == 0 || bytes % SEGMENT != 0 || bytes > segmentBytes.length) {
            return -1;
        }
        return chain.read(segmentBytes, 0, (int) bytes) / SEGMENT;
    }

    /// An unknown flag is told before anything else (§5.2.6.2).
    private byte checkSegments(int count, int knownFlags) {
        for (int i = 0; i < count; i++) {
            if ((flagsOf(i) & ~knownFlags) != 0) {
                return UNSUPP;
            }
        }
        for (int i = 0; i < count; i++) {
            if (sectorsOf(i) > MAX_SEGMENT_SECTORS || !isInside(segments.get(LE64, (long) SEGMENT * i), bytesOf(i))) {
                return IOERR;
            }
        }
        return count < 0 ? IOERR : OK;
    }

    private long positionOf(int segment) {
        return segments.get(LE64, (long) SEGMENT * segment) * VirtioBlock.SECTOR;
    }

    private long sectorsOf(int segment) {
        return Integer.toUnsignedLong(segments.get(LE32, (long) SEGMENT * segment + 8));
    }

    private long bytesOf(int segment) {
        return sectorsOf(segment) * VirtioBlock.SECTOR;
    }

    private int flagsOf(int segment) {
        return segments.get(LE32, (long) SEGMENT * segment + 12);
    }

    private void checkNotStopped() throws BlockException {
        if (stopped) {
            throw new BlockException(BlockException.Kind.STOPPED, "%s was stopped".formatted(backend));
        }
    }

    private static void checkNothingToRead(DescriptorChain chain) {
        if (chain.remaining() != 0) {
            throw new VirtioFault(
                    VirtioFault.Kind.BUFFER_DIRECTION,
                    "block request, head %d: device-readable data to read into".formatted(chain.head()));
        }
    }

    private static void checkOnlyStatusToWrite(DescriptorChain chain) {
        if (chain.writable() != 1) {
            throw new VirtioFault(
                    VirtioFault.Kind.BUFFER_DIRECTION,
                    "block request, head %d: device-writable data to write from".formatted(chain.head()));
        }
    }
}
