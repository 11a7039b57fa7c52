// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.tar;

import io.vivarium.guestimages.Attributes;
import io.vivarium.guestimages.FileName;
import io.vivarium.guestimages.ImageException;
import io.vivarium.guestimages.InvalidTreeException;
import io.vivarium.guestimages.RootFs;
import io.vivarium.guestimages.TreeNode.Device;
import io.vivarium.guestimages.TreeNode.Fifo;
import io.vivarium.guestimages.TreeNode.RegularFile;
import io.vivarium.guestimages.TreeNode.SymbolicLink;
import io.vivarium.guestimages.TreeTarget;
import io.vivarium.guestimages.compress.Compression;
import io.vivarium.guestimages.compress.CorruptDataException;
import io.vivarium.guestimages.tar.TarHeader.BadHeaderException;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.DateTimeException;
import java.time.Instant;
import java.util.Arrays;
import java.util.Optional;

/// Reads a tar archive into a [RootFs] or another [TreeTarget]: `ustar`, pax (POSIX.1-2001) and GNU tar's format, plain
// or
/// compressed with gzip, xz or zstd, which are recognised by their first bytes.
///
/// The archive is read once, front to back; file contents wait in an unnamed temporary file (in
/// `java.io.tmpdir`) until the tree is closed. An archive is hostile input:
///
/// | in the archive | what becomes of it |
/// |---|---|
/// | an absolute name, `/etc/passwd` | taken from the root of the tree, `etc/passwd` |
/// | a name with `..` | refused |
/// | a name below a symbolic link, or below a file | refused |
/// | a symbolic link, wherever it points | kept as it is; the guest resolves it inside its own root |
/// | a hard link to what is not in the archive before it, or to a directory | refused |
/// | a name twice | the later one counts, as when unpacking |
/// | more entries or bytes than [TarLimits] | refused |
/// | sparse files, volumes of several tapes, unknown types | refused by name |
/// | extended attributes | left out; images do not have them |
public final class TarReader {
    /// Longest GNU long name or pax header that is taken: far more than any path can have.
    private static final int MAX_METADATA_BYTES = 1 << 20;

    private final InputStream in;
    private final String source;
    private final TarBudget budget;
    private final Spool spool;
    private final TreeTarget tree;
    private final PaxRecords global = new PaxRecords();

    private PaxRecords extended = new PaxRecords();
    private Optional<String> longName = Optional.empty();
    private Optional<String> longLink = Optional.empty();
    private String current = "the first header";

    private TarReader(InputStream in, String source, TarBudget budget, Spool spool, TreeTarget tree) {
        this.in = in;
        this.source = source;
        this.budget = budget;
        this.spool = spool;
        this.tree = tree;
    }

    /// Reads an archive file, with [TarLimits#DEFAULT].
    ///
    /// @throws ImageException not a tar archive, damaged, or with what a tree cannot have; the message names
    ///     the entry
    /// @throws IOException the file cannot be read
    public static RootFs read(Path archive) throws IOException {
        try (InputStream in = Files.newInputStream(archive)) {
            return read(in, archive.toString(), TarLimits.DEFAULT);
        }
    }

    /// Reads an archive from a stream, which is not closed.
    ///
    /// @param source what to call the archive in errors
    /// @throws ImageException as [#read(Path)] says, or it has more than `limits` allow
    /// @throws IOException the stream cannot be read
    public static RootFs read(InputStream archive, String source, TarLimits limits) throws IOException {
        Spool spool = new Spool();
        try {
            RootFs.Builder tree = RootFs.builder();
            read(archive, source, new TarBudget(source, limits), spool, tree);
            return tree.build(spool);
        } catch (IOException | RuntimeException e) {
            spool.close();
            throw e;
        }
    }

