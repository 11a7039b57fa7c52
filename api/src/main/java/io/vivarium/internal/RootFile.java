// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import io.vivarium.InvalidImageException;
import io.vivarium.guestimages.ImageException;
import io.vivarium.guestimages.RootFs;
import io.vivarium.guestimages.erofs.ErofsImage;
import io.vivarium.guestimages.erofs.ErofsWriter;
import io.vivarium.guestimages.fetch.Digest;
import io.vivarium.guestimages.tar.TarReader;
import io.vivarium.kvm.MemoryFile;
import io.vivarium.snapshot.SavedMachine;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import org.jspecify.annotations.Nullable;

/// An open EROFS file, checked, that guests map as their root.
public final class RootFile implements AutoCloseable {
    // fs/erofs/erofs_fs.h
    private static final long EROFS_SUPERBLOCK = 1024;
    private static final int EROFS_MAGIC = 0xE0F5_E1E2;

    /// Machines of different sizes that have this root; each holds some MiB.
    private static final int MOST_READY = 8;

    private static final long DIGESTED_AT_ONCE = 1 << 20;

    private final MemoryFile file;
    private volatile boolean closed;
    private volatile @Nullable String digest;
    private final LeasedCache<MachineMap, SavedMachine> ready = new LeasedCache<>(MOST_READY);

    private RootFile(MemoryFile file) {
        this.file = file;
    }

    /// Where a tree comes from.
    private interface TreeSource {
        RootFs read() throws IOException;
    }

    /// Builds one from a directory of the host.
    public static RootFile ofDirectory(Path directory) {
        return build(directory, () -> RootFs.fromDirectory(directory));
    }

    /// Builds one from a tar archive.
    public static RootFile ofTar(Path archive) {
        return build(archive, () -> TarReader.read(archive));
    }

    /// Opens one and checks all of its structure.
    public static RootFile ofErofs(Path image) {
        try {
            try (ErofsImage erofs = ErofsImage.open(image)) {
                erofs.verify();
            }
            return new RootFile(MemoryFile.open(image));
        } catch (IOException | RuntimeException e) {
            throw invalid(image, e);
        }
    }

    /// Whether a file begins like an EROFS image.
    public static boolean isErofs(Path file) {
        try (FileChannel channel = FileChannel.open(file)) {
            ByteBuffer magic = ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN);
            return channel.read(magic, EROFS_SUPERBLOCK) == 4 && magic.getInt(0) == EROFS_MAGIC;
        } catch (IOException e) {
            throw invalid(file, e);
        }
    }

    /// Builds one from a tree, which stays open.
    static RootFile ofTree(Object source, RootFs tree) {
        try {
            return build(tree);
        } catch (IOException | RuntimeException e) {
            throw invalid(source, e);
        }
    }

    private static RootFile build(Path source, TreeSource tree) {
        try (RootFs root = tree.read()) {
            return build(root);
        } catch (IOException | RuntimeException e) {
            throw invalid(source, e);
        }
    }

    /// The file has no name any more once this returns, so that nothing is left of it however this process ends.
    private static RootFile build(RootFs root) throws IOException {
        Path built = Files.createTempFile("vivarium-", ".erofs");
        try {
            ErofsWriter.write(root, built);
            return new RootFile(MemoryFile.open(built));
        } finally {
            Files.deleteIfExists(built);
        }
    }

    static InvalidImageException invalid(Object source, Exception e) {
        if (e instanceof InvalidImageException said) {
            return said;
        }
        String reason = e instanceof ImageException ? String.valueOf(e.getMessage()) : source + ": " + e;
        return new InvalidImageException(reason, e);
    }

    MemoryFile file() {
        return file;
    }

    /// The machines that have booted with this root and wait to be gone on from.
    LeasedCache<MachineMap, SavedMachine> ready() {
        return ready;
    }

    /// Bytes.
    public long size() {
        return file.size();
    }

    /// SHA-256 of the file, in hexadecimal digits, by which it is told from others wherever it lies.
    /// All of it is read, the first time.
    ///
    /// @throws IllegalStateException if it is closed
    String digest() {
        String known = digest;
        if (known == null) {
            try (Arena arena = Arena.ofConfined()) {
                MessageDigest fed = Digest.Algorithm.SHA256.start();
                MemorySegment content = file.mapReadOnly(arena);
                for (long at = 0; at < content.byteSize(); at += DIGESTED_AT_ONCE) {
                    fed.update(content.asSlice(at, Math.min(DIGESTED_AT_ONCE, content.byteSize() - at))
                            .asByteBuffer());
                }
                known = Digest.finish(Digest.Algorithm.SHA256, fed).hex();
                digest = known;
            }
        }
        return known;
    }

    boolean isClosed() {
        return closed;
    }

    /// Closes the file; guests that have mapped it keep it. Idempotent.
    @Override
    public void close() {
        closed = true;
        ready.clear();
        file.close();
    }
}
