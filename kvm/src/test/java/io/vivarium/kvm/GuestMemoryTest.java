// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class GuestMemoryTest {
    private static final long HIGH = 4L << 30;

    private static GuestMemory twoRegions(Arena arena) {
        return GuestMemory.map(
                arena,
                List.of(
                        RegionSpec.anonymousHuge(HIGH, 4 << 20),
                        RegionSpec.anonymous(0, 0x3000),
                        RegionSpec.anonymous(0x3000, 0x1000)));
    }

    @ParameterizedTest
    @CsvSource({
        "0x0, 0x3000",
        "0x0, 0",
        "0x2fff, 1",
        "0x3000, 0x1000",
        "0x3fff, 0",
        "0x100000000, 0x400000",
        "0x1003fffff, 1",
    })
    void whatLiesInsideOneRegionIsGiven(String address, String length) {
        try (Arena arena = Arena.ofConfined()) {
            long bytes = Long.decode(length);
            MemorySegment slice = twoRegions(arena).writableSlice(Long.decode(address), bytes);
            assertThat(slice.byteSize()).isEqualTo(bytes);
            assertThat(slice.fill((byte) 1).mismatch(slice)).isEqualTo(-1);
        }
    }

    @ParameterizedTest
    @CsvSource({
        "0x2fff, 2, reaches beyond",
        "0x0, 0x3001, reaches beyond",
        "0x0, 0x4000, reaches beyond",
        "0x4000, 0, no memory",
        "0x4000, 1, no memory",
        "0xffffffff, 1, no memory",
        "0x100400000, 1, no memory",
        "0x1003fffff, 2, reaches beyond",
        "0x0, -1, reaches beyond",
        "0x0, 0x7fffffffffffffff, reaches beyond",
        "0x3000, -0x7fffffffffffffff, reaches beyond",
        "-1, 1, no memory",
        "-1, 2, no memory",
        "0x7fffffffffffffff, 1, no memory",
        "-0x7fffffffffffffff, 0x10, no memory",
    })
    void whatDoesNotIsRefused(String address, String length, String reason) {
        try (Arena arena = Arena.ofConfined()) {
            GuestMemory memory = twoRegions(arena);
            long at = Long.decode(address);
            long bytes = Long.decode(length);
            assertThatThrownBy(() -> memory.slice(at, bytes))
                    .isInstanceOf(GuestAddressException.class)
                    .hasMessageContaining(reason);
            assertThatThrownBy(() -> memory.writableSlice(at, bytes))
                    .isInstanceOfSatisfying(GuestAddressException.class, e -> {
                        assertThat(e.address()).isEqualTo(at);
                        assertThat(e.length()).isEqualTo(bytes);
                    });
        }
    }

    @Test
    void regionsAreOrderedAndApart() {
        try (Arena arena = Arena.ofConfined()) {
            GuestMemory memory = twoRegions(arena);
            assertThat(memory.regions())
                    .extracting(MemoryRegion::guestPhysicalAddress)
                    .containsExactly(0L, 0x3000L, HIGH);
            assertThat(memory.regions().getLast().memory().address() % (2 << 20))
                    .as("a huge region lies as in the guest, modulo 2 MiB")
                    .isZero();
            assertThatThrownBy(() -> GuestMemory.map(
                            arena, List.of(RegionSpec.anonymous(0x1000, 0x2000), RegionSpec.anonymous(0, 0x2000))))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageStartingWith("regions overlap");
            assertThatThrownBy(() -> GuestMemory.map(arena, List.of())).isInstanceOf(IllegalArgumentException.class);
        }
    }

    @ParameterizedTest
    @CsvSource({
        "1, 0x1000",
        "-0x1000, 0x1000",
        "0, 0",
        "0, -0x1000",
        "0, 0x1001",
        "0x7ffffffffffff000, 0x1000",
        "0x7ffffffffffff000, 0x2000",
    })
    void aRegionThatIsNoneIsRefused(String address, String length) {
        assertThatThrownBy(() -> RegionSpec.anonymous(Long.decode(address), Long.decode(length)))
                .isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void anAccessAfterTheEndIsAnException() {
        GuestMemory memory;
        try (Arena arena = Arena.ofShared()) {
            memory = twoRegions(arena);
        }
        assertThatThrownBy(() -> memory.slice(0, 8).get(ValueLayout.JAVA_LONG, 0))
                .isInstanceOf(IllegalStateException.class);
    }

    @Test
    void aReadOnlyRegionCannotBeWrittenFromJava(@TempDir Path folder) throws Exception {
        Path path = folder.resolve("image");
        Files.write(path, new byte[5000]);
        try (Arena arena = Arena.ofConfined();
                MemoryFile file = MemoryFile.open(path)) {
            GuestMemory memory = GuestMemory.map(arena, List.of(RegionSpec.readOnlyFile(0x1000, file)));
            assertThat(memory.regions().getFirst().length()).isEqualTo(8192);
            assertThatThrownBy(() -> memory.writableSlice(0x1000, 1))
                    .isInstanceOf(GuestAddressException.class)
                    .hasMessageContaining("read-only");
            MemorySegment slice = memory.slice(0x1000, 8192);
            assertThat(slice.get(ValueLayout.JAVA_BYTE, 8191)).isZero();
            assertThatThrownBy(() -> slice.set(ValueLayout.JAVA_BYTE, 0, (byte) 1))
                    .isInstanceOf(IllegalArgumentException.class);
        }
    }

    @Test
    void whoMapsAnImageHasItAtTheSamePlaceUntilTheLastLetsGo() {
        MemoryFile file = MemoryFile.create("shared-image", 0x2000);
        try (Arena writing = Arena.ofConfined()) {
            file.map(writing).set(ValueLayout.JAVA_INT, 0x1004, 42);
        }
        List<RegionSpec> image = List.of(RegionSpec.readOnlyFile(0x10000, file));
        MemorySegment second;
        try (Arena later = Arena.ofShared()) {
            try (Arena first = Arena.ofShared()) {
                MemorySegment one = GuestMemory.map(first, image).slice(0x10000, 0x2000);
                second = GuestMemory.map(later, image).slice(0x10000, 0x2000);
                assertThat(one.address()).isEqualTo(second.address());
            }
            assertThat(second.get(ValueLayout.JAVA_INT, 0x1004)).isEqualTo(42);
            file.close();
            assertThatThrownBy(() -> GuestMemory.map(later, image)).isInstanceOf(IllegalStateException.class);
            assertThat(second.get(ValueLayout.JAVA_INT, 0x1004)).isEqualTo(42);
            assertThat(mappings("shared-image")).isEqualTo(1);
        }
        assertThat(mappings("shared-image")).isZero();
    }

    private static long mappings(String name) {
        try (Stream<String> lines = Files.lines(Path.of("/proc/self/maps"))) {
            return lines.filter(line -> line.contains(name)).count();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Test
    void pagesCanBeMadeBeforeTheyAreWrittenTo() {
        try (Arena arena = Arena.ofConfined();
                MemoryFile file = MemoryFile.create("content", 0x10000)) {
            file.map(arena).set(ValueLayout.JAVA_INT, 0x3000, 42);
            GuestMemory memory = GuestMemory.map(arena, List.of(RegionSpec.copyOnWrite(0x1000, 0x10000, file, 0)));
            memory.populate(0x3000, 0x3000);
            assertThat(memory.slice(0x4000, 4).get(ValueLayout.JAVA_INT, 0)).isEqualTo(42);
            List<Long> own = new ArrayList<>();
            try (PageMap pageMap = PageMap.open()) {
                pageMap.forEachOwn(memory.regions().getFirst().memory(), (long offset, long length) -> {
                    own.add(offset);
                    own.add(length);
                });
            }
            assertThat(own).containsExactly(0x2000L, 0x3000L);
            assertThatThrownBy(() -> memory.populate(0x10000, 0x2000)).isInstanceOf(GuestAddressException.class);
        }
    }

    @Test
    void theRegionsOfAFileOutliveIt() {
        try (Arena arena = Arena.ofConfined()) {
            GuestMemory memory;
            try (MemoryFile file = MemoryFile.create("outlived", 0x2000)) {
                try (Arena writing = Arena.ofConfined()) {
                    file.map(writing).set(ValueLayout.JAVA_INT, 0x1004, 42);
                    assertThatThrownBy(file::seal)
                            .isInstanceOf(KvmException.class)
                            .hasMessage("F_ADD_SEALS outlived: EBUSY");
                }
                file.seal();
                assertThatThrownBy(() -> file.map(arena))
                        .isInstanceOfSatisfying(
                                KvmException.class, e -> assertThat(e.errno()).isEqualTo(Errno.EPERM));
                memory = GuestMemory.map(arena, List.of(RegionSpec.copyOnWrite(0, 0x1000, file, 0x1000)));
                assertThatThrownBy(() -> RegionSpec.copyOnWrite(0, 0x2000, file, 0x1000))
                        .isInstanceOf(IllegalArgumentException.class);
                assertThatThrownBy(() -> RegionSpec.copyOnWrite(0, 0x1000, file, 1))
                        .isInstanceOf(IllegalArgumentException.class);
            }
            assertThat(memory.slice(4, 4).get(ValueLayout.JAVA_INT, 0)).isEqualTo(42);
        }
    }

    @Test
    @SuppressWarnings("try")
    void aClosedFileIsRefused() {
        try (MemoryFile file = MemoryFile.create("closed", 0x1000);
                Arena arena = Arena.ofConfined()) {
            file.close();
            assertThatThrownBy(file::seal).isInstanceOf(IllegalStateException.class);
            List<RegionSpec> regions = List.of(RegionSpec.copyOnWrite(0, 0x1000, file, 0));
            assertThatThrownBy(() -> GuestMemory.map(arena, regions)).isInstanceOf(IllegalStateException.class);
        }
    }

    @Test
    void aFileThatIsNotThereOrEmptyIsRefused(@TempDir Path folder) throws Exception {
        assertThatThrownBy(() -> MemoryFile.open(folder.resolve("none")))
                .isInstanceOf(KvmException.class)
                .hasMessageEndingWith("none: ENOENT");
        Path empty = Files.createFile(folder.resolve("empty"));
        assertThatThrownBy(() -> MemoryFile.open(empty))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("is empty");
        assertThatThrownBy(() -> MemoryFile.create("none", 0)).isInstanceOf(IllegalArgumentException.class);
    }

    /// How many pages are in memory: bit 63 of each entry of `/proc/self/pagemap` (Documentation/admin-guide/mm).
    private static long residentPages(MemorySegment memory) throws IOException {
        long resident = 0;
        try (RandomAccessFile pageMap = new RandomAccessFile("/proc/self/pagemap", "r")) {
            pageMap.seek(memory.address() / 4096 * 8);
            for (long page = 0; page < memory.byteSize() / 4096; page++) {
                resident += Long.reverseBytes(pageMap.readLong()) >>> 63;
            }
        }
        return resident;
    }

    @Test
    void releasedPagesLeaveTheHostAndReadAsWhenTheyWereMapped() throws IOException {
        try (Arena arena = Arena.ofConfined();
                MemoryFile file = MemoryFile.create("template", 0x10000)) {
            try (Arena filling = Arena.ofConfined()) {
                file.map(filling).fill((byte) 7);
            }
            GuestMemory memory = GuestMemory.map(
                    arena,
                    List.of(RegionSpec.anonymous(0, 0x10000), RegionSpec.copyOnWrite(0x20000, 0x10000, file, 0)));
            MemorySegment fresh = memory.slice(0, 0x10000).fill((byte) 1);
            MemorySegment copy = memory.slice(0x20000, 0x10000).fill((byte) 2);
            assertThat(residentPages(fresh)).isEqualTo(16);
            assertThat(residentPages(copy)).isEqualTo(16);
            memory.release(0x4000, 0x8000);
            memory.release(0x20000, 0xf000);
            memory.release(0x5000, 0);
            assertThat(residentPages(fresh)).isEqualTo(8);
            assertThat(residentPages(copy)).isEqualTo(1);
            assertThat(fresh.get(ValueLayout.JAVA_BYTE, 0x3fff)).isEqualTo((byte) 1);
            assertThat(fresh.get(ValueLayout.JAVA_BYTE, 0x4000)).isZero();
            assertThat(fresh.get(ValueLayout.JAVA_BYTE, 0xbfff)).isZero();
            assertThat(fresh.get(ValueLayout.JAVA_BYTE, 0xc000)).isEqualTo((byte) 1);
            assertThat(copy.get(ValueLayout.JAVA_BYTE, 0)).isEqualTo((byte) 7);
            assertThat(copy.get(ValueLayout.JAVA_BYTE, 0xf000)).isEqualTo((byte) 2);
        }
    }

    @Test
    void whatIsSharedOrNoPageIsNotReleased() {
        try (Arena arena = Arena.ofConfined();
                MemoryFile file = MemoryFile.create("image", 0x4000)) {
            GuestMemory memory = GuestMemory.map(
                    arena, List.of(RegionSpec.anonymous(0, 0x4000), RegionSpec.readOnlyFile(0x10000, file)));
            assertThatThrownBy(() -> memory.release(0x10000, 0x1000))
                    .isInstanceOf(GuestAddressException.class)
                    .hasMessageContaining("read-only");
            assertThatThrownBy(() -> memory.release(0x3000, 0x2000)).isInstanceOf(GuestAddressException.class);
            assertThatThrownBy(() -> memory.release(0x4000, 0x1000)).isInstanceOf(GuestAddressException.class);
            assertThatThrownBy(() -> memory.release(0x800, 0x1000)).isInstanceOf(IllegalArgumentException.class);
            assertThatThrownBy(() -> memory.release(0, 0x800)).isInstanceOf(IllegalArgumentException.class);
        }
    }
}