    /// Reads an archive from a stream, which is not closed, into a tree that more may be read into.
    ///
    /// @param source what to call the archive in errors
    /// @param budget what the archive may still hold
    /// @param spool keeps the contents of its files
    /// @param tree takes its entries
    /// @throws ImageException as [#read(Path)] says, or it has more than `budget` allows
    /// @throws IOException the stream cannot be read
    public static void read(InputStream archive, String source, TarBudget budget, Spool spool, TreeTarget tree)
            throws IOException {
        try {
            InputStream in = Compression.decompress(archive, budget.limits().maxRatio());
            new TarReader(in, source, budget, spool, tree).readAll();
        } catch (CorruptDataException e) {
            throw new ImageException(source, String.valueOf(e.getMessage()), e);
        } catch (EOFException e) {
            throw new ImageException(source, "truncated compressed data", e);
        }
    }

    private void readAll() throws IOException {
        try {
            byte[] block = firstBlock();
            while (!TarHeader.isEndMarker(block)) {
                readEntry(TarHeader.of(block));
                block = nextBlock();
            }
            skipRest();
        } catch (BadHeaderException e) {
            throw new ImageException(source, "bad tar archive: " + current + ": " + e.reason(), e);
        } catch (InvalidTreeException e) {
            throw new ImageException(source, "bad tar archive: " + e.path() + ": " + e.reason(), e);
        } catch (EOFException e) {
            throw new ImageException(source, "truncated tar archive: it ends in the middle of " + current, e);
        }
    }

    /// The first block, if it is a header or the end of an empty archive.
    private byte[] firstBlock() throws IOException {
        byte[] block = in.readNBytes(TarHeader.BLOCK_SIZE);
        if (block.length < TarHeader.BLOCK_SIZE) {
            throw new ImageException(source, "not a tar archive: it is shorter than a header");
        }
        try {
            if (!TarHeader.isEndMarker(block)) {
                TarHeader.of(block);
            }
            return block;
        } catch (BadHeaderException e) {
            throw new ImageException(source, "not a tar archive: " + e.reason(), e);
        }
    }

    /// Whatever follows the end marker, so that the checksum of compressed data is looked at and whoever writes into a
    // pipe can
    /// finish.
    private void skipRest() throws IOException {
        current = "what follows its end marker";
        byte[] ignored = new byte[1 << 16];
        for (int count = in.read(ignored); count > 0; count = in.read(ignored)) {
            budget.charge(count);
        }
    }

    /// The next header; an archive may end without its two blocks of zeros.
    private byte[] nextBlock() throws IOException {
        byte[] block = in.readNBytes(TarHeader.BLOCK_SIZE);
        if (block.length == 0) {
            return new byte[TarHeader.BLOCK_SIZE];
        }
        if (block.length < TarHeader.BLOCK_SIZE) {
            throw new EOFException();
        }
        return block;
    }

    private void readEntry(TarHeader header) throws IOException, BadHeaderException {
        budget.chargeEntry(tree.size());
        switch (header.type()) {
            case 'x' -> extended.parse(metadata(header));
            case 'g' -> global.parse(metadata(header));
            case 'L' -> longName = Optional.of(FileName.decode(untilNul(metadata(header))));
            case 'K' -> longLink = Optional.of(FileName.decode(untilNul(metadata(header))));
            default -> {
                readFile(header);
                extended = new PaxRecords();
                longName = Optional.empty();
                longLink = Optional.empty();
            }
        }
    }

