// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.vivarium.kvm.HostFile;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class OverlayBackendTest {
    private static final int CLUSTER = OverlayBackend.CLUSTER;
    private static final int SECTOR = VirtioBlock.SECTOR;

    /// The last cluster is cut short.
    private static final int CAPACITY = 40 * CLUSTER + 3 * SECTOR;

    @TempDir
    private Path directory;

    private final byte[] content = new byte[CAPACITY];
    private final MemorySegment memory = Arena.ofAuto().allocate(CAPACITY);
    private Path file;

    @BeforeEach
    void writeBase() throws IOException {
        RandomGeneratorFactory.of("L64X128MixRandom").create(1).nextBytes(content);
        file = Files.write(directory.resolve("base"), content);
    }

    private OverlayBackend overlay(long maxMemory) {
        return new OverlayBackend(new FileBackend(HostFile.open(file, false), true), maxMemory);
    }

    private byte[] read(OverlayBackend overlay, int position, int length) throws BlockException {
        overlay.read(position, memory, 0, length);
        return memory.asSlice(0, length).toArray(ValueLayout.JAVA_BYTE);
    }

    private void write(OverlayBackend overlay, int position, byte[] bytes) throws BlockException {
        MemorySegment.copy(bytes, 0, memory, ValueLayout.JAVA_BYTE, 0, bytes.length);
        overlay.write(position, memory, 0, bytes.length);
    }

    /// Any writes, discards and zeroes, beside the same on an array.
    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8})
    void sameAsAnArray(long seed) throws Exception {
        RandomGenerator random = RandomGeneratorFactory.of("L64X128MixRandom").create(seed);
        byte[] expected = content.clone();
        try (OverlayBackend overlay = overlay(CAPACITY + CLUSTER)) {
            for (int i = 0; i < 300; i++) {
                int sector = random.nextInt(CAPACITY / SECTOR);
                int position = sector * SECTOR;
                int length = Math.min(random.nextInt(1, 60) * SECTOR, CAPACITY - position);
                switch (random.nextInt(4)) {
                    case 0 -> {
                        byte[] bytes = new byte[length];
                        random.nextBytes(bytes);
                        write(overlay, position, bytes);
                        System.arraycopy(bytes, 0, expected, position, length);
                    }
                    case 1 -> {
                        overlay.writeZeroes(position, length, random.nextBoolean());
                        Arrays.fill(expected, position, position + length, (byte) 0);
                    }
                    case 2 -> {
                        overlay.discard(position, length);
                        int end = position + length;
                        int first = Math.ceilDiv(position, CLUSTER) * CLUSTER;
                        int last = end == CAPACITY ? end : end / CLUSTER * CLUSTER;
                        if (first < last) {
                            Arrays.fill(expected, first, last, (byte) 0);
                        }
                    }
                    default ->
                        assertThat(read(overlay, position, length))
                                .isEqualTo(Arrays.copyOfRange(expected, position, position + length));
                }
            }
            assertThat(read(overlay, 0, CAPACITY)).isEqualTo(expected);
        }
        assertThat(Files.readAllBytes(file)).isEqualTo(content);
    }

    @Test
    void twoOfOneBaseDoNotSeeEachOther() throws Exception {
        try (OverlayBackend one = overlay(CAPACITY);
                OverlayBackend other = overlay(CAPACITY)) {
            write(one, SECTOR, new byte[3 * CLUSTER]);
            assertThat(read(other, 0, CAPACITY)).isEqualTo(content);
            assertThat(one.heldMemory()).isEqualTo(4 * CLUSTER);
            assertThat(other.heldMemory()).isZero();
        }
    }

    @Test
    void memoryIsBounded() throws Exception {
        try (OverlayBackend overlay = overlay(3 * CLUSTER)) {
            write(overlay, 0, new byte[2 * CLUSTER]);
            assertThatExceptionOfType(BlockException.class)
                    .isThrownBy(() -> overlay.write(10 * CLUSTER, memory, 0, 2 * CLUSTER))
                    .extracting(BlockException::kind)
                    .isEqualTo(BlockException.Kind.MEMORY_LIMIT);
            assertThat(read(overlay, 10 * CLUSTER, 2 * CLUSTER))
                    .isEqualTo(Arrays.copyOfRange(content, 10 * CLUSTER, 12 * CLUSTER));
            write(overlay, CLUSTER, new byte[2 * CLUSTER]);
            assertThat(overlay.heldMemory()).isEqualTo(3 * CLUSTER);
        }
    }

    @Test
    void discardReturnsMemory() throws Exception {
        try (OverlayBackend overlay = overlay(4 * CLUSTER)) {
            for (int round = 0; round < 10; round++) {
                write(overlay, 4 * round * CLUSTER, new byte[4 * CLUSTER]);
                assertThat(overlay.heldMemory()).isEqualTo(4 * CLUSTER);
                overlay.discard(4L * round * CLUSTER, 4 * CLUSTER);
                assertThat(overlay.heldMemory()).isZero();
            }
        }
    }

    @Test
    void capacityOfManyGibibytesCostsNothing() throws Exception {
        Path sparse = directory.resolve("sparse");
        try (RandomAccessFile created = new RandomAccessFile(sparse.toFile(), "rw")) {
            created.setLength(1L << 40);
        }
        try (OverlayBackend overlay =
                new OverlayBackend(new FileBackend(HostFile.open(sparse, false), true), 1 << 20)) {
            write(overlay, 0, new byte[SECTOR]);
            overlay.write((1L << 40) - SECTOR, memory, 0, SECTOR);
            assertThat(overlay.heldMemory()).isEqualTo(2 * CLUSTER);
        }
    }
}
