// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.erofs;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.vivarium.guestimages.Attributes;
import io.vivarium.guestimages.Content;
import io.vivarium.guestimages.ImageException;
import io.vivarium.guestimages.Listing;
import io.vivarium.guestimages.RootFs;
import io.vivarium.guestimages.SampleTrees;
import io.vivarium.guestimages.Tool;
import io.vivarium.guestimages.TreeNode;
import io.vivarium.guestimages.TreeNode.Directory;
import io.vivarium.guestimages.TreeNode.RegularFile;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.SeekableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ErofsWriterTest {
    @TempDir
    private Path temporary;

    @Test
    void ourReaderGivesBackEverything() throws Exception {
        RootFs tree = SampleTrees.everything();
        Path image = temporary.resolve("everything.erofs");

        Superblock written = ErofsWriter.write(tree, image);

        try (ErofsImage opened = ErofsImage.open(image)) {
            assertThat(opened.superblock()).isEqualTo(written);
            assertThat(Listing.of(opened.tree())).isEqualTo(Listing.of(tree));
        }
        assertThat(Files.size(image)).isEqualTo(written.size()).isEqualTo(written.blocks() * 4096);
    }

    @Test
    void fsckAcceptsAndExtractsTheSameTree() throws Exception {
        Tool fsck = Tool.required("fsck.erofs", "erofs-utils");
        Assumptions.assumeTrue("root".equals(System.getProperty("user.name")), "extracting device nodes needs root");
        RootFs tree = SampleTrees.everything();
        Path image = temporary.resolve("everything.erofs");
        ErofsWriter.write(tree, image);

        Path extracted = temporary.resolve("extracted");
        fsck.run("--extract=" + extracted, "--preserve", image);

        try (RootFs read = RootFs.fromDirectory(extracted)) {
            assertThat(withoutHardLinksAndDirectoryTimes(read)).isEqualTo(withoutHardLinksAndDirectoryTimes(tree));
        }
    }

    /// What `fsck.erofs` loses when it extracts: it makes a copy of a file for each of its names, gives
    /// symbolic links and special files the time of the extraction, fills directories after it has set their
    /// times, and sets owners after modes, which takes the set-user-ID and set-group-ID bits away.
    private static List<String> withoutHardLinksAndDirectoryTimes(RootFs tree) throws IOException {
        return Listing.of(new RootFs(separate(tree.root())));
    }

    private static Directory separate(Directory directory) {
        Map<String, TreeNode> entries = new LinkedHashMap<>();
        directory
                .entries()
                .forEach((String name, TreeNode node) -> entries.put(
                        name,
                        switch (node) {
                            case Directory child -> separate(child);
                            case RegularFile file -> new RegularFile(withoutSetId(file.attributes()), file.content());
                            default -> node.withAttributes((Attributes a) -> a.withMtime(Instant.EPOCH));
                        }));
        return Directory.of(directory.attributes().withMtime(Instant.EPOCH), entries);
    }

    private static Attributes withoutSetId(Attributes a) {
        return new Attributes(a.permissions() & 01777, a.uid(), a.gid(), a.mtime());
    }

    @Test
    void dumpShowsHardLinksOwnersAndTimes() throws Exception {
        Tool dump = Tool.required("dump.erofs", "erofs-utils");
        Path image = temporary.resolve("everything.erofs");
        ErofsWriter.write(SampleTrees.everything(), image);

        String one = dump.run("--path=/bin/one", image);
        assertThat(one)
                .contains("Links: 3", "Layout: 0", "Inode size: 64", "Uid: 1000", "Gid: 70000", "Access: 0644")
                .contains("2024-02-29 12:34:56.123456789");
        assertThat(nid(dump.run("--path=/three", image))).isEqualTo(nid(one));
        assertThat(dump.run("--path=/bin/setuid", image)).contains("Uid: 4294967294", "1969-07-20 20:17:40.000000000");
        assertThat(dump.run("--path=/many", image)).contains("Links: 2");
        assertThat(dump.run("--path=/", image)).contains("Links: 10");
        assertThat(dump.run("-s", image)).contains("sb_csum mtime").doesNotContain("compr");
    }

    private static String nid(String dump) {
        return dump.replaceAll("(?s).*NID: (\\d+).*", "$1");
    }

    @Test
    void theBytesDependOnTheTreeAlone() throws Exception {
        Path first = hostTree("first", false);
        Path second = hostTree("second", true);
        Path firstImage = temporary.resolve("first.erofs");
        Path secondImage = temporary.resolve("second.erofs");

        try (RootFs a = RootFs.fromDirectory(first);
                RootFs b = RootFs.fromDirectory(second)) {
            assertThat(ErofsWriter.write(a, firstImage).uuid())
                    .isEqualTo(ErofsWriter.write(b, secondImage).uuid());
        }

        assertThat(secondImage).hasSameBinaryContentAs(firstImage);
        Files.writeString(second.resolve("dir/7"), "changed");
        Files.setLastModifiedTime(second.resolve("dir/7"), FileTime.from(Instant.EPOCH));
        try (RootFs changed = RootFs.fromDirectory(second)) {
            assertThat(ErofsWriter.write(changed, secondImage).uuid())
                    .isNotEqualTo(ErofsImage.open(firstImage).superblock().uuid());
        }
    }

    private Path hostTree(String name, boolean reversed) throws IOException {
        Path top = Files.createDirectory(temporary.resolve(name));
        Path directory = Files.createDirectory(top.resolve("dir"));
        for (int i = 0; i < 300; i++) {
            Path file = directory.resolve(Integer.toString(reversed ? 299 - i : i));
            Files.writeString(file, "content " + file.getFileName());
            Files.setLastModifiedTime(file, FileTime.from(Instant.EPOCH));
        }
        Files.setLastModifiedTime(directory, FileTime.from(Instant.EPOCH));
        Files.setLastModifiedTime(top, FileTime.from(Instant.EPOCH));
        return top;
    }

    @Test
    void aFileBeginsAtABlockAndIsContiguous() throws Exception {
        byte[] content = SampleTrees.bytes(100_000);
        Path image = temporary.resolve("one.erofs");
        ErofsWriter.write(
                RootFs.builder()
                        .file("/small", Content.of("x"), Attributes.of(0644))
                        .file("/large", Content.of(content), Attributes.of(0644))
                        .build(),
                image);

        byte[] bytes = Files.readAllBytes(image);

        // Superblock, inodes, then the files in the order of their names: 25 blocks of "large", one of "small".
        assertThat(bytes).hasSize((2 + 25 + 1) * 4096);
        assertThat(bytes).containsSequence(content);
        assertThat(new ByteArrayInputStream(bytes, 2 * 4096, content.length)).hasBinaryContent(content);
        assertThat(bytes[27 * 4096]).isEqualTo((byte) 'x');
    }

    @Test
    void aFileThatChangesMeanwhileIsRefusedAndNothingIsLeft() throws Exception {
        for (int actual : new int[] {4999, 5001}) {
            RootFs tree = RootFs.builder()
                    .file("/log", new Lying(5000, SampleTrees.bytes(actual)), Attributes.of(0644))
                    .build();

            assertThatThrownBy(() -> ErofsWriter.write(tree, temporary.resolve("image.erofs")))
                    .isInstanceOf(ImageException.class)
                    .hasMessage("/log: changed while the image was written: it had 5000 bytes, then "
                            + (actual > 5000 ? "more" : "only 4999"));

            try (Stream<Path> left = Files.list(temporary)) {
                assertThat(left).isEmpty();
            }
        }
    }

    /// Content of another size than it says.
    private static final class Lying implements Content {
        private final long size;
        private final byte[] bytes;

        Lying(long size, byte[] bytes) {
            this.size = size;
            this.bytes = bytes;
        }

        @Override
        public long size() {
            return size;
        }

        @Override
        public InputStream open() {
            return new ByteArrayInputStream(bytes);
        }
    }

    /// More than an array can hold, and more than an `int` can count.
    @Test
    void aFileLargerThanMemoryAllowsIsStreamed() throws Exception {
        long size = 2_500_000_001L;
        Content huge = new Content() {
            @Override
            public long size() {
                return size;
            }

            @Override
            public InputStream open() {
                return new Zeros(size);
            }
        };
        RootFs tree = RootFs.builder()
                .file("/huge", huge, Attributes.of(0644))
                .file("/later", Content.of("x"), Attributes.of(0644))
                .build();
        CountingChannel channel = new CountingChannel();

        Superblock superblock = ErofsWriter.write(tree, channel);

        assertThat(superblock.blocks()).isEqualTo(2 + (size + 4095) / 4096 + 1);
        assertThat(channel.size()).isEqualTo(superblock.size());
    }

    private static final class Zeros extends InputStream {
        private long remaining;

        Zeros(long size) {
            remaining = size;
        }

        @Override
        public int read() {
            return remaining-- > 0 ? 0 : -1;
        }

        @Override
        public int read(byte[] target, int offset, int length) {
            if (remaining <= 0) {
                return -1;
            }
            int count = (int) Math.min(length, remaining);
            remaining -= count;
            return count;
        }
    }

    /// Forgets what is written.
    private static final class CountingChannel implements SeekableByteChannel {
        private long position;
        private long end;

        @Override
        public int write(ByteBuffer source) {
            int count = source.remaining();
            source.position(source.limit());
            position += count;
            end = Math.max(end, position);
            return count;
        }

        @Override
        public long position() {
            return position;
        }

        @Override
        public SeekableByteChannel position(long newPosition) {
            position = newPosition;
            return this;
        }

        @Override
        public long size() {
            return end;
        }

        @Override
        public int read(ByteBuffer target) {
            throw new UnsupportedOperationException();
        }

        @Override
        public SeekableByteChannel truncate(long size) {
            throw new UnsupportedOperationException();
        }

        @Override
        public boolean isOpen() {
            return true;
        }

        @Override
        public void close() {}
    }
}
