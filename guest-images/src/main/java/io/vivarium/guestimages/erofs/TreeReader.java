// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.erofs;

import io.vivarium.guestimages.Attributes;
import io.vivarium.guestimages.FileName;
import io.vivarium.guestimages.ImageException;
import io.vivarium.guestimages.InvalidTreeException;
import io.vivarium.guestimages.RootFs;
import io.vivarium.guestimages.TreeNode;
import io.vivarium.guestimages.TreeNode.Device;
import io.vivarium.guestimages.TreeNode.Directory;
import io.vivarium.guestimages.TreeNode.Fifo;
import io.vivarium.guestimages.TreeNode.RegularFile;
import io.vivarium.guestimages.TreeNode.Socket;
import io.vivarium.guestimages.TreeNode.SymbolicLink;
import io.vivarium.guestimages.erofs.Inode.BadInodeException;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Reads and checks all of an image's metadata, once.
///
/// Directories are visited breadth first from a list, so that hostile nesting costs no stack, and each inode
/// number once, so that loops end. All directories together can have no more entries than fit into the image,
/// so that directories that share their blocks cost no more than honest ones.
final class TreeReader {
    /// A directory found, with the names on the way to it.
    private static final class Place {
        private final @Nullable Place parent;
        private final String name;
        private final Inode inode;
        private final int depth;
        private final Map<String, TreeNode> nodes = new HashMap<>();

        Place(@Nullable Place parent, String name, Inode inode) {
            this.parent = parent;
            this.name = name;
            this.inode = inode;
            this.depth = parent == null ? 0 : parent.depth + 1;
        }

        String path() {
            if (parent == null) {
                return "/";
            }
            String above = parent.path();
            return above.equals("/") ? above + name : above + "/" + name;
        }

        String path(String child) {
            return parent == null ? "/" + child : path() + "/" + child;
        }
    }

    private final MemorySegment image;
    private final Superblock superblock;
    private final String source;
    private final Map<Long, Place> directories = new HashMap<>();
    private final Map<Long, TreeNode> files = new HashMap<>();
    private final List<Place> found = new ArrayList<>();
    private long entriesLeft;

    TreeReader(MemorySegment image, Superblock superblock, String source) {
        this.image = image;
        this.superblock = superblock;
        this.source = source;
        this.entriesLeft = image.byteSize() / ErofsFormat.DIRENT_SIZE;
    }

    Directory read() throws ImageException {
        addDirectory(new Place(null, "", inode("/", superblock.rootNid())));
        for (int i = 0; i < found.size(); i++) {
            readEntries(found.get(i));
        }
        // Children come after their parents, so that from the end on every directory's children are complete.
        for (Place place : found.reversed()) {
            Directory directory = Directory.of(attributes(place.inode), place.nodes);
            if (place.parent == null) {
                return directory;
            }
            place.parent.nodes.put(place.name, directory);
        }
        throw new IllegalStateException("an image has a root");
    }

    private void addDirectory(Place place) throws ImageException {
        Place elsewhere = directories.putIfAbsent(place.inode.nid(), place);
        if (elsewhere != null) {
            throw bad(place.path(), "directory loop: it is the same directory as " + elsewhere.path());
        }
        if (place.depth > RootFs.MAX_DEPTH) {
            throw bad(place.path(), "directories are nested deeper than " + RootFs.MAX_DEPTH);
        }
        found.add(place);
    }

    private void readEntries(Place directory) throws ImageException {
        List<DirectoryBlocks.Entry> entries;
        try {
            entries = DirectoryBlocks.read(directory.inode, entriesLeft);
        } catch (BadInodeException e) {
            throw bad(directory.path(), e.reason());
        }
        entriesLeft -= entries.size();
        int dots = 0;
        for (DirectoryBlocks.Entry entry : entries) {
            switch (entry.name()) {
                case "." -> {
                    checkDot(directory, entry, directory.inode.nid());
                    dots++;
                }
                case ".." -> {
                    checkDot(
                            directory,
                            entry,
                            directory.parent == null ? directory.inode.nid() : directory.parent.inode.nid());
                    dots++;
                }
                default -> readEntry(directory, entry);
            }
        }
        if (dots != 2) {
            throw bad(directory.path(), "the directory has no '.' or no '..'");
        }
    }

    private void checkDot(Place directory, DirectoryBlocks.Entry entry, long expected) throws ImageException {
        if (entry.nid() != expected) {
            throw bad(
                    directory.path(),
                    "'%s' is inode %s, it should be %d"
                            .formatted(entry.name(), Long.toUnsignedString(entry.nid()), expected));
        }
    }

    private void readEntry(Place directory, DirectoryBlocks.Entry entry) throws ImageException {
        String path = directory.path(entry.name());
        TreeNode known = files.get(entry.nid());
        if (known != null) {
            directory.nodes.put(entry.name(), known);
            return;
        }
        Inode inode = inode(path, entry.nid());
        if (ErofsFormat.fileType(inode.mode()) != entry.fileType()) {
            throw bad(
                    path,
                    "the directory says file type %d, the inode has mode 0%o"
                            .formatted(entry.fileType(), inode.mode()));
        }
        if (inode.isDirectory()) {
            addDirectory(new Place(directory, entry.name(), inode));
            return;
        }
        TreeNode file = file(path, inode);
        files.put(entry.nid(), file);
        directory.nodes.put(entry.name(), file);
    }

    private Inode inode(String path, long nid) throws ImageException {
        try {
            return Inode.read(image, superblock, nid);
        } catch (BadInodeException e) {
            throw bad(path, e.reason());
        }
    }

    private TreeNode file(String path, Inode inode) throws ImageException {
        Attributes attributes = attributes(inode);
        return switch (inode.mode() & ErofsFormat.S_IFMT) {
            case ErofsFormat.S_IFREG -> new RegularFile(attributes, new MappedContent(inode.blocks(), inode.tail()));
            case ErofsFormat.S_IFLNK -> new SymbolicLink(attributes, linkTarget(path, inode));
            case ErofsFormat.S_IFCHR -> device(attributes, Device.Kind.CHARACTER, inode.location());
            case ErofsFormat.S_IFBLK -> device(attributes, Device.Kind.BLOCK, inode.location());
            case ErofsFormat.S_IFIFO -> new Fifo(attributes);
            case ErofsFormat.S_IFSOCK -> new Socket(attributes);
            default -> throw new IllegalStateException("mode 0%o passed the check".formatted(inode.mode()));
        };
    }

    private String linkTarget(String path, Inode inode) throws ImageException {
        if (inode.size() == 0 || inode.size() > FileName.MAX_PATH_BYTES) {
            throw bad(path, "a symbolic link whose target has " + inode.size() + " bytes");
        }
        try {
            String target = FileName.decode(new MappedContent(inode.blocks(), inode.tail()).toArray());
            if (target.indexOf('\0') < 0) {
                return target;
            }
        } catch (InvalidTreeException e) {
            throw bad(path, e.path() + ": " + e.reason());
        }
        throw bad(path, "the target of a symbolic link has a NUL in it");
    }

    /// The kernel's `new_decode_dev()`.
    private static Device device(Attributes attributes, Device.Kind kind, int rdev) {
        return new Device(attributes, kind, (rdev >>> 8) & 0xFFF, (rdev & 0xFF) | ((rdev >>> 12) & 0xFFF00));
    }

    private static Attributes attributes(Inode inode) {
        return new Attributes(inode.mode() & 07777, inode.uid(), inode.gid(), inode.mtime());
    }

    private ImageException bad(String path, String reason) {
        return new ImageException(source, "bad EROFS image: " + path + ": " + reason);
    }
}
