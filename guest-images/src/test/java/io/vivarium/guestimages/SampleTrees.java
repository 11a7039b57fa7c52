// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages;

import io.vivarium.guestimages.TreeNode.Device;
import io.vivarium.guestimages.TreeNode.Fifo;
import io.vivarium.guestimages.TreeNode.RegularFile;
import io.vivarium.guestimages.TreeNode.Socket;
import io.vivarium.guestimages.TreeNode.SymbolicLink;
import java.time.Instant;
import java.util.Random;

/// Trees that hold one of everything.
public final class SampleTrees {
    private SampleTrees() {}

    /// Every kind of node, sizes around the block size, a directory of many blocks, names that sort differently
    /// as characters and as bytes, owners and times at their limits.
    public static RootFs everything() {
        Instant mtime = Instant.parse("2024-02-29T12:34:56.123456789Z");
        Attributes file = new Attributes(0644, 1000, 70_000, mtime);
        RootFs.Builder builder = RootFs.builder().directory("/", new Attributes(0755, 0, 0, mtime));
        for (int size : new int[] {0, 1, 31, 32, 33, 3999, 4032, 4033, 4095, 4096, 4097, 8192, 100_000}) {
            builder.file("/sizes/" + size, Content.of(bytes(size)), file);
        }
        for (int length : new int[] {1, 31, 32, 100, 1000, 4000, 4032, 4033, 4095}) {
            builder.add("/links/" + length, new SymbolicLink(new Attributes(0777, 5, 6, mtime), "t".repeat(length)));
        }
        for (int i = 0; i < 1500; i++) {
            builder.file("/many/a-file-with-a-rather-long-name-number-" + i, Content.of("file " + i), file);
        }
        builder.file("/names/\uFF5E", Content.of("U+FF5E sorts before U+1F600 by bytes only"), file)
                .file("/names/\uD83D\uDE00", Content.of("smile"), file)
                .file("/names/-dash sorts before dot", Content.of("-"), file)
                .file("/names/!bang", Content.of("!"), file)
                .file("/names/.hidden", Content.of("."), file)
                .file("/names/..more", Content.of(".."), file)
                .file("/names/...", Content.of("..."), file)
                .file("/names/" + "n".repeat(255), Content.of("long"), file)
                .file("/names/ space and\nnewline", Content.of("\n"), file)
                .symbolicLink("/names/Főtanúsítvány", "árvíztűrő tükörfúrógép")
                .directory("/empty", new Attributes(01777, 0, 0, mtime))
                .add("/dev/null", new Device(Attributes.of(0666), Device.Kind.CHARACTER, 1, 3))
                .add("/dev/far", new Device(Attributes.of(0600), Device.Kind.BLOCK, 4095, 1_048_575))
                .add("/dev/fifo", new Fifo(file))
                .add("/dev/socket", new Socket(file))
                .file(
                        "/bin/setuid",
                        Content.of("#!/bin/sh\n"),
                        new Attributes(06755, 0xFFFF_FFFEL, 0xFFFF_FFFEL, Instant.parse("1969-07-20T20:17:40Z")))
                .add("/bin/one", new RegularFile(file, Content.of("three names")))
                .hardLink("/bin/two", "/bin/one")
                .hardLink("/three", "bin/two");
        StringBuilder deep = new StringBuilder();
        for (int i = 0; i < 100; i++) {
            deep.append("/d").append(i);
        }
        return builder.file(deep + "/bottom", Content.of("bottom"), file).build();
    }

    /// The same bytes for the same length, every time.
    public static byte[] bytes(int length) {
        byte[] bytes = new byte[length];
        new Random(length).nextBytes(bytes);
        return bytes;
    }
}
