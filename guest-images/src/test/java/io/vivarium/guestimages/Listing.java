// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages;

import io.vivarium.guestimages.TreeNode.Device;
import io.vivarium.guestimages.TreeNode.Directory;
import io.vivarium.guestimages.TreeNode.Fifo;
import io.vivarium.guestimages.TreeNode.RegularFile;
import io.vivarium.guestimages.TreeNode.Socket;
import io.vivarium.guestimages.TreeNode.SymbolicLink;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.security.DigestInputStream;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;

/// A tree as lines of text, one a file, with everything that a tree says: two trees are equal when their lines
/// are.
public final class Listing {
    private final List<String> lines = new ArrayList<>();
    private final IdentityHashMap<TreeNode, String> firstNames = new IdentityHashMap<>();

    private Listing() {}

    public static List<String> of(RootFs tree) throws IOException {
        Listing listing = new Listing();
        listing.add("/", tree.root());
        return listing.lines;
    }

    private void add(String path, TreeNode node) throws IOException {
        String first = firstNames.putIfAbsent(node, path);
        if (first != null) {
            lines.add(path + " = " + first);
            return;
        }
        Attributes a = node.attributes();
        String kind =
                switch (node) {
                    case Directory _ -> "directory";
                    case RegularFile file -> "file " + file.content().size() + " " + sha256(file.content());
                    case SymbolicLink link -> "link -> " + link.target();
                    case Device device -> device.kind() + " " + device.major() + ":" + device.minor();
                    case Fifo _ -> "fifo";
                    case Socket _ -> "socket";
                };
        lines.add("%s %04o %d:%d %s %s".formatted(path, a.permissions(), a.uid(), a.gid(), a.mtime(), kind));
        if (node instanceof Directory directory) {
            for (Map.Entry<String, TreeNode> entry : directory.entries().entrySet()) {
                add((path.equals("/") ? "/" : path + "/") + entry.getKey(), entry.getValue());
            }
        }
    }

    private static String sha256(Content content) throws IOException {
        try (InputStream in = content.open();
                DigestInputStream digest = new DigestInputStream(in, MessageDigest.getInstance("SHA-256"))) {
            digest.transferTo(OutputStream.nullOutputStream());
            return HexFormat.of().formatHex(digest.getMessageDigest().digest());
        } catch (GeneralSecurityException e) {
            throw new AssertionError(e);
        }
    }
}
