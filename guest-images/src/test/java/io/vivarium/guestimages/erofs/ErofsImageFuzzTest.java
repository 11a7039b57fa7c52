// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.erofs;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import io.vivarium.guestimages.Attributes;
import io.vivarium.guestimages.Content;
import io.vivarium.guestimages.ImageException;
import io.vivarium.guestimages.Listing;
import io.vivarium.guestimages.Mutations;
import io.vivarium.guestimages.RootFs;
import io.vivarium.guestimages.TreeNode;
import io.vivarium.guestimages.TreeNode.Device;
import io.vivarium.guestimages.TreeNode.Directory;
import io.vivarium.guestimages.TreeNode.RegularFile;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Any bytes are a tree, or are refused in words; a tree that was accepted survives being written and read
/// again.
class ErofsImageFuzzTest {
    private static final int FEATURE_COMPAT = 1024 + 8;
    private static final long MAX_REWRITTEN_BYTES = 1 << 20;

    @TempDir
    private Path temporary;

    @FuzzTest
    void read(byte[] input) throws IOException {
        accepts(input);
    }

    private boolean accepts(byte[] input) throws IOException {
        if (input.length > FEATURE_COMPAT) {
            input[FEATURE_COMPAT] &= ~1; // without a checksum that chance would have to meet
        }
        try {
            RootFs tree = ErofsImage.of(MemorySegment.ofArray(input), "fuzz").tree();
            if (contentBytes(tree.root()) <= MAX_REWRITTEN_BYTES) {
                Path again = temporary.resolve("again.erofs");
                ErofsWriter.write(tree, again);
                try (ErofsImage image = ErofsImage.open(again)) {
                    assertThat(Listing.of(image.tree())).isEqualTo(Listing.of(tree));
                }
            }
            return true;
        } catch (ImageException e) {
            assertThat(e.getMessage()).startsWith("fuzz: ");
            return false;
        }
    }

    private static long contentBytes(Directory directory) {
        long bytes = 0;
        for (TreeNode node : directory.entries().values()) {
            bytes += switch (node) {
                case Directory child -> contentBytes(child);
                case RegularFile file -> file.content().size();
                default -> 0;
            };
        }
        return bytes;
    }

    @Test
    void damagedImages() throws Exception {
        Path file = temporary.resolve("good.erofs");
        ErofsWriter.write(
                RootFs.builder()
                        .file("/bin/hello", Content.of("hello"), Attributes.of(0755))
                        .hardLink("/bin/again", "/bin/hello")
                        .symbolicLink("/link", "bin/hello")
                        .directory("/a/b/c", Attributes.of(0700))
                        .add("/null", new Device(Attributes.of(0666), Device.Kind.CHARACTER, 1, 3))
                        .build(),
                file);
        byte[] good = Files.readAllBytes(file);
        AtomicInteger accepted = new AtomicInteger();

        // The superblock and the inodes, of which there are less than 1,500 bytes.
        Mutations.of(good, 4096 + 1500, 5_000, (byte[] damaged) -> {
            if (accepts(damaged)) {
                accepted.incrementAndGet();
            }
        });

        assertThat(accepted.get())
                .as("images of which only harmless bytes were changed")
                .isBetween(200, 4800);
    }
}
