// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.erofs;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import io.vivarium.guestimages.Attributes;
import io.vivarium.guestimages.Content;
import io.vivarium.guestimages.ImageException;
import io.vivarium.guestimages.Listing;
import io.vivarium.guestimages.RootFs;
import io.vivarium.guestimages.Tool;
import io.vivarium.guestimages.TreeNode.RegularFile;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class ErofsImageTest {
    @TempDir
    private Path temporary;

    @Test
    void readsWhatMkfsWrites() throws Exception {
        Tool mkfs = Tool.required("mkfs.erofs", "erofs-utils");
        Path tree = temporary.resolve("tree");
        Files.createDirectories(tree.resolve("bin"));
        Files.writeString(tree.resolve("bin/hello"), "hello\n");
        Files.createLink(tree.resolve("bin/hello2"), tree.resolve("bin/hello"));
        Files.createSymbolicLink(tree.resolve("link"), Path.of("bin/hello"));
        Files.write(tree.resolve("inline-tail"), new byte[5000]);
        Files.createDirectory(tree.resolve("empty"));
        Files.writeString(tree.resolve("bin/setuid"), "x");
        Tool.required("chmod", "coreutils").run("6751", tree.resolve("bin/setuid"));
        for (int i = 0; i < 500; i++) {
            Files.writeString(Files.createDirectories(tree.resolve("many")).resolve("some-name-" + i), "x".repeat(i));
        }
        Path image = temporary.resolve("mkfs.erofs");
        mkfs.run("-x-1", image, tree);

        try (RootFs host = RootFs.fromDirectory(tree);
                ErofsImage opened = ErofsImage.open(image)) {
            opened.verify();
            assertThat(Listing.of(opened.tree())).isEqualTo(Listing.of(host));
        }
    }

    /// Compact inodes: 32 bytes, 16-bit owners, the time of the file system.
    @Test
    void readsCompactInodes() throws Exception {
        Tool mkfs = Tool.required("mkfs.erofs", "erofs-utils");
        Path tree = Files.createDirectory(temporary.resolve("tree"));
        Files.writeString(tree.resolve("file"), "content");
        Path image = temporary.resolve("compact.erofs");
        mkfs.run("-Eforce-inode-compact", "-T1700000000", "--force-uid=7", "--force-gid=8", image, tree);

        try (ErofsImage opened = ErofsImage.open(image)) {
            assertThat(opened.tree().find("file").orElseThrow().attributes())
                    .hasToString("Attributes[permissions=420, uid=7, gid=8, mtime=2023-11-14T22:13:20Z]");
        }
    }

    @Test
    void refusesCompressedAndChunkedFilesByName() throws Exception {
        Tool mkfs = Tool.required("mkfs.erofs", "erofs-utils");
        Path tree = Files.createDirectory(temporary.resolve("tree"));
        Files.write(tree.resolve("zeros"), new byte[100_000]);
        Path compressed = temporary.resolve("compressed.erofs");
        mkfs.run("-zlz4", compressed, tree);
        Path chunked = temporary.resolve("chunked.erofs");
        mkfs.run("--chunksize=4096", chunked, tree);
        Path legacy = temporary.resolve("legacy.erofs");
        mkfs.run("-zlz4", "-Elegacy-compress", legacy, tree);

        assertThatThrownBy(() -> open(compressed))
                .isInstanceOf(ImageException.class)
                .hasMessageContaining("/zeros: is compressed, which guests cannot map");
        assertThatThrownBy(() -> open(chunked))
                .isInstanceOf(ImageException.class)
                .hasMessageContaining("uses EROFS features that guests cannot map: CHUNKED_FILE");
        assertThatThrownBy(() -> open(legacy))
                .isInstanceOf(ImageException.class)
                .hasMessageContaining("/zeros: is compressed, which guests cannot map");
    }

    private static void open(Path file) throws Exception {
        try (ErofsImage image = ErofsImage.open(file)) {
            image.verify();
        }
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource
    void refusesWhatIsNoImage(String description, byte[] bytes, String reason) throws Exception {
        Path file = Files.write(temporary.resolve("bad.erofs"), bytes);

        assertThatThrownBy(() -> open(file)).isInstanceOf(ImageException.class).hasMessage(file + ": " + reason);
    }

    static Stream<Arguments> refusesWhatIsNoImage() throws Exception {
        byte[] good = image();
        return Stream.of(
                arguments("empty", new byte[0], "not an EROFS image: 0 bytes are too few to hold a superblock"),
                arguments("short", new byte[1151], "not an EROFS image: 1151 bytes are too few to hold a superblock"),
                arguments(
                        "zeros",
                        new byte[8192],
                        "not an EROFS image: magic number 0x00000000 where 0xE0F5E1E2 should be"),
                arguments(
                        "cut in a block",
                        Arrays.copyOf(good, good.length - 1),
                        "truncated EROFS image: 20479 bytes are not a multiple of the block size 4096"),
                arguments(
                        "cut at a block",
                        Arrays.copyOf(good, good.length - 4096),
                        "truncated EROFS image: 16384 bytes, but the superblock says 20480"),
                arguments(
                        "a bit of the superblock changed",
                        patched((ByteBuffer image) -> image.put(1024 + 48, (byte) (image.get(1024 + 48) ^ 1)), false),
                        "damaged EROFS image: the superblock's checksum is 0x%08x, it should be 0x%08x"
                                .formatted(checksums(good)[0], checksums(good)[1])));
    }

    private static int[] checksums(byte[] good) {
        byte[] changed = good.clone();
        changed[1024 + 48] ^= 1;
        return new int[] {ByteBuffer.wrap(good).order(ByteOrder.LITTLE_ENDIAN).getInt(1028), linuxChecksum(changed)};
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource
    void refusesDamage(String description, Consumer<ByteBuffer> damage, String reason) throws Exception {
        byte[] bytes = patched(damage, true);

        assertThatThrownBy(() ->
                        ErofsImage.of(MemorySegment.ofArray(bytes), "image").verify())
                .isInstanceOf(ImageException.class)
                .hasMessage("image: " + reason);
    }

    /* Where things are in image(): inodes of 64 bytes from block 1, each with its inline data. */
    private static final int SB = 1024;
    private static final int ROOT = 4096;
    private static final int ROOT_DIR = ROOT + 64;

    static Stream<Arguments> refusesDamage() throws Exception {
        // "." ".." "dir" "file" "link" of 12 bytes each, then the names.
        int dirEntry = ROOT_DIR + 2 * 12;
        int fileEntry = ROOT_DIR + 3 * 12;
        int linkEntry = ROOT_DIR + 4 * 12;
        int names = ROOT_DIR + 5 * 12;
        ByteBuffer good = ByteBuffer.wrap(image()).order(ByteOrder.LITTLE_ENDIAN);
        int dir = good.getInt(dirEntry) * 32;
        int file = good.getInt(fileEntry) * 32;
        int link = good.getInt(linkEntry) * 32;
        return Stream.of(
                damage(
                        "blocks of 512 bytes",
                        b -> b.put(SB + 12, (byte) 9),
                        "EROFS blocks of 2^9 bytes are not supported, only of 4096 (mkfs.erofs -b 4096)"),
                damage(
                        "unknown features",
                        b -> b.putInt(SB + 80, 0x4000_0112),
                        "uses EROFS features that guests cannot map: COMPR_CFGS, ZTAILPACKING, METABOX, unknown bit"
                                + " 0x40000000; make the image without compression, chunks and extra devices"),
                damage(
                        "superblock extensions",
                        b -> b.put(SB + 13, (byte) 1),
                        "EROFS superblock extensions are not supported"),
                damage(
                        "large directory blocks",
                        b -> b.put(SB + 90, (byte) 1),
                        "EROFS directory blocks of another size than 4096 are not supported"),
                damage(
                        "no blocks",
                        b -> b.putInt(SB + 36, 0),
                        "damaged EROFS image: the superblock says it has no blocks"),
                damage(
                        "more blocks than the file",
                        b -> b.putInt(SB + 36, -1),
                        "truncated EROFS image: 20480 bytes, but the superblock says 17592186040320"),
                damage(
                        "root outside",
                        b -> b.putShort(SB + 14, (short) -1),
                        "bad EROFS image: /: inode 65535 lies outside the image"),
                damage(
                        "metadata outside",
                        b -> b.putInt(SB + 40, 99),
                        "bad EROFS image: /: inode 128 lies outside the image"),
                damage(
                        "root is a file",
                        b -> b.putShort(ROOT + 4, (short) 0100644),
                        "bad EROFS image: the root inode is not a directory"),
                damage(
                        "mode of nothing",
                        b -> b.putShort(file + 4, (short) 0644),
                        "bad EROFS image: /file: inode %d has mode 0644, which is no kind of file"
                                .formatted(file / 32)),
                damage(
                        "unknown inode format",
                        b -> b.putShort(file, (short) 0x11),
                        "bad EROFS image: /file: inode %d has the unknown format 0x11".formatted(file / 32)),
                damage(
                        "unknown layout",
                        b -> b.putShort(file, (short) (1 | 7 << 1)),
                        "bad EROFS image: /file: inode %d has the unknown data layout 7".formatted(file / 32)),
                damage(
                        "compressed",
                        b -> b.putShort(file, (short) (1 | 3 << 1)),
                        "bad EROFS image: /file: is compressed, which guests cannot map; make the image without"
                                + " compression (inode %d)".formatted(file / 32)),
                damage(
                        "chunks",
                        b -> b.putShort(file, (short) (1 | 4 << 1)),
                        "bad EROFS image: /file: is stored in chunks, which guests cannot map; make the image without"
                                + " chunks (inode %d)".formatted(file / 32)),
                damage(
                        "file too long",
                        b -> b.putLong(file + 8, 12289),
                        "bad EROFS image: /file: the data of inode %d (12289 bytes from block 2 on) lies outside the"
                                        .formatted(file / 32)
                                + " image"),
                damage(
                        "file of negative size",
                        b -> b.putLong(file + 8, -1),
                        "bad EROFS image: /file: the data of inode %d (18446744073709551615 bytes from block 2 on) lies"
                                        .formatted(file / 32)
                                + " outside the image"),
                damage(
                        "file beyond the end",
                        b -> b.putInt(file + 16, -1),
                        "bad EROFS image: /file: the data of inode %d (5000 bytes from block 4294967295 on) lies outside"
                                        .formatted(file / 32)
                                + " the image"),
                damage(
                        "impossible time",
                        b -> b.putInt(file + 40, 1_000_000_000),
                        "bad EROFS image: /file: inode %d has an impossible time: 0 s + 1000000000 ns"
                                .formatted(file / 32)),
                damage(
                        "impossible seconds",
                        b -> b.putLong(file + 32, Long.MAX_VALUE),
                        "bad EROFS image: /file: inode %d has an impossible time: 9223372036854775807 s + 0 ns"
                                .formatted(file / 32)),
                damage(
                        "link of no length",
                        b -> b.putLong(link + 8, 0),
                        "bad EROFS image: /link: a symbolic link whose target has 0 bytes"),
                damage(
                        "link of negative size",
                        b -> b.putLong(link + 8, -1),
                        "bad EROFS image: /link: the data of inode %d (18446744073709551615 bytes from block 0 on) lies"
                                        .formatted(link / 32)
                                + " outside the image"),
                damage(
                        "link with a NUL",
                        b -> b.put(link + 64, (byte) 0),
                        "bad EROFS image: /link: the target of a symbolic link has a NUL in it"),
                damage(
                        "link that is not UTF-8",
                        b -> b.put(link + 64, (byte) 0xFF),
                        "bad EROFS image: /link: \u00FFarget: the name is not UTF-8; only UTF-8 names are supported"),
                damage(
                        "inline data across blocks",
                        b -> b.putLong(link + 8, 4090),
                        "bad EROFS image: /link: the inline data of inode %d crosses the end of a block"
                                .formatted(link / 32)),
                damage(
                        "inline data outside",
                        b -> {
                            b.putInt(SB + 36, 2);
                            b.putLong(link + 8, 4095);
                        },
                        "bad EROFS image: /file: the data of inode %d (5000 bytes from block 2 on) lies outside the image"
                                .formatted(file / 32)),
                damage(
                        "entry to nowhere",
                        b -> b.putLong(fileEntry, -1),
                        "bad EROFS image: /file: inode 18446744073709551615 lies outside the image"),
                damage(
                        "entry type differs",
                        b -> b.put(fileEntry + 10, (byte) 7),
                        "bad EROFS image: /file: the directory says file type 7, the inode has mode 0100644"),
                damage(
                        "directory loop to the root",
                        b -> b.putLong(fileEntry, ROOT / 32).put(fileEntry + 10, (byte) 2),
                        "bad EROFS image: /file: directory loop: it is the same directory as /"),
                damage(
                        "one directory in two places",
                        b -> b.putLong(fileEntry, dir / 32).put(fileEntry + 10, (byte) 2),
                        "bad EROFS image: /file: directory loop: it is the same directory as /dir"),
                damage(
                        "'..' goes elsewhere",
                        b -> b.putLong(dir + 64 + 12, dir / 32),
                        "bad EROFS image: /dir: '..' is inode %d, it should be 128".formatted(dir / 32)),
                damage(
                        "no dots",
                        b -> b.put(names, (byte) '!'),
                        "bad EROFS image: /!: directory loop: it is the same directory as /"),
                damage(
                        "names out of order",
                        b -> b.put(names + 3, (byte) 'z'),
                        "bad EROFS image: /: the file name 'file' is out of order or there twice"),
                damage(
                        "name with a slash",
                        b -> b.put(names + 4, (byte) '/'),
                        "bad EROFS image: /: the file name 'd/r' has a '/' or a NUL in it"),
                damage(
                        "name with a NUL",
                        b -> b.put(names + 4, (byte) 0),
                        "bad EROFS image: /: the file name 'd\\0r' has a '/' or a NUL in it"),
                damage(
                        "name that is not UTF-8",
                        b -> b.put(names + 4, (byte) 0xFF),
                        "bad EROFS image: /: d\u00FFr: the name is not UTF-8; only UTF-8 names are supported"),
                damage(
                        "first name nowhere",
                        b -> b.putShort(ROOT_DIR + 8, (short) 0),
                        "bad EROFS image: /: a directory block's first name is at offset 0 of 74"),
                damage(
                        "first name not behind an entry",
                        b -> b.putShort(ROOT_DIR + 8, (short) 61),
                        "bad EROFS image: /: a directory block's first name is at offset 61 of 74"),
                damage(
                        "first name outside",
                        b -> b.putShort(ROOT_DIR + 8, (short) 84),
                        "bad EROFS image: /: a directory block's first name is at offset 84 of 74"),
                damage(
                        "name outside",
                        b -> b.putShort(linkEntry + 8, (short) 75),
                        "bad EROFS image: /: entry 3 of a directory block has its name at offsets 66 … 75 of 74"),
                damage(
                        "empty name",
                        b -> b.putShort(linkEntry + 8, (short) 66),
                        "bad EROFS image: /: entry 3 of a directory block has its name at offsets 66 … 66 of 74"),
                damage(
                        "empty directory",
                        b -> b.putLong(dir + 8, 0),
                        "bad EROFS image: /dir: the directory has no '.' or no '..'"),
                damage(
                        "directory too short",
                        b -> b.putLong(dir + 8, 11),
                        "bad EROFS image: /dir: a directory block's first name is at offset 0 of 11"));
    }

    private static Arguments damage(String description, Consumer<ByteBuffer> damage, String reason) {
        return arguments(description, damage, reason);
    }

    /// A few bytes of metadata can name the same large directory blocks many times; reading them must stay
    /// linear.
    @Test
    void directoriesThatShareTheirBlocksAreRefused() throws Exception {
        RootFs.Builder builder = RootFs.builder();
        for (int i = 0; i < 2000; i++) {
            builder.symbolicLink("/big/" + i, "x").directory("/dirs/" + i, Attributes.of(0755));
        }
        Path file = temporary.resolve("shared.erofs");
        ErofsWriter.write(builder.build(), file);
        ByteBuffer image = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
        int big = 0;
        for (int offset = 4096; offset < image.capacity(); offset += 32) {
            if (image.getShort(offset) == 5 && image.getLong(offset + 8) > 20_000 && big == 0) {
                big = offset; // the first large directory after the root: /big
            } else if (image.getShort(offset) == 5 && image.getLong(offset + 8) == 27) {
                image.putShort(offset, (short) 1)
                        .putLong(offset + 8, image.getLong(big + 8) / 4096 * 4096)
                        .putInt(offset + 16, image.getInt(big + 16));
            }
        }
        // The shared blocks' "." and ".." cannot be right for more than one directory; a guest may not care.
        assertThatThrownBy(() ->
                        ErofsImage.of(MemorySegment.ofBuffer(image), "image").verify())
                .isInstanceOf(ImageException.class)
                .hasMessageContaining("'.' is inode");
    }

    @Test
    void contentsCannotBeReadAfterClose() throws Exception {
        Path file = Files.write(temporary.resolve("image.erofs"), image());
        ErofsImage image = ErofsImage.open(file);
        Content content = ((RegularFile) image.tree().find("/file").orElseThrow()).content();
        image.close();
        image.close();

        assertThatThrownBy(content::open).hasMessage("the image has been closed");
    }

    /// Five blocks: superblock, inodes, a file of two blocks before one of one block.
    private static byte[] image() throws Exception {
        Path file = Files.createTempFile("vivarium", ".erofs");
        try {
            ErofsWriter.write(
                    RootFs.builder()
                            .file("/dir/first", Content.of("x"), Attributes.of(0644))
                            .file("/file", Content.of(new byte[5000]), Attributes.of(0644))
                            .symbolicLink("/link", "target")
                            .build(),
                    file);
            return Files.readAllBytes(file);
        } finally {
            Files.delete(file);
        }
    }

    private static byte[] patched(Consumer<ByteBuffer> damage, boolean fixChecksum) throws Exception {
        byte[] bytes = image();
        ByteBuffer image = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        damage.accept(image);
        if (fixChecksum) {
            image.putInt(SB + 4, linuxChecksum(bytes));
        }
        return bytes;
    }

    /// CRC-32C bit by bit, from all ones and without a final inversion.
    private static int linuxChecksum(byte[] image) {
        byte[] bytes = image.clone();
        Arrays.fill(bytes, SB + 4, SB + 8, (byte) 0);
        int crc = -1;
        for (int i = SB; i < 4096; i++) {
            crc ^= Byte.toUnsignedInt(bytes[i]);
            for (int bit = 0; bit < 8; bit++) {
                crc = (crc >>> 1) ^ ((crc & 1) * 0x82F63B78);
            }
        }
        return crc;
    }
}
