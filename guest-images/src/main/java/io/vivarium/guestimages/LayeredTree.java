// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages;

import io.vivarium.guestimages.TreeNode.SymbolicLink;
import io.vivarium.guestimages.TreeSlot.Finished;
import java.io.Closeable;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// A tree made of layers, each of which adds to those below it, replaces, and removes.
///
/// Unlike with [RootFs.Builder], a file may take the place of a directory and the reverse, and a symbolic link on the
// way
/// to a file is followed as in a guest whose root this is: it never leads out of the tree.
///
/// Not for use by several threads at once.
public final class LayeredTree implements TreeTarget {
    /// How many symbolic links are followed on the way to one file (`MAXSYMLINKS`, path_resolution(7)).
    private static final int MAX_LINKS = 40;

    /// What becomes of a symbolic link to a directory when a layer has a directory of its name.
    public enum DirectoryOverLink {
        /// The directory takes its place, as in container images.
        REPLACES,
        /// It stays, and the directory's entries go where it leads, as dpkg(1) does it.
        FOLLOWS
    }

    private final DirectoryOverLink directoryOverLink;
    private final OpenDirectory root = new OpenDirectory(OpenDirectory.IMPLICIT, 0);
    private long names;
    private int layer;

    /// An empty tree.
    public LayeredTree(DirectoryOverLink directoryOverLink) {
        this.directoryOverLink = directoryOverLink;
    }

    /// What follows is another layer, above those before.
    public void nextLayer() {
        layer++;
    }

    @Override
    public LayeredTree add(String path, TreeNode node) {
        Place place = place(path).orElseThrow(() -> new InvalidTreeException(path, "the root can only be a directory"));
        put(place, new Finished(node, layer));
        return this;
    }

    @Override
    public LayeredTree directory(String path, Attributes attributes) {
        Optional<Place> place = place(path);
        OpenDirectory directory = place.isEmpty() ? root : open(path, place.get());
        directory.attributes = attributes;
        directory.layer = layer;
        return this;
    }

    private OpenDirectory open(String path, Place place) {
        TreeSlot there = place.parent.entries.get(place.name);
        if (there instanceof OpenDirectory directory) {
            return directory;
        }
        if (directoryOverLink == DirectoryOverLink.FOLLOWS
                && there instanceof Finished(TreeNode node, int _)
                && node instanceof SymbolicLink) {
            return walk(path, RootFs.split(path), true).orElseThrow();
        }
        OpenDirectory directory = new OpenDirectory(OpenDirectory.IMPLICIT, layer);
        put(place, directory);
        return directory;
    }

    @Override
    public LayeredTree hardLink(String path, String existing) {
        Optional<Place> found = existingPlace(existing);
        TreeSlot slot = found.isEmpty() ? null : found.get().parent.entries.get(found.get().name);
        return switch (slot) {
            case null -> throw new InvalidTreeException(path, "hard link to " + existing + ", which is not there");
            case OpenDirectory _ ->
                throw new InvalidTreeException(path, "hard link to " + existing + ", which is a directory");
            case Finished finished -> add(path, finished.node());
        };
    }

    /// Whether there is something at a path, when symbolic links on the way to it are followed.
    public boolean has(String path) {
        return existingPlace(path)
                .filter((Place place) -> place.parent.entries.containsKey(place.name))
                .isPresent();
    }

    /// The node at a path that is not a directory, when symbolic links on the way to it are followed.
    public Optional<TreeNode> find(String path) {
        return existingPlace(path)
                .map((Place place) -> place.parent.entries.get(place.name))
                .flatMap((TreeSlot slot) ->
                        slot instanceof Finished finished ? Optional.of(finished.node()) : Optional.empty());
    }

    /// Removes what the layers below have at a path. What this layer has there stays.
    public void whiteOut(String path) {
        Optional<Place> place = existingPlace(path);
        if (place.isEmpty()) {
            return;
        }
        Map<String, TreeSlot> entries = place.get().parent.entries;
        TreeSlot slot = entries.get(place.get().name);
        if (slot != null && isOld(slot)) {
            entries.remove(place.get().name);
            names--;
        }
    }

