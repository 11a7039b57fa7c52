// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/// A queue in memory of any content, which changes while the device works on it.
final class VirtQueueFuzzTest {
    private static final int SIZE = 8;
    private static final int DRIVER_AREA = 16 * SIZE;
    private static final int DEVICE_AREA = 256;

    /// The first byte chooses features; then, as often as there are some: 160 bytes of memory (descriptors
    /// and available ring), with which one request is taken and given back.
    @FuzzTest
    void cursor(byte[] input) {
        if (input.length == 0) {
            return;
        }
        try (GuestRam ram = new GuestRam()) {
            QueueRegisters registers = new QueueRegisters();
            registers.size = SIZE;
            registers.driverArea = DRIVER_AREA;
            registers.deviceArea = DEVICE_AREA;
            long features = ((input[0] & 1) != 0 ? DriverHarness.EVENT_IDX : 0)
                    | ((input[0] & 2) != 0 ? DriverHarness.INDIRECT : 0);
            VirtQueue queue = new VirtQueue(
                    0, SIZE, registers, ram.memory(), new GuestRegions(ram.memory()), features, new QueueCounters());
            DescriptorChain chain = queue.newChain();
            byte[] bytes = new byte[100];
            for (int at = 1; at < input.length; at += 160) {
                int length = Math.min(160, input.length - at);
                MemorySegment.copy(input, at, ram.ram(), ValueLayout.JAVA_BYTE, 0, length);
                try {
                    if (queue.pop(chain)) {
                        assertThat(chain.remaining() + chain.writable()).isBetween(1L, 1L << 32);
                        chain.read(bytes, 0, bytes.length);
                        chain.skip(Long.MAX_VALUE);
                        assertThat(chain.remaining()).isZero();
                        long writable = chain.writable();
                        long written = chain.write(MemorySegment.ofArray(bytes), 0, bytes.length);
                        assertThat(written).isEqualTo(Math.min(writable, bytes.length));
                        queue.push(chain);
                    }
                    queue.needsNotification();
                    queue.enableNotifications();
                } catch (VirtioFault fault) {
                    assertThat(fault.getMessage()).startsWith(fault.kind() + ": queue 0");
                    return;
                }
            }
        }
    }
}
