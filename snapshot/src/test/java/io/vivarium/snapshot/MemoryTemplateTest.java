// SPDX-License-Identifier: Apache-2.0
package io.vivarium.snapshot;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.vivarium.kvm.GuestMemory;
import io.vivarium.kvm.PageMap;
import io.vivarium.kvm.RegionSpec;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class MemoryTemplateTest {
    private static final long MEMORY = 64 << 20;
    private static final long HIGH = 4L << 30;

    private final Arena arena = Arena.ofShared();
    private final GuestMemory memory =
            GuestMemory.map(arena, List.of(RegionSpec.anonymousHuge(0, MEMORY), RegionSpec.anonymous(HIGH, MEMORY)));

    @AfterEach
    void close() {
        arena.close();
    }

    private static void put(GuestMemory memory, long address, int value) {
        memory.writableSlice(address, 4).set(ValueLayout.JAVA_INT_UNALIGNED, 0, value);
    }

    private static int get(GuestMemory memory, long address) {
        return memory.slice(address, 4).get(ValueLayout.JAVA_INT_UNALIGNED, 0);
    }

    /// A machine's memory that starts from a template and has 1 MiB more in each stretch.
    private GuestMemory from(MemoryTemplate template) {
        List<RegionSpec> regions = new ArrayList<>(template.regions());
        for (long start : new long[] {0, HIGH}) {
            regions.add(RegionSpec.anonymous(template.coveredFrom(start), 1 << 20));
        }
        return GuestMemory.map(arena, regions);
    }

    @Test
    void machinesStartFromItAndKeepTheirChangesToThemselves() {
        put(memory, 0x1000, 4711);
        put(memory, 0x5ffc, 7);
        GuestMemory first;
        GuestMemory second;
        try (MemoryTemplate template = MemoryTemplate.capture("vivarium-test", memory)) {
            assertThat(template.size()).isEqualTo(0x6000);
            first = from(template);
            second = from(template);
        }
        assertThat(get(first, 0x1000)).isEqualTo(4711);
        assertThat(get(first, 0x5ffc)).isEqualTo(7);
        assertThat(get(first, 0x2000)).isZero();
        put(first, 0x1000, 42);
        assertThat(get(second, 0x1000)).isEqualTo(4711);
        assertThat(get(memory, 0x1000)).isEqualTo(4711);
    }

    @Test
    void whatAMachineHasChangedIsInATemplateOfItsOwn() {
        put(memory, 0x1000, 1);
        put(memory, 0x2000, 2);
        put(memory, HIGH + 0x3000, 3);
        try (MemoryTemplate template = MemoryTemplate.capture("vivarium-test", memory)) {
            GuestMemory machine = from(template);
            put(machine, 0x1000, 11);
            put(machine, template.coveredFrom(0) + 0x1000, 4);
            put(machine, HIGH + 0x3000, 0);
            try (MemoryTemplate next = MemoryTemplate.capture("vivarium-test", machine)) {
                GuestMemory following = from(next);
                assertThat(get(following, 0x1000)).isEqualTo(11);
                assertThat(get(following, 0x2000)).isEqualTo(2);
                assertThat(get(following, template.coveredFrom(0) + 0x1000)).isEqualTo(4);
                assertThat(next.coveredFrom(0)).isEqualTo(template.coveredFrom(0) + 0x2000);
                assertThat(next.coveredFrom(HIGH)).as("nothing is left there").isEqualTo(HIGH);
                assertThat(get(following, HIGH + 0x3000)).isZero();
            }
        }
    }

    /// What the second has written to, the third has pages for; the content stays the template's.
    @Test
    void pagesThatMachinesWriteToAtOnceAreMadeAtOnce() {
        put(memory, 0x1000, 1);
        put(memory, 0x2000, 2);
        put(memory, 0x5000, 3);
        try (MemoryTemplate template = MemoryTemplate.capture("vivarium-test", memory);
                PageMap pageMap = PageMap.open()) {
            for (int i = 0; i < 2; i++) {
                GuestMemory machine = from(template);
                template.prepare(machine);
                put(machine, 0x2000, 20 + i);
                put(machine, template.coveredFrom(0), 4);
                template.observe(pageMap, machine);
                assertThat(ownPages(pageMap, machine)).isEqualTo(2);
            }
            GuestMemory third = from(template);
            template.prepare(third);
            assertThat(ownPages(pageMap, third)).isEqualTo(1);
            assertThat(get(third, 0x2000)).isEqualTo(2);
            assertThat(template.putBack(pageMap, third)).containsExactly(0x2000L);
        }
    }

    private static long ownPages(PageMap pageMap, GuestMemory machine) {
        long[] pages = {0};
        machine.regions()
                .forEach(region -> pageMap.forEachOwn(
                        region.memory(), (long _, long length) -> pages[0] += length / PageMap.PAGE_SIZE));
        return pages[0];
    }

    @Test
    void readOnlyRegionsAreNotPartOfIt() {
        put(memory, 0, 1);
        try (MemoryTemplate template = MemoryTemplate.capture("vivarium-test", memory)) {
            assertThat(template.regions()).hasSize(1);
            assertThat(template.coveredFrom(0)).isEqualTo(0x1000);
            assertThat(template.coveredFrom(HIGH)).isEqualTo(HIGH);
        }
    }

    @Test
    void thereIsNoTemplateOfNothing() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> MemoryTemplate.capture("vivarium-test", memory))
                .withMessage("memory without content");
    }

    @Test
    void nothingStartsFromAClosedOne() {
        put(memory, 0, 1);
        MemoryTemplate template = MemoryTemplate.capture("vivarium-test", memory);
        template.close();
        template.close();
        assertThatThrownBy(() -> GuestMemory.map(arena, template.regions())).isInstanceOf(IllegalStateException.class);
    }

    @Test
    void whatWasWrittenSinceIsPutBackAndTold() {
        put(memory, 0x1000, 4711);
        put(memory, 0x5ffc, 7);
        try (MemoryTemplate template = MemoryTemplate.capture("vivarium-test", memory);
                PageMap pageMap = PageMap.open()) {
            GuestMemory machine = from(template);
            for (int round = 1; round < 4; round++) {
                put(machine, 0x1004, round);
                put(machine, 0x3000, round);
                put(machine, 0x6010, round);
                put(machine, HIGH + 0x2000, round);
                assertThat(template.putBack(pageMap, machine)).containsExactly(0x1000, 0x3000, 0x6000, HIGH + 0x2000);
                assertThat(get(machine, 0x1000)).isEqualTo(4711);
                assertThat(get(machine, 0x1004)).isZero();
                assertThat(get(machine, 0x3000)).isZero();
                assertThat(get(machine, 0x5ffc)).isEqualTo(7);
                assertThat(get(machine, 0x6010)).isZero();
                assertThat(get(machine, HIGH + 0x2000)).isZero();
            }
        }
    }

    /// More than a machine is to keep.
    @Test
    void manyPagesArePutBackToo() {
        put(memory, 0x1000, 4711);
        put(memory, 16 << 20, 7);
        try (MemoryTemplate template = MemoryTemplate.capture("vivarium-test", memory);
                PageMap pageMap = PageMap.open()) {
            GuestMemory machine = from(template);
            List<Long> written = new ArrayList<>();
            for (long page = 0; page <= 16 << 20; page += 4096) {
                // Every second one for a while, so that there are many ranges.
                if (page > 8 << 20 || page % 8192 == 0) {
                    put(machine, page, -1);
                    written.add(page);
                }
            }
            assertThat(template.putBack(pageMap, machine))
                    .containsExactly(written.stream().mapToLong(Long::longValue).toArray());
            for (long page = 0; page <= 16 << 20; page += 4096) {
                assertThat(get(machine, page)).isEqualTo(page == 0x1000 ? 4711 : page == 16 << 20 ? 7 : 0);
            }
        }
    }

    /// As a capture of all of it, whatever the machine goes on to do before it is finished.
    @Test
    void whatAMachineHasChangedIsCapturedWithoutTheRest() {
        Random random = new Random(11);
        for (int i = 0; i < 200; i++) {
            put(memory, random.nextInt(2048) * 4096L, i + 1);
            put(memory, HIGH + random.nextInt(512) * 4096L, i + 1);
        }
        try (MemoryTemplate template = MemoryTemplate.capture("vivarium-test", memory)) {
            for (int round = 0; round < 20; round++) {
                GuestMemory machine = from(template);
                for (int i = 0; i < 100; i++) {
                    // Also zeros, and also behind what the template covers.
                    put(machine, random.nextInt((int) (template.coveredFrom(0) / 4096) + 256) * 4096L, i % 3);
                    put(machine, HIGH + random.nextInt(512) * 4096L, i % 3);
                }
                try (MemoryTemplate all = MemoryTemplate.capture("vivarium-test", machine);
                        MemoryTemplate.Capture capture = template.captureChanges("vivarium-test", machine)
                                .orElseThrow()) {
                    assertThat(capture.pages()).isBetween(1, 200);
                    put(machine, 0x2000, -1);
                    put(machine, HIGH, -1);
                    try (MemoryTemplate changes = capture.finish()) {
                        assertThat(pages(changes)).isEqualTo(pages(all));
                    }
                }
            }
        }
    }

    private static Map<Long, Long> pages(MemoryTemplate template) {
        Map<Long, Long> pages = new TreeMap<>();
        template.forEachContent(page -> {
            pages.put(template.stretches().address(page), template.content().get(ValueLayout.JAVA_LONG, page));
        });
        return pages;
    }

    @Test
    void aCaptureOutlivesTheTemplateAndThereIsNoneOfAClosedOne() {
        put(memory, 0x1000, 4711);
        MemoryTemplate template = MemoryTemplate.capture("vivarium-test", memory);
        GuestMemory machine = from(template);
        put(machine, 0, 7);
        try (MemoryTemplate.Capture capture =
                template.captureChanges("vivarium-test", machine).orElseThrow()) {
            template.close();
            try (MemoryTemplate changes = capture.finish()) {
                GuestMemory next = from(changes);
                assertThat(get(next, 0)).isEqualTo(7);
                assertThat(get(next, 0x1000)).isEqualTo(4711);
            }
        }
        assertThat(template.captureChanges("vivarium-test", machine)).isEmpty();
    }
}