    /// Removes what the layers below have in a directory. What this layer has there stays.
    public void whiteOutEntries(String path) {
        walk(path, RootFs.split(path), false).ifPresent(this::prune);
    }

    /// Whether nothing of this layer is at a place; what is older below a directory is removed.
    private boolean isOld(TreeSlot slot) {
        return switch (slot) {
            case Finished finished -> finished.layer() < layer;
            case OpenDirectory directory -> {
                prune(directory);
                yield directory.layer < layer && directory.entries.isEmpty();
            }
        };
    }

    private void prune(OpenDirectory directory) {
        for (Iterator<TreeSlot> slots = directory.entries.values().iterator(); slots.hasNext(); ) {
            if (isOld(slots.next())) {
                slots.remove();
                names--;
            }
        }
    }

    @Override
    public long size() {
        return names;
    }

    /// The tree as filled so far.
    ///
    /// @param storage what holds the contents, closed with the tree
    public RootFs build(Closeable storage) {
        return new RootFs(root.freeze(), storage);
    }

    /// Where a name is.
    private record Place(OpenDirectory parent, String name) {}

    private void put(Place place, TreeSlot slot) {
        TreeSlot replaced = place.parent.entries.put(place.name, slot);
        names += 1 - (replaced == null ? 0 : count(replaced));
    }

    private static long count(TreeSlot slot) {
        return slot instanceof OpenDirectory directory
                ? 1
                        + directory.entries.values().stream()
                                .mapToLong(LayeredTree::count)
                                .sum()
                : 1;
    }

    /// The place of a path, the directories on the way made; empty for the root.
    private Optional<Place> place(String path) {
        List<String> names = RootFs.split(path);
        return names.isEmpty()
                ? Optional.empty()
                : walk(path, names.subList(0, names.size() - 1), true)
                        .map((OpenDirectory parent) -> new Place(parent, names.getLast()));
    }

    /// The place of a path if the directories on the way are there.
    private Optional<Place> existingPlace(String path) {
        List<String> names = RootFs.split(path);
        return names.isEmpty()
                ? Optional.empty()
                : walk(path, names.subList(0, names.size() - 1), false)
                        .map((OpenDirectory parent) -> new Place(parent, names.getLast()));
    }

    /// Follows names and symbolic links from the root to a directory.
    ///
    /// @param make whether to make what is missing
    private Optional<OpenDirectory> walk(String text, List<String> path, boolean make) {
        Deque<String> pending = new ArrayDeque<>(path);
        Deque<OpenDirectory> way = new ArrayDeque<>();
        way.push(root);
        int links = 0;
        while (!pending.isEmpty()) {
            String name = pending.pop();
            if (name.isEmpty() || name.equals(".")) {
                continue;
            }
            if (name.equals("..")) {
                if (way.size() > 1) {
                    way.pop();
                }
                continue;
            }
            OpenDirectory directory = way.element();
            @Nullable TreeSlot slot = directory.entries.get(name);
            if (slot == null && make) {
                FileName.check(name);
                slot = new OpenDirectory(OpenDirectory.IMPLICIT, layer);
                put(new Place(directory, name), slot);
            }
            switch (slot) {
                case null -> {
                    return Optional.empty();
                }
                case OpenDirectory next -> {
                    way.push(next);
                    if (way.size() > RootFs.MAX_DEPTH) {
                        throw new InvalidTreeException(text, "directories are nested deeper than " + RootFs.MAX_DEPTH);
                    }
                }
                case Finished(SymbolicLink link, int _) -> {
                    if (++links > MAX_LINKS) {
                        throw new InvalidTreeException(text, "there are too many symbolic links on the way");
                    }
                    if (link.target().startsWith("/")) {
                        way.clear();
                        way.push(root);
                    }
                    List<String> target = List.of(link.target().split("/", -1));
                    target.reversed().forEach(pending::push);
                }
                case Finished _ -> {
                    if (make) {
                        throw new InvalidTreeException(text, "'" + name + "' on the way is not a directory");
                    }
                    return Optional.empty();
                }
            }
        }
        return Optional.of(way.element());
    }
}
