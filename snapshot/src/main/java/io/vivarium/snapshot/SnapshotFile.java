// SPDX-License-Identifier: Apache-2.0
package io.vivarium.snapshot;

import io.vivarium.kvm.Kvm;
import io.vivarium.snapshot.InvalidSnapshotFileException.Reason;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Optional;

/// A [SavedMachine] in a file, from which it goes on in another process or on another host.
///
/// ```
///   0  magic, 8 bytes
///   8  version of this format, 4 bytes
///  12  length of the header, 4 bytes
///  16  where the memory begins, a multiple of 4096, 8 bytes
///  24  length of the memory, 8 bytes
///  32  SHA-256 of the 32 bytes before and of the header
///  64  the header: sections, each with its name and version
///      the memory: pages, one after the other; the header says which they are, and has a SHA-256 of each chunk
/// ```
///
/// Numbers are little-endian. The digest of the header so speaks for all of the file: it is its [#id]. Digests find
/// damage, and changes by someone who does not know the format; who can replace the file can replace its digests. What
/// such a file has a machine do is no more than what a guest can do: its content is checked as a guest's requests are.
///
/// Memory is read into a sealed memory file, and checked on the way: a file that changes later, while guests run, does
/// not change them. Not safe for use by several threads at a time.
public final class SnapshotFile implements AutoCloseable {
    /// Changes with anything outside of the sections.
    private static final int FORMAT_VERSION = 1;

    /// Begins like a PNG file does, and for the same reasons: a byte beyond ASCII, line ends of
    /// both kinds, end of file.
    private static final byte[] MAGIC = {(byte) 0x89, 'V', 'I', 'V', '\r', '\n', 0x1a, '\n'};

    private static final int PRELUDE = 64;
    private static final int DIGESTED_PRELUDE = 32;

    /// More than a machine of 64 GiB of which every second page has content needs.
    private static final int MOST_HEADER = 256 << 20;

    private static final String VERSION = version();

    private final Path path;
    private final FileChannel channel;
    private final Prelude prelude;
    private final String id;
    private final HostTraits host;
    private final byte[] about;
    private final MemoryLayout memory;
    private final StateReader rest;

    /// The bytes before the header.
    private record Prelude(int headerLength, long memoryStart, long memoryLength) {
        ByteBuffer toBytes() {
            return ByteBuffer.allocate(DIGESTED_PRELUDE)
                    .order(ByteOrder.LITTLE_ENDIAN)
                    .put(MAGIC)
                    .putInt(FORMAT_VERSION)
                    .putInt(headerLength)
                    .putLong(memoryStart)
                    .putLong(memoryLength)
                    .flip();
        }
    }

    private SnapshotFile(Path path, FileChannel channel) throws IOException {
        this.path = path;
        this.channel = channel;
        ByteBuffer start = ByteBuffer.allocate(PRELUDE).order(ByteOrder.LITTLE_ENDIAN);
        Digests.readFully(channel, start, 0);
        this.prelude = prelude(start.flip());
        // Before as many bytes are set aside as a file asks for that does not have them.
        if (channel.size() < PRELUDE + (long) prelude.headerLength) {
            throw truncated();
        }
        byte[] header = new byte[prelude.headerLength];
        if (Digests.readFully(channel, ByteBuffer.wrap(header), PRELUDE) < header.length) {
            throw truncated();
        }
        byte[] digest = Digests.sha256(Arrays.copyOf(start.array(), DIGESTED_PRELUDE), header);
        if (!Arrays.equals(digest, Arrays.copyOfRange(start.array(), DIGESTED_PRELUDE, PRELUDE))) {
            throw new InvalidSnapshotFileException(Reason.ALTERED, path + ": the header does not have its digest");
        }
        this.id = HexFormat.of().formatHex(digest);
        StateReader reader = new StateReader(header);
        requireVersion(reader.text());
        this.host = HostTraits.read(reader);
        this.about = reader.bytes();
        this.memory = MemoryLayout.read(reader, prelude.memoryLength);
        this.rest = reader;
        requireLength();
        requirePadding();
    }

