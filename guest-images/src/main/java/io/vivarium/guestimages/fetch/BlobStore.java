// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.fetch;

import io.vivarium.guestimages.ImageException;
import java.io.IOException;
import java.io.InputStream;
import java.io.InterruptedIOException;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.MessageDigest;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.ReentrantLock;

/// A directory of files named by the digest of their content, and of files made from them.
///
/// ```text
/// blobs/sha256/<hex>       complete, checked
/// partial/sha256-<hex>     what has come so far; fetching goes on from its end
/// made/<name>              what was made from blobs
/// locks/<name>             locked while its file is fetched or made
/// ```
///
/// A file appears under its name when it is complete and checked. Several processes and threads may
/// use one directory: the second who wants a file waits for the first. Nothing is ever removed; the
/// directory may be, while nobody uses it.
public final class BlobStore {
    private static final int BUFFER_BYTES = 1 << 16;
    private static final long REPORT_BYTES = 1L << 20;

    /// File locks are the process's: its threads exclude each other here.
    private static final Map<Path, ReentrantLock> THREADS = new ConcurrentHashMap<>();

    private final Path directory;

    /// @param directory made when it is needed, for its owner alone
    public BlobStore(Path directory) {
        this.directory = directory.toAbsolutePath();
    }

    /// `$XDG_CACHE_HOME/vivarium`, or `~/.cache/vivarium` (XDG Base Directory Specification 0.8).
    public static Path defaultDirectory() {
        String configured = System.getenv().getOrDefault("XDG_CACHE_HOME", "");
        Path base =
                configured.startsWith("/") ? Path.of(configured) : Path.of(System.getProperty("user.home"), ".cache");
        return base.resolve("vivarium");
    }

    /// Where content comes from.
    @FunctionalInterface
    public interface Origin {
        /// Asks for the bytes from `offset` on.
        ///
        /// @throws ImageException there is no use in asking again
        Part open(long offset) throws IOException;
    }

    /// Some bytes on their way.
    ///
    /// @param offset where they begin: what was asked for, or 0 when the other side cannot begin in
    ///     the middle
    /// @param body to be closed
    public record Part(long offset, InputStream body) implements AutoCloseable {
        @Override
        public void close() throws IOException {
            body.close();
        }
    }

    /// Makes a file.
    @FunctionalInterface
    public interface Maker {
        /// Writes the file, which is there and empty.
        void make(Path file) throws IOException;
    }

    /// What is asked for.
    ///
    /// @param source for errors
    /// @param item for the listener
    /// @param digest of the content
    /// @param size of the content
    public record Wanted(String source, String item, Digest digest, long size) {}

    /// The file with some content; fetched if it is not there.
    ///
    /// @throws ImageException the content is not what the digest says, is refused, or did not come
    ///     in time
    public Path fetch(Wanted wanted, HttpFetcher http, Origin origin, FetchListener listener) throws IOException {
        String algorithm = wanted.digest.algorithm().title();
        Path blob = directory("blobs", algorithm).resolve(wanted.digest.hex());
        String name = algorithm + "-" + wanted.digest.hex();
        try (Lock _ = new Lock(directory("locks").resolve(name))) {
            if (Files.exists(blob) && Files.size(blob) == wanted.size) {
                listener.progress(wanted.item, wanted.size, wanted.size, true);
                return blob;
            }
            Path partial = directory("partial").resolve(name);
            new Download(wanted, http, origin, listener).into(partial);
            Files.move(partial, blob, StandardCopyOption.ATOMIC_MOVE);
            return blob;
        }
    }

    /// The file that `maker` makes; made if it is not there.
    ///
    /// @param name says everything that the file depends on; letters, digits, `-`, `_` and `.`
    public Path make(String name, Maker maker) throws IOException {
        Path made = directory("made").resolve(name);
        try (Lock _ = new Lock(directory("locks").resolve(name))) {
            if (!Files.exists(made)) {
                Path unfinished = Files.createTempFile(directory("partial"), "made-", null);
                try {
                    maker.make(unfinished);
                    Files.move(unfinished, made, StandardCopyOption.ATOMIC_MOVE);
                } finally {
                    Files.deleteIfExists(unfinished);
                }
            }
            return made;
        }
    }

