// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.tar;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import io.vivarium.guestimages.ImageException;
import io.vivarium.guestimages.Listing;
import io.vivarium.guestimages.RootFs;
import io.vivarium.guestimages.Tool;
import io.vivarium.guestimages.TreeNode.RegularFile;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.channels.ClosedChannelException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Instant;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class TarReaderTest {
    @TempDir
    private Path temporary;

    @ParameterizedTest
    @ValueSource(strings = {"gnu", "pax", "oldgnu", "ustar", "v7"})
    void readsWhatTarWrites(String format) throws Exception {
        Tool tar = Tool.required("tar", "tar");
        Path tree = Files.createDirectories(temporary.resolve("tree"));
        fill(tree, format);
        Path plain = temporary.resolve("plain.tar");
        Path compressed = temporary.resolve("compressed.tar.gz");
        tar.run("--format=" + format, "-C", tree, "-cf", plain, ".");
        tar.run("--format=" + format, "-C", tree, "-czf", compressed, ".");

        try (RootFs host = RootFs.fromDirectory(tree);
                RootFs fromPlain = TarReader.read(plain);
                RootFs fromCompressed = TarReader.read(compressed)) {
            assertThat(Listing.of(fromPlain)).isEqualTo(Listing.of(host));
            assertThat(Listing.of(fromCompressed)).isEqualTo(Listing.of(host));
        }
    }

    /// Of everything what the format can express.
    private static void fill(Path tree, String format) throws IOException, InterruptedException {
        boolean nanoseconds = format.equals("pax");
        boolean longNames = !format.equals("v7");
        boolean veryLongNames = longNames && !format.equals("ustar");
        Path bin = Files.createDirectory(tree.resolve("bin"));
        Files.writeString(bin.resolve("hello"), "hello\n");
        Files.setPosixFilePermissions(bin.resolve("hello"), PosixFilePermissions.fromString("rwxr-x--x"));
        Files.createLink(bin.resolve("other-name"), bin.resolve("hello"));
        Files.createSymbolicLink(tree.resolve("link"), Path.of("../../outside"));
        Files.write(tree.resolve("block"), new byte[512]);
        Files.write(tree.resolve("empty"), new byte[0]);
        Files.write(tree.resolve("megabyte"), new byte[1_000_000]);
        if (longNames) {
            Path deep = Files.createDirectories(tree.resolve("d".repeat(60)).resolve("e".repeat(60)));
            Files.writeString(deep.resolve("f".repeat(70)), "long path");
            Tool.required("mkfifo", "coreutils").run(tree.resolve("fifo"));
        }
        if (veryLongNames) {
            Files.writeString(tree.resolve("n".repeat(255)), "long name");
            Files.createSymbolicLink(tree.resolve("long-link"), Path.of("t".repeat(300)));
            Files.createLink(tree.resolve("m".repeat(200)), tree.resolve("n".repeat(255)));
        }
        Instant time = Instant.parse("2001-02-03T04:05:06Z").plusNanos(nanoseconds ? 123_456_789 : 0);
        try (Stream<Path> all = Files.walk(tree)) {
            for (Path path : all.sorted(Comparator.reverseOrder()).toList()) {
                // Not Files.setLastModifiedTime: it opens the file, and to open a FIFO is to wait for a writer.
                Tool.required("touch", "coreutils").run("-h", "-d", time, path);
            }
        }
    }

    private static RootFs read(byte[] archive) throws IOException {
        return TarReader.read(new ByteArrayInputStream(archive), "archive", TarLimits.DEFAULT);
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource
    void makesNamesSafe(String name, byte[] archive, List<String> lines) throws IOException {
        try (RootFs tree = read(archive)) {
            assertThat(Listing.of(tree).stream().map((String line) -> line.replaceAll(" 0[0-7]+ 0:0 1970\\S+", "")))
                    .containsExactlyElementsOf(lines);
        }
    }

    static Stream<Arguments> makesNamesSafe() {
        String x = "file 1 2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"; // sha256("x")
        return Stream.of(
                arguments(
                        "absolute",
                        new TarBytes().file("/etc/passwd", "x").end(),
                        List.of("/ directory", "/etc directory", "/etc/passwd " + x)),
                arguments(
                        "dots and slashes",
                        new TarBytes().file("././//a/.//b", "x").end(),
                        List.of("/ directory", "/a directory", "/a/b " + x)),
                arguments(
                        "link to the outside",
                        new TarBytes().entry('2', "up", "../../../etc").end(),
                        List.of("/ directory", "/up link -> ../../../etc")),
                arguments(
                        "absolute link",
                        new TarBytes().entry('2', "abs", "/etc/shadow").end(),
                        List.of("/ directory", "/abs link -> /etc/shadow")),
                arguments(
                        "absolute hard link",
                        new TarBytes().file("a", "x").entry('1', "b", "/a").end(),
                        List.of("/ directory", "/a " + x, "/b = /a")),
                arguments(
                        "later entry counts",
                        new TarBytes().file("a", "first").file("a", "x").end(),
                        List.of("/ directory", "/a " + x)),
                arguments(
                        "link replaced by a file",
                        new TarBytes().entry('2', "a", "/etc").file("a", "x").end(),
                        List.of("/ directory", "/a " + x)),
                arguments(
                        "directory of old tars",
                        new TarBytes().entry('\0', "dir/", "").end(),
                        List.of("/ directory", "/dir directory")),
                arguments(
                        "no end marker", new TarBytes().file("a", "x").unfinished(), List.of("/ directory", "/a " + x)),
                arguments("nothing in it", new TarBytes().end(), List.of("/ directory")),
                arguments(
                        "volume label",
                        new TarBytes().entry('V', "label", "").file("a", "x").end(),
                        List.of("/ directory", "/a " + x)),
                arguments(
                        "pax path, UTF-8",
                        new TarBytes()
                                .pax("path=Főtanúsítvány", "comment=é")
                                .file("a", "x")
                                .end(),
                        List.of("/ directory", "/Főtanúsítvány " + x)),
                arguments(
                        "empty pax value",
                        new TarBytes().pax("path=").file("a", "x").end(),
                        List.of("/ directory", "/a " + x)));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource
    void refuses(String name, byte[] archive, String message) {
        assertThatThrownBy(() -> read(archive))
                .isInstanceOf(ImageException.class)
                .hasMessage("archive: " + message);
    }

    static Stream<Arguments> refuses() throws IOException {
        byte[] good = new TarBytes().file("file", "x".repeat(600)).end();
        byte[] wrongChecksum = good.clone();
        wrongChecksum[0] ^= 1;
        byte[] second = new TarBytes().file("a", "x").file("b", "y").end();
        second[1024] ^= 1;
        byte[] compressed = gzip(good);
        byte[] wrongCrc = compressed.clone();
        wrongCrc[compressed.length - 8] ^= 1;
        return Stream.of(
                arguments("empty", new byte[0], "not a tar archive: it is shorter than a header"),
                arguments("short", new byte[511], "not a tar archive: it is shorter than a header"),
                arguments(
                        "an ELF file",
                        Arrays.copyOf(new byte[] {0x7F, 'E', 'L', 'F'}, 4096),
                        "not a tar archive: a header's checksum is wrong"),
                arguments("checksum", wrongChecksum, "not a tar archive: a header's checksum is wrong"),
                arguments("later checksum", second, "bad tar archive: 'a': a header's checksum is wrong"),
                arguments(
                        "cut in a file",
                        Arrays.copyOf(good, 1000),
                        "truncated tar archive: it ends in the middle of 'file'"),
                arguments(
                        "cut in a header",
                        Arrays.copyOf(second, 1024 + 100),
                        "truncated tar archive: it ends in the middle of 'a'"),
                arguments(
                        "cut gzip",
                        Arrays.copyOf(compressed, compressed.length - 12),
                        "truncated tar archive: it ends in the middle of what follows its end marker"),
                arguments("gzip checksum", wrongCrc, "damaged gzip data: Corrupt GZIP trailer"),
                arguments(
                        "gzip header only",
                        new byte[] {0x1F, (byte) 0x8B, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7},
                        "damaged gzip data: Unsupported compression method"),
                arguments(
                        "..",
                        new TarBytes().file("../evil", "x").end(),
                        "bad tar archive: ../evil: the path has '..' in it"),
                arguments(
                        ".. inside",
                        new TarBytes().file("a/../../evil", "x").end(),
                        "bad tar archive: a/../../evil: the path has '..' in it"),
                arguments(
                        "hard link with ..",
                        new TarBytes().entry('1', "a", "../etc/passwd").end(),
                        "bad tar archive: ../etc/passwd: the path has '..' in it"),
                arguments(
                        "hard link to nothing",
                        new TarBytes().entry('1', "a", "/etc/passwd").end(),
                        "bad tar archive: a: hard link to /etc/passwd, which is not there"),
                arguments(
                        "hard link to a directory",
                        new TarBytes().entry('5', "d", "").entry('1', "a", "d").end(),
                        "bad tar archive: a: hard link to d, which is a directory"),
                arguments(
                        "through a symbolic link",
                        new TarBytes()
                                .entry('2', "lib", "/etc")
                                .file("lib/passwd", "x")
                                .end(),
                        "bad tar archive: lib/passwd: 'lib' on the way is a symbolic link (to /etc), not a directory"),
                arguments(
                        "through a file",
                        new TarBytes().file("a", "x").file("a/b", "x").end(),
                        "bad tar archive: a/b: 'a' on the way is not a directory"),
                arguments(
                        "a file for a directory",
                        new TarBytes().entry('5', "a", "").file("a", "x").end(),
                        "bad tar archive: a: is a directory already and cannot become another kind of file"),
                arguments(
                        "a file for the root",
                        new TarBytes().file("./", "x").end(),
                        "bad tar archive: ./: the root can only be a directory"),
                arguments(
                        "name too long",
                        new TarBytes()
                                .pax("path=" + "n".repeat(256))
                                .file("a", "x")
                                .end(),
                        "bad tar archive: " + "n".repeat(256) + ": the file name has 256 bytes, more than 255"),
                arguments(
                        "path too long",
                        new TarBytes()
                                .pax("path=" + "n/".repeat(2048))
                                .file("a", "x")
                                .end(),
                        "bad tar archive: " + "n/".repeat(2048) + ": the path is longer than 4095 bytes"),
                arguments(
                        "too deep",
                        new TarBytes()
                                .pax("path=" + "n/".repeat(256) + "a")
                                .file("a", "x")
                                .end(),
                        "bad tar archive: " + "n/".repeat(256) + "a: directories are nested deeper than 256"),
                arguments(
                        "link without target",
                        new TarBytes().entry('2', "a", "").end(),
                        "bad tar archive: : the target of a symbolic link is empty"),
                arguments(
                        "name of another character set",
                        new TarBytes()
                                .raw(TarBytes.header('0', new byte[] {'a', (byte) 0xE9}, "", 0))
                                .end(),
                        "bad tar archive: a\u00E9: the name is not UTF-8; only UTF-8 names are supported"),
                arguments(
                        "sparse, old GNU",
                        new TarBytes().entry('S', "holes", "").end(),
                        "bad tar archive: 'holes': is a sparse file, which is not supported; archive it without"
                                + " --sparse"),
                arguments(
                        "sparse, pax",
                        new TarBytes()
                                .pax("GNU.sparse.major=1")
                                .file("holes", "x")
                                .end(),
                        "bad tar archive: 'holes': is a sparse file, which is not supported; archive it without"
                                + " --sparse"),
                arguments(
                        "several volumes",
                        new TarBytes().entry('M', "rest", "").end(),
                        "bad tar archive: 'rest': continues from another volume; archives of several volumes are not"
                                + " supported"),
                arguments(
                        "unknown type",
                        new TarBytes().entry('Z', "what", "").end(),
                        "bad tar archive: 'what': is of type 'Z', which is not supported"),
                arguments(
                        "unprintable type",
                        new TarBytes().entry('\1', "what", "").end(),
                        "bad tar archive: 'what': is of type '\\x01', which is not supported"),
                arguments(
                        "pax without number",
                        new TarBytes()
                                .entry('x', "p", "", bytes("abc path=x\n"))
                                .end(),
                        "bad tar archive: the first header: the length of a pax record is not a number"),
                arguments(
                        "pax beyond its header",
                        new TarBytes().entry('x', "p", "", bytes("99 path=x\n")).end(),
                        "bad tar archive: the first header: a pax record's length of 99 is wrong"),
                arguments(
                        "pax without =",
                        new TarBytes().entry('x', "p", "", bytes("10 path x\n")).end(),
                        "bad tar archive: the first header: a pax record is not of the form 'length key=value'"),
                arguments(
                        "pax without newline",
                        new TarBytes().entry('x', "p", "", bytes("10 path=xx")).end(),
                        "bad tar archive: the first header: a pax record is not of the form 'length key=value'"),
                arguments(
                        "pax size",
                        new TarBytes().pax("size=-1").file("a", "x").end(),
                        "bad tar archive: 'a': the pax record 'size' is not a number"),
                arguments(
                        "pax time",
                        new TarBytes().pax("mtime=yesterday").file("a", "x").end(),
                        "bad tar archive: 'a': the pax record 'mtime' is not a time"),
                arguments(
                        "pax time out of range",
                        new TarBytes()
                                .pax("mtime=99999999999999999999")
                                .file("a", "x")
                                .end(),
                        "bad tar archive: 'a': the pax record 'mtime' is not a time that can be"),
                arguments(
                        "pax uid",
                        new TarBytes().pax("uid=4294967296").file("a", "x").end(),
                        "bad tar archive: 'a': uid 4294967296 is not in 0 … 4294967295"),
                arguments(
                        "header that is no number",
                        new TarBytes().raw(patchedHeader(124, "12345678x")).end(),
                        "bad tar archive: 'a': the size in a header is not a number"),
                arguments(
                        "negative size",
                        new TarBytes()
                                .raw(patchedHeader(124, "\u00FF".repeat(12)))
                                .end(),
                        "bad tar archive: 'a': has a size of -1 bytes"),
                arguments(
                        "enormous size",
                        new TarBytes()
                                .raw(patchedHeader(124, "\u00801\u0000\u0000" + "1".repeat(8)))
                                .end(),
                        "bad tar archive: 'a': the size in a header is too large"),
                arguments(
                        "device out of range",
                        new TarBytes().raw(patchedDevice()).end(),
                        "bad tar archive: 'a': device 4096:0 is not within 4095:1048575"),
                arguments(
                        "long name without end",
                        new TarBytes()
                                .raw(TarBytes.header('L', bytes("l"), "", 1 << 21))
                                .end(),
                        "bad tar archive: the first header: a long name or pax header has 2097152 bytes"));
    }

    private static byte[] patchedHeader(int offset, String latin1) {
        byte[] header = TarBytes.header('0', bytes("a"), "", 0);
        byte[] patch = latin1.getBytes(StandardCharsets.ISO_8859_1);
        System.arraycopy(patch, 0, header, offset, patch.length);
        return TarBytes.sealed(header);
    }

    private static byte[] patchedDevice() {
        byte[] header = TarBytes.header('3', bytes("a"), "", 0);
        TarBytes.put(header, 329, "0010000\0");
        return TarBytes.sealed(header);
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static byte[] gzip(byte[] bytes) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try (GZIPOutputStream gzip = new GZIPOutputStream(out)) {
            gzip.write(bytes);
        }
        return out.toByteArray();
    }

    @Test
    void limitsEntriesDirectoriesAndBytes() {
        byte[] archive = new TarBytes().file("a", "12345").file("b", "12345").end();
        byte[] deep = new TarBytes().file("a/b/c/d/e", "x").file("f", "x").end();

        assertThatThrownBy(() -> read(archive, 1, 100)).hasMessage("archive: the archive has more than 1 entries");
        assertThatThrownBy(() -> read(deep, 4, 100)).hasMessage("archive: the archive has more than 4 entries");
        assertThatThrownBy(() -> read(archive, 10, 9)).hasMessage("archive: the archive holds more than 9 bytes");
    }

    private static void read(byte[] archive, long entries, long bytes) throws IOException {
        TarReader.read(new ByteArrayInputStream(archive), "archive", new TarLimits(entries, bytes))
                .close();
    }

    @Test
    void contentsAreGoneAfterClose() throws IOException {
        RootFs tree = read(new TarBytes().file("a", "hello").end());
        RegularFile file = (RegularFile) tree.find("a").orElseThrow();
        try (InputStream content = file.content().open()) {
            assertThat(content.readAllBytes()).isEqualTo(bytes("hello"));
        }
        tree.close();

        assertThatThrownBy(() -> {
                    try (InputStream content = file.content().open()) {
                        content.readAllBytes();
                    }
                })
                .isInstanceOf(ClosedChannelException.class);
    }
}
