// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.vivarium.guestimages.boot.BootParams;
import io.vivarium.guestimages.boot.KernelImage;
import io.vivarium.kvm.GuestMemory;
import io.vivarium.snapshot.MemoryTemplate;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class BootTemplatesTest {
    private static final long KERNEL_AT = 2 << 20;

    private static BootTemplates templates() {
        MemorySegment code = MemorySegment.ofArray(new byte[] {1, 2, 3});
        KernelImage kernel = new KernelImage(KERNEL_AT, List.of(new KernelImage.Segment(KERNEL_AT, code, 3 << 20)));
        return new BootTemplates(kernel, MachineMap.commandLine(4711));
    }

    @Test
    void oneTemplateForAllMachinesOfAMap() {
        BootTemplates templates = templates();
        MachineMap map = new MachineMap(64 << 20, 4096);
        MemoryTemplate first = templates.with(map, template -> template);
        MemoryTemplate again = templates.with(new MachineMap(64 << 20, 4096), template -> template);
        MemoryTemplate other = templates.with(new MachineMap(128 << 20, 4096), template -> template);
        assertThat((Object) again).isSameAs(first);
        assertThat((Object) other).isNotSameAs(first);
        templates.clear();
    }

    @Test
    void holdsKernelAndCommandLine() {
        BootTemplates templates = templates();
        templates.with(new MachineMap(64 << 20, 4096), template -> {
            assertThat(template.size()).isEqualTo(6 << 20);
            try (Arena arena = Arena.ofShared()) {
                GuestMemory memory = GuestMemory.map(arena, List.of(template.at(0)));
                assertThat(memory.slice(KERNEL_AT, 4).toArray(ValueLayout.JAVA_BYTE))
                        .containsExactly(1, 2, 3, 0);
                assertThat(memory.slice(BootParams.COMMAND_LINE_ADDRESS, 4096).getString(0))
                        .isEqualTo("console=hvc0 virtio_mmio.device=4K@0xd0000000:5 tsc_early_khz=4711"
                                + " vivarium.wake_timer=0xd00ff000:6 root=pmem0 rootfstype=erofs");
            }
            return template;
        });
        templates.clear();
    }

    @Test
    void aTemplateInUseStaysOpenWhenItLeavesTheCache() {
        BootTemplates templates = templates();
        MachineMap map = new MachineMap(64 << 20, 4096);
        List<MemoryTemplate> used = new ArrayList<>();
        templates.with(map, template -> {
            templates.clear();
            used.add(template);
            try (Arena arena = Arena.ofShared()) {
                return GuestMemory.map(arena, List.of(template.at(0)));
            }
        });
        try (Arena arena = Arena.ofShared()) {
            assertThatThrownBy(
                            () -> GuestMemory.map(arena, List.of(used.getFirst().at(0))))
                    .isInstanceOf(IllegalStateException.class);
        }
    }

    @Test
    void memoryMapLeavesRoomForDevices() {
        assertThat(new MachineMap(5L << 30, 5000).memoryMap())
                .extracting(range -> "%x+%x %s".formatted(range.address(), range.length(), range.type()))
                .containsExactly(
                        "0+9fc00 RAM", "100000+bff00000 RAM", "100000000+80000000 RAM", "1000000000+2000 PERSISTENT");
    }
}
