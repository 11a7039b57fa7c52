// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.tar;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import io.vivarium.guestimages.ImageException;
import io.vivarium.guestimages.Listing;
import io.vivarium.guestimages.Mutations;
import io.vivarium.guestimages.RootFs;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

/// Any bytes are a tree within the limits, or are refused in words.
class TarReaderFuzzTest {
    private static final TarLimits LIMITS = new TarLimits(1000, 1 << 20);

    @FuzzTest
    void read(byte[] input) throws IOException {
        accepts(input);
    }

    private static boolean accepts(byte[] input) throws IOException {
        // Where a header may be, its checksum is put right: chance would not meet it.
        for (int at = 0; at + 512 <= input.length; at += 512) {
            if (input[at + 257] == 'u' && input[at + 258] == 's') {
                byte[] header = TarBytes.sealed(Arrays.copyOfRange(input, at, at + 512));
                System.arraycopy(header, 0, input, at, 512);
            }
        }
        try (RootFs tree = TarReader.read(new ByteArrayInputStream(input), "fuzz", LIMITS)) {
            assertThat(Listing.of(tree)).isNotEmpty();
            return true;
        } catch (ImageException e) {
            assertThat(e.getMessage()).startsWith("fuzz: ");
            return false;
        }
    }

    @Test
    void damagedArchives() throws Exception {
        byte[] good = new TarBytes()
                .entry('5', "bin/", "")
                .file("bin/hello", "hello")
                .entry('1', "bin/again", "bin/hello")
                .entry('2', "link", "bin/hello")
                .pax("path=some/where", "mtime=1.5", "uid=7", "size=3")
                .file("x", "xyz")
                .entry('L', "long", "", "a/long/name\0".getBytes(StandardCharsets.UTF_8))
                .file("y", "")
                .entry('3', "null", "")
                .end();
        AtomicInteger accepted = new AtomicInteger();

        Mutations.of(good, good.length, 5_000, (byte[] damaged) -> {
            if (accepts(damaged)) {
                accepted.incrementAndGet();
            }
        });

        assertThat(accepted.get())
                .as("archives of which only harmless bytes were changed")
                .isBetween(200, 4800);
    }
}
