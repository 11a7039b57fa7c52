// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages;

import java.util.Collections;
import java.util.Map;
import java.util.SequencedMap;
import java.util.TreeMap;
import java.util.function.Function;

/// A file of a [RootFs]. Nodes are immutable.
///
/// The *same instance* found under two names, in one directory or in two, is a hard link: one file, several
/// names. This holds for everything but a [Directory], which has one place in the tree.
public sealed interface TreeNode {
    /// Mode, owner and time.
    Attributes attributes();

    /// A directory. Its entries are in the order of their UTF-8 bytes, whatever order they were given in; `.`
    /// and `..` are not among them.
    record Directory(Attributes attributes, SequencedMap<String, TreeNode> entries) implements TreeNode {
        /// @throws InvalidTreeException a name cannot be that of a file
        public Directory {
            entries = sorted(entries);
        }

        /// As the canonical constructor, for a map of any kind.
        ///
        /// @throws InvalidTreeException a name cannot be that of a file
        public static Directory of(Attributes attributes, Map<String, ? extends TreeNode> entries) {
            return new Directory(attributes, sorted(entries));
        }

        private static SequencedMap<String, TreeNode> sorted(Map<String, ? extends TreeNode> entries) {
            entries.keySet().forEach(FileName::check);
            TreeMap<String, TreeNode> sorted = new TreeMap<>(FileName.BYTE_ORDER);
            sorted.putAll(entries);
            return Collections.unmodifiableSequencedMap(sorted);
        }
    }

    /// A regular file.
    record RegularFile(Attributes attributes, Content content) implements TreeNode {}

    /// A symbolic link. The target is never followed here: it is resolved inside the guest, whose root it
    /// cannot leave.
    record SymbolicLink(Attributes attributes, String target) implements TreeNode {
        /// @throws InvalidTreeException the target is empty, longer than 4095 bytes, or has a NUL
        public SymbolicLink {
            if (target.isEmpty()) {
                throw new InvalidTreeException(target, "the target of a symbolic link is empty");
            }
            if (target.indexOf('\0') >= 0) {
                throw new InvalidTreeException(
                        target.replace("\0", "\\0"), "the target of a symbolic link has a NUL in it");
            }
            int length = FileName.encode(target).length;
            if (length > FileName.MAX_PATH_BYTES) {
                throw new InvalidTreeException(
                        target,
                        "the target of a symbolic link has " + length + " bytes, more than " + FileName.MAX_PATH_BYTES);
            }
        }
    }

    /// A device node.
    ///
    /// @param kind character or block
    /// @param major `0` … `4095`: the twelve bits that Linux has for it
    /// @param minor `0` … `1048575`: the twenty bits that Linux has for it
    record Device(Attributes attributes, Kind kind, int major, int minor) implements TreeNode {
        /// What a device transfers.
        public enum Kind {
            /// `S_IFCHR`
            CHARACTER,
            /// `S_IFBLK`
            BLOCK
        }

        /// @throws IllegalArgumentException a number is out of its range
        public Device {
            if (major < 0 || major > 0xFFF || minor < 0 || minor > 0xFFFFF) {
                throw new IllegalArgumentException("device %d:%d is not within 4095:1048575".formatted(major, minor));
            }
        }
    }

    /// A named pipe.
    record Fifo(Attributes attributes) implements TreeNode {}

    /// The name of a Unix-domain socket.
    record Socket(Attributes attributes) implements TreeNode {}

    /// The same node with other attributes; a directory keeps its entries.
    default TreeNode withAttributes(Function<Attributes, Attributes> change) {
        Attributes changed = change.apply(attributes());
        return switch (this) {
            case Directory directory -> new Directory(changed, directory.entries());
            case RegularFile file -> new RegularFile(changed, file.content());
            case SymbolicLink link -> new SymbolicLink(changed, link.target());
            case Device device -> new Device(changed, device.kind(), device.major(), device.minor());
            case Fifo _ -> new Fifo(changed);
            case Socket _ -> new Socket(changed);
        };
    }
}
