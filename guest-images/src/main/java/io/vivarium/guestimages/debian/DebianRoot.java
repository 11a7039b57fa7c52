// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.debian;

import io.vivarium.guestimages.Attributes;
import io.vivarium.guestimages.Content;
import io.vivarium.guestimages.ImageException;
import io.vivarium.guestimages.InvalidTreeException;
import io.vivarium.guestimages.LayeredTree;
import io.vivarium.guestimages.LayeredTree.DirectoryOverLink;
import io.vivarium.guestimages.RootFs;
import io.vivarium.guestimages.TreeNode;
import io.vivarium.guestimages.TreeNode.RegularFile;
import io.vivarium.guestimages.TreeNode.SymbolicLink;
import io.vivarium.guestimages.tar.Spool;
import io.vivarium.guestimages.tar.TarBudget;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.List;

/// A root file system that packages are unpacked into, one after the other.
///
/// Maintainer scripts are not run. What is made in their place, because programs do not run without it:
///
/// - `/bin`, `/sbin`, `/lib` and `/lib64` as links into `/usr`, which debootstrap makes;
/// - `/etc/passwd` and `/etc/group` from `base-passwd`'s masters, or with `root` and `nobody` alone;
/// - links of update-alternatives(1) that stand in a script in plain words, such as `/usr/bin/awk`;
/// - the directories that every system has, `/tmp` and `/var/tmp` writable by all.
///
/// `/var/lib/dpkg/status` says what was done: packages are `installed` that have no such script, and `unpacked` those
// that
/// have one.
final class DebianRoot {
    private static final Attributes DIRECTORY = Attributes.of(0755);
    private static final List<String> MERGED = List.of("bin", "sbin", "lib", "lib64");
    private static final List<String> DIRECTORIES = List.of("dev", "etc", "home", "proc", "run", "sys", "var/lib/dpkg");
    private static final String PASSWD =
            "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n";
    private static final String GROUP = "root:x:0:\nnogroup:x:65534:\n";

    private final LayeredTree tree = new LayeredTree(DirectoryOverLink.FOLLOWS);
    private final Alternatives alternatives = new Alternatives();
    private final StringBuilder status = new StringBuilder();
    private final TarBudget budget;
    private final Spool spool;

    DebianRoot(TarBudget budget, Spool spool) {
        this.budget = budget;
        this.spool = spool;
        for (String name : MERGED) {
            tree.directory("usr/" + name, DIRECTORY);
            tree.add(name, link("usr/" + name));
        }
    }

    private static SymbolicLink link(String target) {
        return new SymbolicLink(Attributes.of(0777), target);
    }

    /// Unpacks a package.
    ///
    /// @param source what to call it in errors
    void unpack(PackageEntry entry, InputStream deb, String source) throws IOException {
        tree.nextLayer();
        DebFile file = DebFile.read(deb, source, budget, spool, tree);
        String name = file.fields().getOrDefault("package", "");
        String version = file.fields().getOrDefault("version", "");
        if (!name.equals(entry.name()) || DebianVersion.parse(version).compareTo(entry.version()) != 0) {
            throw new DebianFormatException("is " + name + " " + version + " instead of " + entry);
        }
        alternatives.read(file.scripts().getOrDefault("postinst", ""));
        status.append(file.control().strip().replaceAll("\\n{2,}", "\n"))
                .append("\nStatus: install ok ")
                .append(file.isConfiguredByScript() ? "unpacked" : "installed")
                .append("\n\n");
    }

    /// The root file system, with what stands in for the scripts.
    RootFs build() throws IOException {
        try {
            // A script may name what cannot be a path.
            standIn();
            return tree.build(spool);
        } catch (InvalidTreeException e) {
            throw new ImageException("Debian packages", e.path() + ": " + e.reason(), e);
        }
    }

    private void standIn() {
        tree.nextLayer();
        DIRECTORIES.stream()
                .filter((String path) -> !tree.has(path))
                .forEach((String path) -> tree.directory(path, DIRECTORY));
        tree.directory("tmp", Attributes.of(01777));
        tree.directory("var/tmp", Attributes.of(01777));
        tree.directory("root", Attributes.of(0700));
        database("etc/passwd", "usr/share/base-passwd/passwd.master", PASSWD);
        database("etc/group", "usr/share/base-passwd/group.master", GROUP);
        for (Alternatives.Link link : alternatives.links()) {
            if (tree.has(link.path()) && !tree.has(link.link())) {
                tree.add(link.link(), link("/etc/alternatives/" + link.name()));
                tree.add("etc/alternatives/" + link.name(), link(link.path()));
            }
        }
        tree.add("var/lib/dpkg/status", text(status.toString()));
    }

    private static RegularFile text(String content) {
        return new RegularFile(Attributes.of(0644), Content.of(content.getBytes(StandardCharsets.UTF_8)));
    }

    private void database(String path, String master, String otherwise) {
        if (!tree.has(path)) {
            TreeNode node = tree.find(master).orElseGet(() -> text(otherwise));
            tree.add(path, node);
        }
    }
}
