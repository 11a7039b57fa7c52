// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.erofs;

import io.vivarium.guestimages.Attributes;
import io.vivarium.guestimages.FileName;
import io.vivarium.guestimages.TreeNode;
import io.vivarium.guestimages.TreeNode.Device;
import io.vivarium.guestimages.TreeNode.Directory;
import io.vivarium.guestimages.TreeNode.Fifo;
import io.vivarium.guestimages.TreeNode.RegularFile;
import io.vivarium.guestimages.TreeNode.Socket;
import io.vivarium.guestimages.TreeNode.SymbolicLink;
import java.nio.ByteBuffer;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/// One inode of an image to be: first its node and size, then its place.
final class InodePlan {
    private final TreeNode node;
    private final @Nullable InodePlan parent;
    private final String name;
    private final int number;
    private final long size;
    private final TreeMap<String, InodePlan> entries = new TreeMap<>(FileName.BYTE_ORDER);

    private int links;
    private long offset;
    private long firstBlock;

    /// @param parent the directory where the node was first met; null for the root
    /// @param name its name there
    /// @param number position among the inodes, from 1
    InodePlan(TreeNode node, @Nullable InodePlan parent, String name, int number) {
        this.node = node;
        this.parent = parent;
        this.name = name;
        this.number = number;
        this.size = switch (node) {
            case Directory directory -> directorySize(directory);
            case RegularFile file -> file.content().size();
            case SymbolicLink link -> FileName.encode(link.target()).length;
            case Device _, Fifo _, Socket _ -> 0;
        };
        // A directory has its own "." besides its name; the root's ".." stands for the name that it does not
        // have.
        this.links = node instanceof Directory ? (parent == null ? 2 : 1) : 0;
    }

    TreeNode node() {
        return node;
    }

    long size() {
        return size;
    }

    /// The path where the node was first met.
    String path() {
        if (parent == null) {
            return "/";
        }
        String above = parent.path();
        return above.equals("/") ? above + name : above + "/" + name;
    }

    /// Records a name for `inode` in this directory.
    void addEntry(String entryName, InodePlan inode) {
        entries.put(entryName, inode);
        inode.links++;
        if (inode.node instanceof Directory) {
            links++; // the child's ".."
        }
    }

    /// Bytes behind the inode: all of a short link, the last partial block of a directory when it fits.
    int inlineBytes() {
        if (node instanceof Directory || node instanceof SymbolicLink) {
            int tail = (int) (size % ErofsFormat.BLOCK_SIZE);
            return ErofsFormat.INODE_EXTENDED_SIZE + tail <= ErofsFormat.BLOCK_SIZE ? tail : 0;
        }
        return 0;
    }

    /// Bytes in blocks of their own.
    long fullBlockBytes() {
        return size - inlineBytes();
    }

    long offset() {
        return offset;
    }

    long nid() {
        return offset >> ErofsFormat.SLOT_BITS;
    }

    long dataOffset() {
        return firstBlock << ErofsFormat.BLOCK_BITS;
    }

    void placeInode(long newOffset) {
        offset = newOffset;
    }

    void placeData(long newFirstBlock) {
        firstBlock = newFirstBlock;
    }

    private int mode() {
        int type =
                switch (node) {
                    case Directory _ -> ErofsFormat.S_IFDIR;
                    case RegularFile _ -> ErofsFormat.S_IFREG;
                    case SymbolicLink _ -> ErofsFormat.S_IFLNK;
                    case Device device ->
                        switch (device.kind()) {
                            case CHARACTER -> ErofsFormat.S_IFCHR;
                            case BLOCK -> ErofsFormat.S_IFBLK;
                        };
                    case Fifo _ -> ErofsFormat.S_IFIFO;
                    case Socket _ -> ErofsFormat.S_IFSOCK;
                };
        return type | node.attributes().permissions();
    }

    /// `struct erofs_inode_extended`.
    ByteBuffer encode() {
        Attributes attributes = node.attributes();
        Instant mtime = attributes.mtime();
        int layout = inlineBytes() > 0 ? ErofsFormat.INODE_FLAT_INLINE : ErofsFormat.INODE_FLAT_PLAIN;
        // i_u: the first block, or for a device its number as the kernel's new_encode_dev() has it.
        int location = node instanceof Device(Attributes _, Device.Kind _, int major, int minor)
                ? (minor & 0xFF) | (major << 8) | ((minor & ~0xFF) << 12)
                : (int) firstBlock;
        return ByteBuffer.allocate(ErofsFormat.INODE_EXTENDED_SIZE)
                .order(ErofsFormat.ORDER)
                .putShort((short) (ErofsFormat.INODE_LAYOUT_EXTENDED | layout << ErofsFormat.DATALAYOUT_SHIFT))
                .putShort((short) 0) // i_xattr_icount
                .putShort((short) mode())
                .putShort((short) 0) // i_reserved
                .putLong(size)
                .putInt(location)
                .putInt(number)
                .putInt((int) attributes.uid())
                .putInt((int) attributes.gid())
                .putLong(mtime.getEpochSecond())
                .putInt(mtime.getNano())
                .putInt(links)
                .clear();
    }

    /// The directory's content: in every block first the `struct erofs_dirent`s and then the names, both in the
    /// order of the names' bytes over the whole directory, `.` and `..` among them.
    ByteBuffer encodeDirectory() {
        TreeMap<String, InodePlan> all = new TreeMap<>(entries);
        all.put(".", this);
        all.put("..", parent == null ? this : parent);
        ByteBuffer content = ByteBuffer.allocate((int) size).order(ErofsFormat.ORDER);
        for (List<byte[]> block : blocksOf(all.keySet())) {
            content.position((int) ErofsFormat.roundUpToBlock(content.position()));
            int nameOffset = block.size() * ErofsFormat.DIRENT_SIZE;
            for (byte[] entryName : block) {
                InodePlan inode = Objects.requireNonNull(all.get(FileName.decode(entryName)));
                content.putLong(inode.nid())
                        .putShort((short) nameOffset)
                        .put((byte) ErofsFormat.fileType(inode.mode()))
                        .put((byte) 0);
                nameOffset += entryName.length;
            }
            block.forEach(content::put);
        }
        return content.clear();
    }

    /// Length of what [#encodeDirectory()] gives: full blocks, and what the last one uses.
    private static long directorySize(Directory directory) {
        TreeSet<String> names = new TreeSet<>(FileName.BYTE_ORDER);
        names.addAll(directory.entries().keySet());
        names.add(".");
        names.add("..");
        List<List<byte[]>> blocks = blocksOf(names);
        int last = 0;
        for (byte[] entryName : blocks.getLast()) {
            last += ErofsFormat.DIRENT_SIZE + entryName.length;
        }
        return (blocks.size() - 1L) * ErofsFormat.BLOCK_SIZE + last;
    }

    /// The names, as bytes, that share a block each.
    private static List<List<byte[]>> blocksOf(Set<String> sortedNames) {
        List<List<byte[]>> blocks = new ArrayList<>();
        int free = 0;
        for (String text : sortedNames) {
            byte[] entryName = FileName.encode(text);
            int needed = ErofsFormat.DIRENT_SIZE + entryName.length;
            if (needed > free) {
                blocks.add(new ArrayList<>());
                free = ErofsFormat.BLOCK_SIZE;
            }
            blocks.getLast().add(entryName);
            free -= needed;
        }
        return blocks;
    }
}
