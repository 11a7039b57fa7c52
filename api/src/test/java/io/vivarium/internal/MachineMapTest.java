// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;

class MachineMapTest {
    @Test
    void memoryMapLeavesRoomForDevices() {
        assertThat(new MachineMap(5L << 30, 5000, List.of()).memoryMap())
                .extracting(range -> "%x+%x %s".formatted(range.address(), range.length(), range.type()))
                .containsExactly(
                        "0+9fc00 RAM", "100000+bff00000 RAM", "100000000+80000000 RAM", "1000000000+2000 PERSISTENT");
    }

    @Test
    void theKernelIsToldOfItsDevices() {
        assertThat(MachineMap.commandLine(4711, 2))
                .hasToString("console=hvc0 virtio_mmio.device=4K@0xd0000000:5 virtio_mmio.device=4K@0xd0001000:6"
                        + " tsc_early_khz=4711 vivarium.wake_timer=0xd00ff000:4 root=pmem0 rootfstype=erofs");
    }
}
