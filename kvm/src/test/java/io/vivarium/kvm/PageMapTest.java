// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class PageMapTest {
    private static final long PAGE = PageMap.PAGE_SIZE;

    /// Pages that follow each other.
    private record Pages(long offset, long length) {}

    private static List<Pages> own(PageMap pageMap, MemorySegment memory) {
        List<Pages> found = new ArrayList<>();
        pageMap.forEachOwn(memory, (long offset, long length) -> found.add(new Pages(offset, length)));
        List<Pages> byWords = new ArrayList<>();
        PageMap.forEachOwnByWords(memory, (long offset, long length) -> byWords.add(new Pages(offset, length)));
        assertThat(found).isEqualTo(byWords);
        return found;
    }

    private static void touch(MemorySegment memory, long page) {
        memory.set(ValueLayout.JAVA_BYTE, page * PAGE, (byte) 1);
    }

    @Test
    void pagesOfAFileAreItsOwnOnceTheyAreWrittenTo() {
        try (PageMap pageMap = PageMap.open();
                Arena arena = Arena.ofShared();
                MemoryFile file = MemoryFile.create("vivarium-test", 4096 * PAGE)) {
            file.map(arena).fill((byte) 7);
            MemorySegment memory = GuestMemory.map(arena, List.of(RegionSpec.copyOnWrite(0, 4096 * PAGE, file, 0)))
                    .regions()
                    .getFirst()
                    .memory();
            assertThat(own(pageMap, memory)).isEmpty();
            assertThat(memory.get(ValueLayout.JAVA_BYTE, 3 * PAGE)).isEqualTo((byte) 7);
            assertThat(own(pageMap, memory)).isEmpty();
            touch(memory, 0);
            touch(memory, 5);
            touch(memory, 6);
            touch(memory, 4095);
            assertThat(own(pageMap, memory))
                    .containsExactly(new Pages(0, PAGE), new Pages(5 * PAGE, 2 * PAGE), new Pages(4095 * PAGE, PAGE));
        }
    }

    @Test
    void manyRangesAreAllFound() {
        try (PageMap pageMap = PageMap.open();
                Arena arena = Arena.ofShared()) {
            MemorySegment memory = GuestMemory.map(arena, List.of(RegionSpec.anonymous(0, 4096 * PAGE)))
                    .regions()
                    .getFirst()
                    .memory();
            assertThat(own(pageMap, memory)).isEmpty();
            for (long page = 1; page < 4096; page += 2) {
                touch(memory, page);
            }
            assertThat(own(pageMap, memory)).hasSize(2048).contains(new Pages(2047 * PAGE, PAGE));
        }
    }
}
