// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages;

import io.vivarium.guestimages.TreeNode.Directory;
import io.vivarium.guestimages.TreeNode.RegularFile;
import io.vivarium.guestimages.TreeNode.SymbolicLink;
import io.vivarium.guestimages.TreeSlot.Finished;
import java.io.Closeable;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/// A root file system as an immutable tree: what an image is made from, and what an image says.
///
/// It comes from a host directory ([#fromDirectory(Path)]), from a tar archive
/// (`io.vivarium.guestimages.tar.TarReader`), from an image (`io.vivarium.guestimages.erofs.ErofsImage`), or
/// from a program ([#builder()]). File contents stay where they are until they are read; [#close()] lets go of
/// what holds them. Extended attributes are not part of a tree.
///
/// A tree may be used by several threads; closing it while another thread reads contents makes that read fail.
public final class RootFs implements Closeable {
    /// Deepest nesting of directories that a tree can have, which bounds the stack that walking it takes. Real root
    /// file systems have some thirty.
    public static final int MAX_DEPTH = 256;

    private final Directory root;
    private final Closeable storage;

    /// @param root the directory `/`
    /// @param storage what holds the contents, closed with the tree
    /// @throws InvalidTreeException the tree is deeper than [#MAX_DEPTH], or has one directory in two places
    public RootFs(Directory root, Closeable storage) {
        checkShape(root, "/", 0, new IdentityHashMap<>());
        this.root = root;
        this.storage = storage;
    }

    /// A tree whose contents need no closing.
    ///
    /// @throws InvalidTreeException the tree is deeper than [#MAX_DEPTH], or has one directory in two places
    public RootFs(Directory root) {
        this(root, () -> {});
    }

    private static void checkShape(
            Directory directory, String path, int depth, IdentityHashMap<Directory, String> seen) {
        if (depth > MAX_DEPTH) {
            throw new InvalidTreeException(path, "directories are nested deeper than " + MAX_DEPTH);
        }
        String elsewhere = seen.put(directory, path);
        if (elsewhere != null) {
            throw new InvalidTreeException(
                    path, "the same directory is also " + elsewhere + "; directories have one place");
        }
        for (Map.Entry<String, TreeNode> entry : directory.entries().entrySet()) {
            if (entry.getValue() instanceof Directory child) {
                checkShape(child, (depth == 0 ? "/" : path + "/") + entry.getKey(), depth + 1, seen);
            }
        }
    }

    /// What a host directory holds: the directory itself is `/`, links are not followed, files that are one
    /// file on the host (hard links) are one file in the tree. Owners, modes and times are the host's; see
    /// [#mapAttributes].
    ///
    /// @throws ImageException the directory holds what a tree cannot (a name that is not UTF-8, too deep a
    ///     nesting)
    /// @throws IOException the host refuses to read something
    public static RootFs fromDirectory(Path directory) throws IOException {
        return new HostTree(directory).read();
    }

    /// A tree with nothing in it but `/`, to be filled.
    public static Builder builder() {
        return new Builder();
    }

    /// The directory `/`.
    public Directory root() {
        return root;
    }

    /// The node at a path, without following symbolic links; empty when there is none.
    ///
    /// @throws InvalidTreeException the path has `..` in it
    public Optional<TreeNode> find(String path) {
        TreeNode node = root;
        for (String name : split(path)) {
            TreeNode child =
                    node instanceof Directory directory ? directory.entries().get(name) : null;
            if (child == null) {
                return Optional.empty();
            }
            node = child;
        }
        return Optional.of(node);
    }

    /// The same tree with the attributes of every file changed, for example `attributes ->
    /// attributes.withOwner(0, 0)`. The contents are shared with this tree, which must stay open as long.
    public RootFs mapAttributes(UnaryOperator<Attributes> change) {
        return new RootFs(map(root, change, new IdentityHashMap<>()), storage);
    }

    private static Directory map(
            Directory directory, UnaryOperator<Attributes> change, IdentityHashMap<TreeNode, TreeNode> links) {
        SequencedMap<String, TreeNode> entries = new LinkedHashMap<>();
        for (Map.Entry<String, TreeNode> entry : directory.entries().entrySet()) {
            TreeNode node = entry.getValue();
            entries.put(
                    entry.getKey(),
                    node instanceof Directory child
                            ? map(child, change, links)
                            : links.computeIfAbsent(node, (TreeNode key) -> key.withAttributes(change)));
        }
        return new Directory(change.apply(directory.attributes()), entries);
    }

    /// Lets go of what holds the contents. Idempotent.
    @Override
    public void close() throws IOException {
        storage.close();
    }

    /// The names on the way to `path`, which is taken from the root whether or not it begins with a `/`.
    static List<String> split(String path) {
        if (FileName.encode(path).length > FileName.MAX_PATH_BYTES) {
            throw new InvalidTreeException(path, "the path is longer than " + FileName.MAX_PATH_BYTES + " bytes");
        }
        List<String> names = new ArrayList<>();
        for (String name : path.split("/", -1)) {
            if (name.isEmpty() || name.equals(".")) {
                continue;
            }
            if (name.equals("..")) {
                throw new InvalidTreeException(path, "the path has '..' in it");
            }
            try {
                FileName.check(name);
            } catch (InvalidTreeException e) {
                throw new InvalidTreeException(path.replace("\0", "\\0"), e.reason());
            }
            names.add(name);
        }
        return names;
    }

