// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.vivarium.guestimages.TreeNode.Device;
import io.vivarium.guestimages.TreeNode.Directory;
import io.vivarium.guestimages.TreeNode.Fifo;
import io.vivarium.guestimages.TreeNode.RegularFile;
import io.vivarium.guestimages.TreeNode.SymbolicLink;
import io.vivarium.guestimages.erofs.ErofsImage;
import io.vivarium.guestimages.erofs.ErofsWriter;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class RootFsTest {
    private static final Attributes FILE = Attributes.of(0644);

    @TempDir
    private Path temporary;

    /// Whatever the locale of the process is: names go through it neither on the way in nor on the way out.
    @Test
    void keepsTheBytesOfNamesAndLinks() throws Exception {
        Tool shell = Tool.required("sh", "dash");
        // "é" and "ü/", as bytes; the second link points to a directory.
        shell.run(
                "-c",
                "cd \"$1\" && mkdir -p dir/$(printf '\\303\\251') && ln -s $(printf '\\303\\251') dir/link"
                        + " && ln -s $(printf '\\303\\274/') dir/slash && ln -s plain/ dir/ascii",
                "sh",
                temporary);

        try (RootFs tree = RootFs.fromDirectory(temporary)) {
            assertThat(tree.find("/dir/\u00E9")).containsInstanceOf(Directory.class);
            assertThat(target(tree, "dir/link")).isEqualTo("\u00E9");
            assertThat(target(tree, "dir/slash")).isEqualTo("\u00FC/");
            assertThat(target(tree, "dir/ascii")).isEqualTo("plain/");
        }
    }

    private static String target(RootFs tree, String path) {
        return ((SymbolicLink) tree.find(path).orElseThrow()).target();
    }

    @Test
    void refusesNamesThatAreNotUtf8() throws Exception {
        Tool.required("sh", "dash").run("-c", "cd \"$1\" && touch $(printf 'latin1-\\351')", "sh", temporary);

        assertThatThrownBy(() -> RootFs.fromDirectory(temporary))
                .isInstanceOf(ImageException.class)
                .hasMessageEndingWith("latin1-\u00E9: the name is not UTF-8; only UTF-8 names are supported");
    }

    @Test
    void readsDevices() throws Exception {
        Assumptions.assumeTrue("root".equals(System.getProperty("user.name")), "making device nodes needs root");
        Tool.required("mknod", "coreutils").run("-m", "640", temporary.resolve("far"), "b", "4095", "1048575");
        Tool.required("mknod", "coreutils").run("-m", "666", temporary.resolve("null"), "c", "1", "3");

        try (RootFs tree = RootFs.fromDirectory(temporary)) {
            Device far = (Device) tree.find("far").orElseThrow();
            assertThat(far.kind()).isEqualTo(Device.Kind.BLOCK);
            assertThat(far.major()).isEqualTo(4095);
            assertThat(far.minor()).isEqualTo(1_048_575);
            assertThat(far.attributes().permissions()).isEqualTo(0640);
            assertThat(((Device) tree.find("null").orElseThrow()).minor()).isEqualTo(3);
        }
    }

    @Test
    void saysWhatIsNoDirectory() throws Exception {
        Path file = Files.writeString(temporary.resolve("file"), "x");

        assertThatThrownBy(() -> RootFs.fromDirectory(file))
                .isInstanceOf(ImageException.class)
                .hasMessage(file + ": not a directory");
        assertThatThrownBy(() -> RootFs.fromDirectory(temporary.resolve("missing")))
                .isInstanceOf(NoSuchFileException.class);
    }

    @Test
    void mappedAttributesKeepHardLinks() throws Exception {
        RootFs tree = RootFs.builder()
                .file("/a", Content.of("x"), FILE)
                .hardLink("/dir/b", "/a")
                .build();

        RootFs mapped = tree.mapAttributes((Attributes attributes) -> attributes.withOwner(7, 8));

        TreeNode a = mapped.find("a").orElseThrow();
        assertThat(mapped.find("dir/b").orElseThrow()).isSameAs(a);
        assertThat(a.attributes()).isEqualTo(FILE.withOwner(7, 8));
        assertThat(mapped.root().attributes().uid()).isEqualTo(7);
        assertThat(tree.root().attributes().uid()).isZero();
    }

    @Test
    void aDirectoryHasOnePlace() {
        Directory twice = Directory.of(Attributes.of(0755), Map.of());
        Directory root = Directory.of(Attributes.of(0755), Map.of("a", twice, "b", twice));

        assertThatThrownBy(() -> new RootFs(root))
                .isInstanceOf(InvalidTreeException.class)
                .hasMessage("/b: the same directory is also /a; directories have one place");
    }

    @Test
    void treesHaveALimitedDepth() throws Exception {
        Directory deep = Directory.of(Attributes.of(0755), Map.of());
        for (int i = 0; i < RootFs.MAX_DEPTH; i++) {
            deep = Directory.of(Attributes.of(0755), Map.of("d", deep));
        }
        Directory deepest = deep;
        Path image = temporary.resolve("deepest.erofs");
        ErofsWriter.write(new RootFs(deepest).mapAttributes((Attributes attributes) -> attributes), image);
        try (ErofsImage read = ErofsImage.open(image)) {
            assertThat(Listing.of(read.tree())).hasSize(RootFs.MAX_DEPTH + 1);
        }

        Directory tooDeep = Directory.of(Attributes.of(0755), Map.of("d", deepest));
        assertThatThrownBy(() -> new RootFs(tooDeep))
                .isInstanceOf(InvalidTreeException.class)
                .hasMessageEndingWith(": directories are nested deeper than 256");
    }

    @Test
    void addingADirectoryBringsItsEntries() {
        Directory sub = Directory.of(Attributes.of(0700), Map.of("f", new RegularFile(FILE, Content.of("x"))));

        RootFs tree = RootFs.builder().add("/a/sub", sub).build();

        assertThat(tree.find("a/sub")).hasValue(sub);
        assertThat(tree.find("a/sub/f/g")).isEmpty();
    }

    @Test
    void closesItsStorage() throws Exception {
        AtomicInteger closed = new AtomicInteger();

        RootFs.builder().build(closed::incrementAndGet).close();

        assertThat(closed).hasValue(1);
    }

    @ParameterizedTest(name = "{0}")
    @CsvSource(
            delimiter = '|',
            value = {
                "a/../b | a/../b: the path has '..' in it",
                "..     | ..: the path has '..' in it",
                "/      | /: the root can only be a directory",
                "file/x | file/x: 'file' on the way is not a directory",
                "link/x | link/x: 'link' on the way is a symbolic link (to dir), not a directory",
                "dir    | dir: is a directory already and cannot become another kind of file"
            })
    void refusesPaths(String path, String message) {
        RootFs.Builder builder = RootFs.builder()
                .file("file", Content.of("x"), FILE)
                .symbolicLink("link", "dir")
                .directory("dir", Attributes.of(0755));

        assertThatThrownBy(() -> builder.add(path, new Fifo(FILE)))
                .isInstanceOf(InvalidTreeException.class)
                .hasMessage(message);
    }

    @Test
    void refusesNamesThatNoFileCanHave() {
        for (String name : new String[] {"", ".", "..", "a/b", "a\0b", "n".repeat(256), "\uD800"}) {
            assertThatThrownBy(() -> Directory.of(Attributes.of(0755), Map.of(name, new Fifo(FILE))))
                    .isInstanceOf(InvalidTreeException.class);
        }
        for (String target : new String[] {"", "a\0b", "t".repeat(4096), "\uDC00"}) {
            assertThatThrownBy(() -> new SymbolicLink(FILE, target)).isInstanceOf(InvalidTreeException.class);
        }
    }

    @Test
    void refusesAttributesOutOfRange() {
        assertThatThrownBy(() -> Attributes.of(010000)).hasMessage("permissions 010000 have bits outside 07777");
        assertThatThrownBy(() -> FILE.withOwner(-1, 0)).hasMessage("uid -1 is not in 0 … 4294967295");
        assertThatThrownBy(() -> FILE.withOwner(0, 1L << 32)).hasMessage("gid 4294967296 is not in 0 … 4294967295");
        assertThatThrownBy(() -> new Device(FILE, Device.Kind.BLOCK, 4096, 0))
                .hasMessage("device 4096:0 is not within 4095:1048575");
    }
}
