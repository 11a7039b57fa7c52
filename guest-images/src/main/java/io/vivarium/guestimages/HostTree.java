// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages;

import io.vivarium.guestimages.TreeNode.Device;
import io.vivarium.guestimages.TreeNode.Directory;
import io.vivarium.guestimages.TreeNode.Fifo;
import io.vivarium.guestimages.TreeNode.RegularFile;
import io.vivarium.guestimages.TreeNode.Socket;
import io.vivarium.guestimages.TreeNode.SymbolicLink;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;

/// Reads a host directory into a [RootFs], once.
final class HostTree {
    /* The file type bits of st_mode, inode(7). */
    private static final int S_IFMT = 0170000;
    private static final int S_IFSOCK = 0140000;
    private static final int S_IFLNK = 0120000;
    private static final int S_IFREG = 0100000;
    private static final int S_IFBLK = 0060000;
    private static final int S_IFDIR = 0040000;
    private static final int S_IFCHR = 0020000;
    private static final int S_IFIFO = 0010000;

    private record FileKey(long device, long inode) {}

    /// The "unix" attribute view of the JDK on Linux: what `lstat(2)` says.
    private record Status(int mode, int links, FileKey key, long rdev, long size, Attributes attributes) {
        static Status of(Path path) throws IOException {
            Map<String, Object> unix = Files.readAttributes(
                    path, "unix:mode,nlink,ino,dev,rdev,uid,gid,size,lastModifiedTime", LinkOption.NOFOLLOW_LINKS);
            int mode = (int) number(unix, "mode");
            FileTime modified = (FileTime) Objects.requireNonNull(unix.get("lastModifiedTime"));
            return new Status(
                    mode,
                    (int) number(unix, "nlink"),
                    new FileKey(number(unix, "dev"), number(unix, "ino")),
                    number(unix, "rdev"),
                    number(unix, "size"),
                    new Attributes(
                            mode & 07777,
                            number(unix, "uid") & 0xFFFF_FFFFL,
                            number(unix, "gid") & 0xFFFF_FFFFL,
                            modified.toInstant()));
        }

        private static long number(Map<String, Object> attributes, String name) {
            return ((Number) Objects.requireNonNull(attributes.get(name))).longValue();
        }
    }

    private final Path top;
    private final Map<FileKey, TreeNode> linked = new HashMap<>();

    HostTree(Path top) {
        this.top = top;
    }

    RootFs read() throws IOException {
        // The directory that the caller names may be a symbolic link to one.
        Path real = top.toRealPath();
        if (!Files.isDirectory(real)) {
            throw new ImageException(top.toString(), "not a directory");
        }
        try {
            return new RootFs(readDirectory(real, Status.of(real), 0));
        } catch (InvalidTreeException e) {
            throw new ImageException(top.toString(), e.path() + ": " + e.reason(), e);
        }
    }

    private Directory readDirectory(Path directory, Status status, int depth) throws IOException {
        if (depth > RootFs.MAX_DEPTH) {
            throw new ImageException(directory.toString(), "directories are nested deeper than " + RootFs.MAX_DEPTH);
        }
        Map<String, TreeNode> entries = new HashMap<>();
        try (DirectoryStream<Path> children = Files.newDirectoryStream(directory)) {
            for (Path child : children) {
                Path name = Objects.requireNonNull(child.getFileName());
                entries.put(exactText(name), readNode(child, depth));
            }
        } catch (DirectoryIteratorException e) {
            throw e.getCause();
        }
        return Directory.of(status.attributes(), entries);
    }

    private TreeNode readNode(Path path, int depth) throws IOException {
        Status status = Status.of(path);
        if ((status.mode() & S_IFMT) == S_IFDIR) {
            return readDirectory(path, status, depth + 1);
        }
        if (status.links() == 1) {
            return readLeaf(path, status);
        }
        TreeNode known = linked.get(status.key());
        if (known == null) {
            known = readLeaf(path, status);
            linked.put(status.key(), known);
        }
        return known;
    }

    private static TreeNode readLeaf(Path path, Status status) throws IOException {
        Attributes attributes = status.attributes();
        return switch (status.mode() & S_IFMT) {
            case S_IFREG -> new RegularFile(attributes, Content.of(path, status.size()));
            case S_IFLNK -> new SymbolicLink(attributes, exactText(Files.readSymbolicLink(path)));
            case S_IFCHR -> device(Device.Kind.CHARACTER, status);
            case S_IFBLK -> device(Device.Kind.BLOCK, status);
            case S_IFIFO -> new Fifo(attributes);
            case S_IFSOCK -> new Socket(attributes);
            default ->
                throw new ImageException(
                        path.toString(), "is of a kind (mode 0%o) that an image cannot hold".formatted(status.mode()));
        };
    }

    private static Device device(Device.Kind kind, Status status) {
        // glibc's and the kernel's encoding of dev_t in user space, makedev(3): major in bits 8…19 and 32…63,
        // minor in 0…7, 20…31.
        long rdev = status.rdev();
        int major = (int) (((rdev >>> 8) & 0xFFF) | ((rdev >>> 32) & ~0xFFFL));
        int minor = (int) ((rdev & 0xFF) | ((rdev >>> 12) & 0xFFFFF00L));
        return new Device(status.attributes(), kind, major, minor);
    }

    /// The text of a path as the file system has it. [Path#toString()] goes through the character set of the
    /// process's locale, which loses every byte that the locale does not know; a [java.net.URI] of the path
    /// keeps the bytes, percent-encoded.
    private static String exactText(Path path) {
        String text = path.toString();
        if (text.chars().allMatch((int c) -> c < 0x80)) {
            return text;
        }
        String uri = Path.of("/").resolve(path).toUri().getRawPath();
        byte[] bytes = percentDecode(uri);
        // toUri() makes the path absolute, and marks what happens to be a directory with a trailing '/'.
        int from = path.isAbsolute() ? 0 : 1;
        int to = bytes.length;
        if (!text.endsWith("/") && bytes[to - 1] == '/') {
            to--;
        }
        byte[] exact = new byte[to - from];
        System.arraycopy(bytes, from, exact, 0, exact.length);
        return FileName.decode(exact);
    }

    private static byte[] percentDecode(String text) {
        byte[] raw = text.getBytes(StandardCharsets.US_ASCII);
        ByteArrayOutputStream decoded = new ByteArrayOutputStream(raw.length);
        for (int i = 0; i < raw.length; i++) {
            if (raw[i] == '%') {
                decoded.write(Integer.parseInt(text, i + 1, i + 3, 16));
                i += 2;
            } else {
                decoded.write(raw[i]);
            }
        }
        return decoded.toByteArray();
    }
}