    /// Fills a tree path by path. A path is taken from the root with or without a leading `/`. Directories on
    /// the way that were not added themselves are made with mode 0755, owner root and the time of the epoch.
    /// Adding a path again replaces what was there, as unpacking an archive does; a directory added again keeps
    /// its entries and takes the new attributes.
    ///
    /// Not for use by several threads at once.
    public static final class Builder implements TreeTarget {
        private final OpenDirectory root = new OpenDirectory(OpenDirectory.IMPLICIT, 0);
        private long names;

        private Builder() {}

        /// Adds a node. A [Directory] brings its entries along.
        ///
        /// @param text the path
        /// @throws InvalidTreeException the path cannot be used: `..`, a name too long, a parent that is not a
        ///     directory, a directory where another file is or the reverse, deeper than [#MAX_DEPTH]
        @Override
        public Builder add(String text, TreeNode node) {
            if (node instanceof Directory directory) {
                directory(text, directory.attributes());
                for (Map.Entry<String, TreeNode> entry : directory.entries().entrySet()) {
                    add(text + "/" + entry.getKey(), entry.getValue());
                }
                return this;
            }
            List<String> path = split(text);
            if (path.isEmpty()) {
                throw new InvalidTreeException(text, "the root can only be a directory");
            }
            OpenDirectory parent = parentOf(text, path);
            if (parent.entries.get(path.getLast()) instanceof OpenDirectory) {
                throw new InvalidTreeException(text, "is a directory already and cannot become another kind of file");
            }
            if (parent.entries.put(path.getLast(), new Finished(node, 0)) == null) {
                names++;
            }
            return this;
        }

        /// Adds a directory, or changes the attributes of one that is there.
        ///
        /// @param text the path
        /// @throws InvalidTreeException as [#add] says
        @Override
        public Builder directory(String text, Attributes attributes) {
            List<String> path = split(text);
            OpenDirectory directory = root;
            if (!path.isEmpty()) {
                directory = descend(text, parentOf(text, path), path.getLast());
            }
            directory.attributes = attributes;
            return this;
        }

        /// Adds a regular file.
        ///
        /// @throws InvalidTreeException as [#add] says
        public Builder file(String path, Content content, Attributes attributes) {
            return add(path, new RegularFile(attributes, content));
        }

        /// Adds a symbolic link with mode 0777, owner root and the time of the epoch.
        ///
        /// @throws InvalidTreeException as [#add] says; the target is empty or too long
        public Builder symbolicLink(String path, String target) {
            return add(path, new SymbolicLink(Attributes.of(0777), target));
        }

        /// Gives a file that was added before one more name.
        ///
        /// @throws InvalidTreeException as [#add] says; there is no such file, or it is a directory
        @Override
        public Builder hardLink(String path, String existing) {
            @Nullable TreeSlot slot = root;
            for (String name : split(existing)) {
                slot = slot instanceof OpenDirectory directory ? directory.entries.get(name) : null;
            }
            return switch (slot) {
                case null -> throw new InvalidTreeException(path, "hard link to " + existing + ", which is not there");
                case OpenDirectory _ ->
                    throw new InvalidTreeException(path, "hard link to " + existing + ", which is a directory");
                case Finished finished -> add(path, finished.node());
            };
        }

        /// How many names the tree has so far, those of directories that were made on the way included.
        @Override
        public long size() {
            return names;
        }

        /// The tree as filled so far; the builder can go on being used.
        public RootFs build() {
            return new RootFs(root.freeze());
        }

        /// As [#build()], with what holds the contents, closed with the tree.
        public RootFs build(Closeable storage) {
            return new RootFs(root.freeze(), storage);
        }

        private OpenDirectory parentOf(String text, List<String> path) {
            if (path.size() > MAX_DEPTH) {
                throw new InvalidTreeException(text, "directories are nested deeper than " + MAX_DEPTH);
            }
            OpenDirectory directory = root;
            for (String name : path.subList(0, path.size() - 1)) {
                directory = descend(text, directory, name);
            }
            return directory;
        }

        private OpenDirectory descend(String text, OpenDirectory parent, String name) {
            return switch (parent.entries.get(name)) {
                case null -> {
                    OpenDirectory implicit = new OpenDirectory(OpenDirectory.IMPLICIT, 0);
                    parent.entries.put(name, implicit);
                    names++;
                    yield implicit;
                }
                case OpenDirectory directory -> directory;
                case Finished(SymbolicLink link, int _) ->
                    throw new InvalidTreeException(
                            text,
                            "'" + name + "' on the way is a symbolic link (to " + link.target() + "), not a directory");
                case Finished _ -> throw new InvalidTreeException(text, "'" + name + "' on the way is not a directory");
            };
        }
    }
}