    private void readFile(TarHeader header) throws IOException, BadHeaderException {
        PaxRecords pax = new PaxRecords();
        pax.putAll(global);
        pax.putAll(extended);
        Optional<String> paxPath = pax.path("path");
        String path = paxPath.or(() -> longName).orElseGet(() -> FileName.decode(header.name()));
        current = "'" + path + "'";
        budget.chargeText(path);
        if (pax.isSparse()) {
            throw new BadHeaderException("is a sparse file, which is not supported; archive it without --sparse");
        }
        Attributes attributes = attributes(header, pax);
        long size = pax.number("size").orElse(header.size());
        switch (header.type()) {
            // '7' is a contiguous file, which no file system of today treats differently. Before POSIX, a name
            // that ends in '/' made a directory.
            case '0', '\0', '7' -> {
                if (path.endsWith("/") && header.type() == '\0') {
                    tree.directory(path, attributes);
                } else {
                    RegularFile file = new RegularFile(attributes, spool.keep(in, checkedSize(size)));
                    skipPadding(size);
                    tree.add(path, file);
                }
            }
            case '1' -> tree.hardLink(path, linkTarget(header, pax));
            case '2' -> tree.add(path, new SymbolicLink(attributes, linkTarget(header, pax)));
            case '3' -> tree.add(path, device(Device.Kind.CHARACTER, header, attributes));
            case '4' -> tree.add(path, device(Device.Kind.BLOCK, header, attributes));
            case '5' -> tree.directory(path, attributes);
            case '6' -> tree.add(path, new Fifo(attributes));
            case 'S' ->
                throw new BadHeaderException("is a sparse file, which is not supported; archive it without --sparse");
            case 'M' ->
                throw new BadHeaderException(
                        "continues from another volume; archives of several volumes are not supported");
            case 'V' -> {} // GNU tar's label of the whole archive
            default ->
                throw new BadHeaderException(
                        "is of type '%s', which is not supported".formatted(printable(header.type())));
        }
    }

    private static String printable(char type) {
        return type > ' ' && type < 0x7F ? String.valueOf(type) : "\\x%02x".formatted((int) type);
    }

    private String linkTarget(TarHeader header, PaxRecords pax) throws ImageException, BadHeaderException {
        Optional<String> paxTarget = pax.path("linkpath");
        String target = paxTarget.or(() -> longLink).orElseGet(() -> FileName.decode(header.linkName()));
        budget.chargeText(target);
        return target;
    }

    private static Attributes attributes(TarHeader header, PaxRecords pax) throws BadHeaderException {
        try {
            return new Attributes(
                    header.permissions(),
                    pax.number("uid").orElse(header.uid()),
                    pax.number("gid").orElse(header.gid()),
                    pax.time("mtime").orElse(Instant.ofEpochSecond(header.mtime())));
        } catch (IllegalArgumentException | DateTimeException e) {
            throw new BadHeaderException(String.valueOf(e.getMessage()));
        }
    }

    private static Device device(Device.Kind kind, TarHeader header, Attributes attributes) throws BadHeaderException {
        long major = header.deviceMajor();
        long minor = header.deviceMinor();
        try {
            return new Device(attributes, kind, Math.toIntExact(major), Math.toIntExact(minor));
        } catch (ArithmeticException | IllegalArgumentException e) {
            throw new BadHeaderException("device %d:%d is not within 4095:1048575".formatted(major, minor));
        }
    }

    private long checkedSize(long size) throws ImageException, BadHeaderException {
        if (size < 0) {
            throw new BadHeaderException("has a size of " + size + " bytes");
        }
        budget.charge(size);
        return size;
    }

    /// The content of a header that describes the next one.
    private byte[] metadata(TarHeader header) throws IOException, BadHeaderException {
        long size = header.size();
        if (size < 0 || size > MAX_METADATA_BYTES) {
            throw new BadHeaderException("a long name or pax header has " + size + " bytes");
        }
        byte[] content = in.readNBytes((int) checkedSize(size));
        if (content.length < size) {
            throw new EOFException();
        }
        skipPadding(size);
        return content;
    }

    private void skipPadding(long size) throws IOException {
        in.skipNBytes(-size & (TarHeader.BLOCK_SIZE - 1));
    }

    private static byte[] untilNul(byte[] text) {
        int length = 0;
        while (length < text.length && text[length] != 0) {
            length++;
        }
        return Arrays.copyOf(text, length);
    }
}
