// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.vivarium.kvm.testing.EnabledIfKvm;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class EventFdTest {
    @Test
    void signalsAddUp() {
        try (EventFd event = new EventFd()) {
            event.signal();
            event.signal();
            assertThat(event.await()).isEqualTo(2);
            event.signal();
            assertThat(event.await()).isEqualTo(1);
        }
    }

    @Test
    @SuppressWarnings("try")
    void closingWakesAllWhoWait() throws InterruptedException {
        EventFd event = new EventFd();
        AtomicInteger refused = new AtomicInteger();
        CountDownLatch started = new CountDownLatch(3);
        List<Thread> waiting = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            waiting.add(Thread.ofPlatform().start(() -> {
                started.countDown();
                try {
                    event.await();
                } catch (IllegalStateException e) {
                    refused.incrementAndGet();
                }
            }));
        }
        started.await();
        event.close();
        for (Thread thread : waiting) {
            thread.join();
        }
        assertThat(refused).hasValue(3);
        event.close();
        assertThatThrownBy(event::signal).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(event::await).isInstanceOf(IllegalStateException.class);
    }

    @Test
    @Tag("machine")
    @Tag("smoke")
    @EnabledIfKvm
    void aWriteOfTheGuestSignalsWithoutAnExit() {
        RecordingDevice device = new RecordingDevice();
        try (Kvm kvm = Kvm.open();
                EventFd port = new EventFd();
                EventFd mmio = new EventFd();
                Machine machine = Machine.builder(kvm)
                        .region(RegionSpec.anonymous(0, Guest.MEMORY))
                        .port(0xe0, 4, device)
                        .mmio(0xd000_0000L, 0x1000, device)
                        .build()) {
            machine.vm().notifyOnPort(0xe0, 4, port);
            machine.vm().notifyOnWrite(0xd000_0050L, 4, mmio);
            // mov $0xd0000000,%edi; out %eax,$0xe0 three times; mov %eax,0x50(%rdi) twice; mov %eax,0x54(%rdi); hlt
            Guest.code(machine, "bf000000d0 e7e0 e7e0 e7e0 894750 894750 894754 f4");
            Guest.atCpl0(machine, 0);
            assertThat(machine.run(0)).isEqualTo(new VcpuStop.Halted(false));
            assertThat(port.await()).isEqualTo(3);
            assertThat(mmio.await()).isEqualTo(2);
            assertThat(device.writes).containsExactly(new RecordingDevice.Write(0x54, 4, 0));
        }
    }

    @Test
    @Tag("machine")
    @EnabledIfKvm
    void onlyTheValueThatWasAskedForSignals() {
        RecordingDevice device = new RecordingDevice();
        try (Kvm kvm = Kvm.open();
                EventFd event = new EventFd();
                Machine machine = Machine.builder(kvm)
                        .region(RegionSpec.anonymous(0, Guest.MEMORY))
                        .mmio(0xd000_0000L, 0x1000, device)
                        .build()) {
            machine.vm().notifyOnWrite(0xd000_0050L, 4, 1, event);
            // mov $0xd0000000,%edi; mov $1,%eax; mov %eax,0x50(%rdi); mov %al,0x50(%rdi); inc %eax;
            // mov %eax,0x50(%rdi); hlt; mov $1,%eax; mov %eax,0x50(%rdi); hlt
            Guest.code(machine, "bf000000d0 b801000000 894750 884750 ffc0 894750 f4 b801000000 894750 f4");
            Guest.atCpl0(machine, 0);
            assertThat(machine.run(0)).isEqualTo(new VcpuStop.Halted(false));
            assertThat(event.await()).isEqualTo(1);
            assertThat(device.writes)
                    .containsExactly(new RecordingDevice.Write(0x50, 1, 1), new RecordingDevice.Write(0x50, 4, 2));
            machine.vm().exitOnWrite(0xd000_0050L, 4, 1, event);
            assertThat(machine.run(0)).isEqualTo(new VcpuStop.Halted(false));
            assertThat(device.writes).last().isEqualTo(new RecordingDevice.Write(0x50, 4, 1));
        }
    }
}