    /// Writes a file, in the place of one that may be there. Whatever happens meanwhile, to this
    /// process or to the host, there is what was there before, or all of the new one. A file beside
    /// it, whose name begins with a dot, may be left.
    ///
    /// Its owner alone may read it: it has all that the guest had in memory.
    ///
    /// @param kvm what the machine was made with
    /// @param about what whoever goes on from it has to know besides
    /// @param base of which only the differences are written; empty to write all of it
    /// @return the file's [#id]
    /// @throws IllegalStateException if the machine, or the base, is closed
    public static String write(Path path, Kvm kvm, SavedMachine machine, byte[] about, Optional<Base> base)
            throws IOException {
        MemoryLayout memory = MemoryLayout.of(machine.memory(), base);
        try (AtomicFile file = AtomicFile.create(path)) {
            Header header = Header.of(kvm, machine, about);
            // The digests, which come last, are as long as what stands for them.
            long headerEnd = PRELUDE + (long) header.with(memory).length;
            long memoryStart = Math.ceilDiv(headerEnd, MemoryLayout.PAGE) * MemoryLayout.PAGE;
            memory.writeContent(machine.memory(), file.channel(), memoryStart);
            byte[] written = header.with(memory);
            Prelude prelude = new Prelude(written.length, memoryStart, memory.contentLength());
            byte[] first = prelude.toBytes().array();
            byte[] digest = Digests.sha256(first, written);
            Digests.writeFully(file.channel(), ByteBuffer.wrap(written), PRELUDE);
            Digests.writeFully(file.channel(), ByteBuffer.wrap(digest), DIGESTED_PRELUDE);
            Digests.writeFully(file.channel(), ByteBuffer.wrap(first), 0);
            file.commit();
            return HexFormat.of().formatHex(digest);
        }
    }

    /// What is in a header before the memory, and after it.
    private record Header(StateWriter before, StateWriter after) {
        static Header of(Kvm kvm, SavedMachine machine, byte[] about) {
            StateWriter before = new StateWriter().text(VERSION);
            HostTraits.of(kvm).write(before);
            before.bytes(about);
            StateWriter after = new StateWriter();
            machine.write(after);
            return new Header(before, after);
        }

        byte[] with(MemoryLayout memory) {
            StateWriter all = new StateWriter().raw(before.toBytes());
            memory.write(all);
            return all.raw(after.toBytes()).toBytes();
        }
    }

    /// Opens one, and checks all but its memory.
    ///
    /// @throws InvalidSnapshotFileException if it is none, or cannot be read by this version
    /// @throws IOException if it cannot be read at all
    public static SnapshotFile open(Path path) throws IOException {
        FileChannel channel = FileChannel.open(path, StandardOpenOption.READ);
        try {
            return new SnapshotFile(path, channel);
        } catch (IOException | RuntimeException | Error e) {
            channel.close();
            throw e;
        }
    }

    private Prelude prelude(ByteBuffer start) {
        byte[] magic = new byte[Math.min(MAGIC.length, start.remaining())];
        start.get(magic);
        if (!Arrays.equals(magic, MAGIC)) {
            throw new InvalidSnapshotFileException(Reason.NOT_A_SNAPSHOT, path + " is no snapshot");
        }
        if (start.limit() < PRELUDE) {
            throw truncated();
        }
        int version = start.getInt();
        if (version != FORMAT_VERSION) {
            throw new InvalidSnapshotFileException(
                    Reason.FORMAT_VERSION,
                    "%s has version %d of the format, not %d"
                            .formatted(path, Integer.toUnsignedLong(version), FORMAT_VERSION));
        }
        Prelude read = new Prelude(start.getInt(), start.getLong(), start.getLong());
        boolean possible = read.headerLength > 0
                && read.headerLength <= MOST_HEADER
                && read.memoryStart % MemoryLayout.PAGE == 0
                && read.memoryStart >= PRELUDE + (long) read.headerLength
                && read.memoryStart < PRELUDE + (long) read.headerLength + MemoryLayout.PAGE
                && read.memoryLength >= 0
                && read.memoryLength % MemoryLayout.PAGE == 0;
        if (!possible) {
            throw new InvalidSnapshotFileException(Reason.ALTERED, path + ": lengths that cannot be: " + read);
        }
        return read;
    }

