// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.vivarium.kvm.Kvm;
import io.vivarium.kvm.KvmException;
import io.vivarium.kvm.Machine;
import io.vivarium.kvm.MmioDevice;
import io.vivarium.kvm.RegionSpec;
import io.vivarium.kvm.VcpuStop;
import io.vivarium.kvm.testing.EnabledIfKvm;
import io.vivarium.kvm.x86.LinuxBoot;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.HexFormat;
import java.util.Objects;
import java.util.concurrent.Semaphore;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// A guest of a few instructions notifies of a queue that a test has filled for it.
@Tag("machine")
@EnabledIfKvm
@Timeout(120)
final class EventDoorbellTest {
    private static final long CODE = 0x10_0000;
    private static final long WINDOW = 0xd000_0000L;

    /// `mov $0xd0000050,%edi; xor %eax,%eax; mov %eax,(%rdi); hlt; jmp` back to the write: each run notifies
    /// of queue 0.
    private static final String NOTIFY_AND_HALT = "bf500000d0 31c0 8907 f4 ebfb";

    private final FakeDevice device = new FakeDevice();
    private final Semaphore notified = new Semaphore(0);
    private int accesses;

    /// The device's window, which counts what exits.
    private final class Window implements MmioDevice {
        private @Nullable VirtioMmioTransport transport;

        @Override
        public long read(long offset, int size) {
            throw new AssertionError("the guest reads nothing");
        }

        @Override
        public void write(long offset, int size, long value) {
            accesses++;
            Objects.requireNonNull(transport).write(offset, size, value);
        }
    }

    private Machine machine(Kvm kvm, Window window) {
        Machine machine = Machine.builder(kvm)
                .region(RegionSpec.anonymous(0, 4 << 20))
                .mmio(WINDOW, VirtioMmioTransport.WINDOW_SIZE, window)
                .build();
        byte[] code = HexFormat.of().parseHex(NOTIFY_AND_HALT.replace(" ", ""));
        MemorySegment.copy(
                code, 0, machine.memory().writableSlice(CODE, code.length), ValueLayout.JAVA_BYTE, 0, code.length);
        LinuxBoot boot = new LinuxBoot(CODE, LinuxBoot.TABLES_END);
        boot.writeTables(machine.memory());
        boot.enter(machine.vcpu(0));
        return machine;
    }

    /// Brings the device up with queue 0, as the guest's driver would.
    private static void start(VirtioMmioTransport transport) {
        long[][] writes = {
            {DriverHarness.STATUS, 1},
            {DriverHarness.STATUS, 3},
            {DriverHarness.DRIVER_FEATURES_SEL, 1},
            {DriverHarness.DRIVER_FEATURES, 1},
            {DriverHarness.STATUS, 11},
            {DriverHarness.QUEUE_SEL, 0},
            {DriverHarness.QUEUE_NUM, 8},
            {DriverHarness.QUEUE_DESC_LOW, 0x20_0000},
            {DriverHarness.QUEUE_DRIVER_LOW, 0x20_1000},
            {DriverHarness.QUEUE_DEVICE_LOW, 0x20_2000},
            {DriverHarness.QUEUE_READY, 1},
            {DriverHarness.STATUS, 15}
        };
        for (long[] write : writes) {
            transport.write(write[0], 4, write[1]);
        }
        assertThat(transport.refusals()).isZero();
    }

    @Test
    void theGuestsWriteReachesTheDeviceWithoutAnExit() throws InterruptedException {
        Window window = new Window();
        device.whenNotified = notified::release;
        try (Kvm kvm = Kvm.open();
                Machine machine = machine(kvm, window)) {
            VirtioMmioTransport transport = new VirtioMmioTransport(device, machine.memory(), () -> {});
            window.transport = transport;
            start(transport);
            notified.acquire();
            assertThat(machine.run(0)).isEqualTo(new VcpuStop.Halted(false));
            assertThat(accesses).isEqualTo(1);
            notified.acquire();

            EventDoorbell doorbell = new EventDoorbell(machine.vm(), WINDOW, transport, 0);
            Thread thread = Thread.ofPlatform().start(doorbell);
            for (int i = 0; i < 3; i++) {
                assertThat(machine.run(0)).isEqualTo(new VcpuStop.Halted(false));
                notified.acquire();
            }
            assertThat(accesses).isEqualTo(1);
            assertThatThrownBy(() -> new EventDoorbell(machine.vm(), WINDOW, transport, 0))
                    .isInstanceOf(KvmException.class)
                    .hasMessage("KVM_IOEVENTFD: EEXIST");
            doorbell.close();
            thread.join();
            doorbell.close();
            // Nothing is lost in between: closing looks at the queue once.
            notified.acquire();

            assertThat(machine.run(0)).isEqualTo(new VcpuStop.Halted(false));
            assertThat(accesses).isEqualTo(2);
            notified.acquire();
            assertThat(notified.availablePermits()).isZero();
            assertThat(transport.statistics(0).notificationsReceived()).isEqualTo(6);
        }
    }

    @Test
    @SuppressWarnings("try") // closes it before the end, which is what is tested
    void aFaultThatItFindsIsTheGuests() throws InterruptedException {
        Window window = new Window();
        try (Kvm kvm = Kvm.open();
                Machine machine = machine(kvm, window)) {
            VirtioMmioTransport transport =
                    new VirtioMmioTransport(device, machine.memory(), () -> {}, FaultPolicy.END_MACHINE);
            window.transport = transport;
            start(transport);
            device.thrownWhenNotified = new VirtioFault(VirtioFault.Kind.HEAD_INDEX, "as the test says");
            device.whenNotified = notified::release;
            try (EventDoorbell doorbell = new EventDoorbell(machine.vm(), WINDOW, transport, 0)) {
                Thread thread = Thread.ofPlatform().start(doorbell);
                assertThat(machine.run(0)).isEqualTo(new VcpuStop.Halted(false));
                notified.acquire();
                doorbell.close();
                thread.join();
            }
            assertThat(transport.fault()).isNotNull();
            assertThat(machine.run(0)).isInstanceOf(VcpuStop.Failed.class);
        }
    }
}