    private Path directory(String... names) throws IOException {
        Path path = directory;
        for (String name : names) {
            path = path.resolve(name);
        }
        if (!Files.isDirectory(path)) {
            Files.createDirectories(
                    path, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
        }
        return path;
    }

    /// Held while a file is fetched or made, against other threads and other processes.
    private static final class Lock implements AutoCloseable {
        private final ReentrantLock threads;
        private final FileChannel channel;

        Lock(Path file) throws IOException {
            threads = THREADS.computeIfAbsent(file, _ -> new ReentrantLock());
            try {
                threads.lockInterruptibly();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new IOException("interrupted while waiting for " + file, e);
            }
            FileChannel opened = null;
            try {
                opened = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
                opened.lock();
                channel = opened;
            } catch (IOException | RuntimeException e) {
                if (opened != null) {
                    opened.close();
                }
                threads.unlock();
                throw e;
            }
        }

        /// Closing the file gives up its lock; the file stays, for others may be waiting for it.
        @Override
        public void close() throws IOException {
            try {
                channel.close();
            } finally {
                // Last: two threads of one process cannot ask for one file lock.
                threads.unlock();
            }
        }
    }

    /// One file on its way into the store.
    private record Download(Wanted wanted, HttpFetcher http, Origin origin, FetchListener listener) {
        void into(Path partial) throws IOException {
            int failures = 0;
            while (true) {
                long before = Files.exists(partial) ? Files.size(partial) : 0;
                try {
                    proceed(partial);
                    return;
                } catch (ImageException | InterruptedIOException e) {
                    throw e;
                } catch (IOException e) {
                    long after = Files.exists(partial) ? Files.size(partial) : 0;
                    failures = after > before ? 1 : failures + 1;
                    if (http.isOver()) {
                        throw failed(
                                "not fetched within " + http.limits().total().toMillis() + " ms", e);
                    }
                    if (failures >= http.limits().attempts()) {
                        throw failed("only %d of %d bytes came: %s".formatted(after, wanted.size, e.getMessage()), e);
                    }
                    http.pauseAfter(failures);
                }
            }
        }

        private ImageException failed(String what, IOException e) {
            return new ImageException(wanted.source, wanted.item + ": " + what, e);
        }

        private void proceed(Path partial) throws IOException {
            MessageDigest sum = wanted.digest.algorithm().start();
            try (FileChannel file = FileChannel.open(
                    partial, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
                if (file.size() > wanted.size) {
                    file.truncate(0);
                }
                long there = file.size();
                feed(file, there, sum);
                if (there < wanted.size || wanted.size == 0) {
                    try (Part part = origin.open(there)) {
                        if (part.offset != there) {
                            file.truncate(0);
                            sum.reset();
                            there = 0;
                        }
                        copy(part.body, file, there, sum);
                    }
                }
                file.force(false);
            }
            Digest found = Digest.finish(wanted.digest.algorithm(), sum);
            if (!found.equals(wanted.digest)) {
                Files.delete(partial);
                throw new ImageException(
                        wanted.source,
                        wanted.item + ": the content has another digest: " + found + " instead of " + wanted.digest);
            }
            listener.progress(wanted.item, wanted.size, wanted.size, false);
        }

        private void feed(FileChannel file, long end, MessageDigest sum) throws IOException {
            ByteBuffer buffer = ByteBuffer.allocate(BUFFER_BYTES);
            for (long at = 0; at < end; ) {
                int count = file.read(buffer.clear().limit((int) Math.min(BUFFER_BYTES, end - at)), at);
                if (count < 0) {
                    throw new IOException("the file became shorter");
                }
                sum.update(buffer.flip());
                at += count;
            }
        }

        private void copy(InputStream body, FileChannel file, long from, MessageDigest sum) throws IOException {
            byte[] buffer = new byte[BUFFER_BYTES];
            long at = from;
            long reported = from;
            listener.progress(wanted.item, at, wanted.size, false);
            for (int count = body.read(buffer); count >= 0; count = body.read(buffer)) {
                if (count > wanted.size - at) {
                    throw new ImageException(
                            wanted.source, wanted.item + ": there is more than the " + wanted.size + " bytes promised");
                }
                ByteBuffer bytes = ByteBuffer.wrap(buffer, 0, count);
                while (bytes.hasRemaining()) {
                    at += file.write(bytes, at);
                }
                sum.update(buffer, 0, count);
                if (at - reported >= REPORT_BYTES) {
                    listener.progress(wanted.item, at, wanted.size, false);
                    reported = at;
                }
            }
            if (at < wanted.size) {
                throw new IOException("the connection was cut");
            }
        }
    }

    /// Content that a server has under an address, with support for beginning in the middle.
    ///
    /// @param refused makes an error of an answer that is neither the content nor a part of it
    public static Origin at(HttpFetcher http, String source, URI uri, Refused refused) {
        return (long offset) -> {
            Map<String, String> headers = offset == 0 ? Map.of() : Map.of("Range", "bytes=" + offset + "-");
            return part(http.get(source, uri, headers), offset, refused);
        };
    }

    /// Makes an error of an answer.
    @FunctionalInterface
    public interface Refused {
        /// What to throw.
        ImageException error(HttpFetcher.Response response);
    }

    /// What an answer to a request for the bytes from `offset` on holds.
    public static Part part(HttpFetcher.Response response, long offset, Refused refused) throws IOException {
        String range = response.headers().firstValue("Content-Range").orElse("");
        if (response.status() == 200) {
            return new Part(0, response.body());
        }
        if (response.status() == 206 && offset > 0 && range.startsWith("bytes " + offset + "-")) {
            return new Part(offset, response.body());
        }
        try (response) {
            throw refused.error(response);
        }
    }
}