    private void requireVersion(String version) {
        if (!version.equals(VERSION)) {
            throw new InvalidSnapshotFileException(
                    Reason.VIVARIUM_VERSION, "%s is of Vivarium %s, this is %s".formatted(path, version, VERSION));
        }
    }

    private void requireLength() throws IOException {
        long expected = prelude.memoryStart + prelude.memoryLength;
        long found = channel.size();
        if (found < expected) {
            throw truncated();
        }
        if (found > expected) {
            throw new InvalidSnapshotFileException(
                    Reason.ALTERED, "%s has %d bytes, and should have %d".formatted(path, found, expected));
        }
    }

    /// Between the header and the memory there is nothing that no digest would speak for.
    private void requirePadding() throws IOException {
        long headerEnd = PRELUDE + (long) prelude.headerLength;
        byte[] padding = new byte[(int) (prelude.memoryStart - headerEnd)];
        if (Digests.readFully(channel, ByteBuffer.wrap(padding), headerEnd) < padding.length) {
            throw truncated();
        }
        for (byte each : padding) {
            if (each != 0) {
                throw new InvalidSnapshotFileException(
                        Reason.ALTERED, path + ": something is between header and memory");
            }
        }
    }

    private InvalidSnapshotFileException truncated() {
        return new InvalidSnapshotFileException(Reason.TRUNCATED, path + " ends too early");
    }

    /// The SHA-256 that speaks for all of the file, as 64 hexadecimal digits.
    public String id() {
        return id;
    }

    /// What was written with the machine.
    public byte[] about() {
        return about.clone();
    }

    /// The [#id] of the file that has what this one leaves out.
    public Optional<String> base() {
        return memory.base();
    }

    /// The last address of each stretch of guest-physical memory that it covers must be known before it is read: how
    /// far a guest's memory reaches.
    ///
    /// @return whether each stretch starts at one of the addresses given, and ends no later than the one beside it
    public boolean liesWithin(long[] starts, long[] ends) {
        return memory.liesWithin(starts, ends);
    }

    /// Reads the machine.
    ///
    /// @param base has what the file leaves out, if it does
    /// @throws InvalidSnapshotFileException if it cannot go on with this KVM, or the file is not as it was written
    /// @throws IOException if it cannot be read
    public SavedMachine machine(Kvm kvm, Optional<Base> base) throws IOException {
        host.requireFits(HostTraits.of(kvm));
        memory.requireBase(base);
        try {
            SavedMachine machine = SavedMachine.read(kvm, rest, () -> {
                try {
                    return memory.readContent(channel, path, prelude.memoryStart, base);
                } catch (IOException e) {
                    throw new UncheckedIOException(e);
                }
            });
            try {
                rest.end();
                return machine;
            } catch (InvalidSnapshotFileException e) {
                machine.close();
                throw e;
            }
        } catch (UncheckedIOException e) {
            throw e.getCause();
        }
    }

    private static String version() {
        try (InputStream resource = SnapshotFile.class.getResourceAsStream("vivarium-version")) {
            if (resource == null) {
                throw new IllegalStateException("the module lacks its version");
            }
            return new String(resource.readAllBytes(), StandardCharsets.UTF_8).strip();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /// Closes the file; machines that were read are not affected.
    @Override
    public void close() throws IOException {
        channel.close();
    }

    /// A machine whose memory another one has mostly.
    ///
    /// @param id of the file that it was read from, or written to
    /// @param memory of the machine, open
    public record Base(String id, MemoryTemplate memory) {}
}
