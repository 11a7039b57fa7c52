// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.oci;

import io.vivarium.guestimages.Attributes;
import io.vivarium.guestimages.InvalidTreeException;
import io.vivarium.guestimages.LayeredTree;
import io.vivarium.guestimages.TreeNode;
import io.vivarium.guestimages.TreeTarget;

/// Applies the entries of one layer to the tree of those below it (OCI image specification, "Image Layer Filesystem
/// Changeset"): a file `.wh.name` removes `name`, a file `.wh..wh..opq` everything that its directory had before.
final class LayerTarget implements TreeTarget {
    private static final String WHITEOUT = ".wh.";
    private static final String OPAQUE = ".wh..wh..opq";

    /// Other names that begin so are notes that AUFS left to itself.
    private static final String AUFS_NOTE = ".wh..wh.";

    private final LayeredTree tree;

    LayerTarget(LayeredTree tree) {
        this.tree = tree;
        tree.nextLayer();
    }

    @Override
    public LayerTarget add(String path, TreeNode node) {
        if (!isMark(path)) {
            tree.add(path, node);
        }
        return this;
    }

    @Override
    public LayerTarget directory(String path, Attributes attributes) {
        if (!isMark(path)) {
            tree.directory(path, attributes);
        }
        return this;
    }

    @Override
    public LayerTarget hardLink(String path, String existing) {
        if (!isMark(path)) {
            tree.hardLink(path, existing);
        }
        return this;
    }

    @Override
    public long size() {
        return tree.size();
    }

    /// Whether the path is one of the marks; what it says is done.
    private boolean isMark(String path) {
        int end = path.length();
        while (end > 0 && path.charAt(end - 1) == '/') {
            end--;
        }
        int slash = path.lastIndexOf('/', end - 1);
        String parent = path.substring(0, slash + 1);
        String name = path.substring(slash + 1, end);
        if (!name.startsWith(WHITEOUT)) {
            // What AUFS keeps in a directory of its notes is one.
            return path.contains("/" + AUFS_NOTE) || path.startsWith(AUFS_NOTE);
        }
        if (name.equals(OPAQUE)) {
            tree.whiteOutEntries(parent);
        } else if (!name.startsWith(AUFS_NOTE)) {
            String removed = name.substring(WHITEOUT.length());
            if (removed.isEmpty() || removed.equals(".") || removed.equals("..")) {
                throw new InvalidTreeException(path, "the whiteout names no file");
            }
            tree.whiteOut(parent + removed);
        }
        return true;
    }
}
