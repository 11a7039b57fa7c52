// SPDX-License-Identifier: Apache-2.0
package io.vivarium.snapshot;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.vivarium.kvm.GuestMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import org.junit.jupiter.api.Test;

class MemoryTemplateTest {
    private static final long SIZE = 64 << 10;

    @Test
    void machinesStartFromItAndKeepTheirChangesToThemselves() {
        MemoryTemplate template = MemoryTemplate.prepare("vivarium-test", SIZE, memory -> {
            memory.writableSlice(0x1000, 4).set(ValueLayout.JAVA_INT_UNALIGNED, 0, 4711);
            memory.writableSlice(SIZE - 1, 1).set(ValueLayout.JAVA_BYTE, 0, (byte) 7);
        });
        try (Arena arena = Arena.ofShared()) {
            GuestMemory first = GuestMemory.map(arena, List.of(template.at(0)));
            GuestMemory second = GuestMemory.map(arena, List.of(template.at(1 << 20)));
            assertThat(template.size()).isEqualTo(SIZE);
            template.close();

            MemorySegment number = first.writableSlice(0x1000, 4);
            assertThat(number.get(ValueLayout.JAVA_INT_UNALIGNED, 0)).isEqualTo(4711);
            assertThat(first.slice(SIZE - 1, 1).get(ValueLayout.JAVA_BYTE, 0)).isEqualTo((byte) 7);
            assertThat(first.slice(0x2000, 4).get(ValueLayout.JAVA_INT_UNALIGNED, 0))
                    .isZero();
            number.set(ValueLayout.JAVA_INT_UNALIGNED, 0, 42);
            assertThat(second.slice((1 << 20) + 0x1000, 4).get(ValueLayout.JAVA_INT_UNALIGNED, 0))
                    .isEqualTo(4711);
        }
    }

    @Test
    void nothingStartsFromAClosedOne() {
        MemoryTemplate template = MemoryTemplate.prepare("vivarium-test", SIZE, _ -> {});
        template.close();
        template.close();
        try (Arena arena = Arena.ofShared()) {
            assertThatThrownBy(() -> GuestMemory.map(arena, List.of(template.at(0))))
                    .isInstanceOf(IllegalStateException.class);
        }
    }

    @Test
    void whatTheWriterThrowsLeavesNothingBehind() {
        IllegalArgumentException thrown = new IllegalArgumentException("no");
        assertThatThrownBy(() -> MemoryTemplate.prepare("vivarium-test", SIZE, _ -> {
                    throw thrown;
                }))
                .isSameAs(thrown);
    }
}
