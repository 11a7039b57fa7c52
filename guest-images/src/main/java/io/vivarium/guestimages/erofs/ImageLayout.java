// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.erofs;

import io.vivarium.guestimages.ImageException;
import io.vivarium.guestimages.RootFs;
import io.vivarium.guestimages.TreeNode;
import io.vivarium.guestimages.TreeNode.Directory;
import io.vivarium.guestimages.TreeNode.RegularFile;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.UUID;

/// Where everything of an image goes, decided before the first byte is written.
///
/// @param inodes in the order of their place, the root's first
/// @param size length of the image in bytes, a multiple of the block size
record ImageLayout(List<InodePlan> inodes, long size) {
    private static final long MAX_BLOCKS = 1L << 32;

    static ImageLayout of(RootFs tree) throws ImageException {
        List<InodePlan> inodes = enumerate(tree);
        long position = ErofsFormat.BLOCK_SIZE;
        for (InodePlan inode : inodes) {
            int length = ErofsFormat.INODE_EXTENDED_SIZE + inode.inlineBytes();
            if (position % ErofsFormat.BLOCK_SIZE + length > ErofsFormat.BLOCK_SIZE) {
                position = ErofsFormat.roundUpToBlock(position);
            }
            inode.placeInode(position);
            position += (length + ErofsFormat.SLOT_SIZE - 1) & -ErofsFormat.SLOT_SIZE;
        }
        long block = ErofsFormat.roundUpToBlock(position) >> ErofsFormat.BLOCK_BITS;
        for (boolean files : new boolean[] {false, true}) {
            for (InodePlan inode : inodes) {
                if (inode.node() instanceof RegularFile == files && inode.fullBlockBytes() > 0) {
                    inode.placeData(block);
                    block += ErofsFormat.roundUpToBlock(inode.fullBlockBytes()) >> ErofsFormat.BLOCK_BITS;
                    if (block >= MAX_BLOCKS) {
                        throw new ImageException(inode.path(), "the image would be larger than EROFS can be (16 TiB)");
                    }
                }
            }
        }
        return new ImageLayout(inodes, block << ErofsFormat.BLOCK_BITS);
    }

    /// Parents before children, names in order; a file with several names once, where it is first met.
    private static List<InodePlan> enumerate(RootFs tree) {
        InodePlan root = new InodePlan(tree.root(), null, "", 1);
        List<InodePlan> inodes = new ArrayList<>(List.of(root));
        IdentityHashMap<TreeNode, InodePlan> linked = new IdentityHashMap<>();
        ArrayDeque<InodePlan> directories = new ArrayDeque<>(List.of(root));
        while (!directories.isEmpty()) {
            InodePlan directory = directories.remove();
            ((Directory) directory.node()).entries().forEach((String name, TreeNode node) -> {
                InodePlan inode = linked.get(node);
                if (inode == null) {
                    inode = new InodePlan(node, directory, name, inodes.size() + 1);
                    linked.put(node, inode);
                    inodes.add(inode);
                    if (node instanceof Directory) {
                        directories.add(inode);
                    }
                }
                directory.addEntry(name, inode);
            });
        }
        return inodes;
    }

    Superblock superblock(UUID uuid) {
        return new Superblock(
                ErofsFormat.FEATURE_COMPAT_SB_CHKSUM | ErofsFormat.FEATURE_COMPAT_MTIME,
                0,
                (int) inodes.getFirst().nid(),
                inodes.size(),
                0,
                0,
                size >> ErofsFormat.BLOCK_BITS,
                0,
                uuid);
    }
}
