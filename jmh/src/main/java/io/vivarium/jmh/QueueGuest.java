// SPDX-License-Identifier: Apache-2.0
package io.vivarium.jmh;

import io.vivarium.kvm.Kvm;
import io.vivarium.kvm.Machine;
import io.vivarium.kvm.MmioDevice;
import io.vivarium.kvm.PortDevice;
import io.vivarium.kvm.RegionSpec;
import io.vivarium.kvm.VcpuStop;
import io.vivarium.kvm.x86.KvmRegs;
import io.vivarium.kvm.x86.KvmSegment;
import io.vivarium.kvm.x86.KvmSregs;
import io.vivarium.kvm.x86.LinuxBoot;
import io.vivarium.virtio.EventDoorbell;
import io.vivarium.virtio.GuestBytes;
import io.vivarium.virtio.PortListener;
import io.vivarium.virtio.QueueStatistics;
import io.vivarium.virtio.VirtioConsole;
import io.vivarium.virtio.VirtioMmioTransport;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.HexFormat;
import java.util.Objects;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.jspecify.annotations.NullMarked;
import org.jspecify.annotations.Nullable;

/// A guest of a few instructions at CPL 3, on a machine with a virtio console: it makes requests of 64 bytes
/// available, one at a time, notifies, and waits until each was used. Its other loops do nothing but leave and
/// come back.
@NullMarked
final class QueueGuest implements AutoCloseable {
    /// What the guest does again and again.
    enum Loop {
        /// `out %al,$0xe0`
        PORT_EXIT("e6e0"),
        /// `mov %eax,0x1000(%rdi)`: a device that does nothing.
        MMIO_EXIT("898700100000"),
        /// `incw (%r8); mov (%r8),%dx; mov %eax,(%rdi)`, and then, until they are equal, `cmp (%r9),%dx; jne`:
        /// avail.idx, `QueueNotify`, used.idx.
        REQUEST("6641ff00 66418b10 8907 66413b11 75fa");

        private final String code;

        Loop(String code) {
            this.code = code;
        }

        /// With `dec %ecx; jnz` round it, and a write to the address that ends a run, `mov %eax,(%rsi)`.
        private byte[] bytes() {
            String body = code.replace(" ", "");
            int back = -(body.length() / 2 + 4);
            return HexFormat.of().parseHex(body + "ffc9" + "75" + HexFormat.of().toHexDigits((byte) back) + "8906");
        }
    }

    private static final long CODE = 0x10_0000;
    private static final long DESCRIPTORS = 0x20_0000;
    private static final long AVAILABLE = 0x20_1000;
    private static final long USED = 0x20_2000;
    private static final long BUFFER = 0x20_3000;
    private static final int BUFFER_SIZE = 64;
    private static final int IDX = 2;
    private static final short AVAIL_F_NO_INTERRUPT = 1;

    private static final long WINDOW = 0xd000_0000L;
    private static final long QUEUE_NOTIFY = WINDOW + 0x50;
    private static final long NOTHING = QUEUE_NOTIFY + 0x1000;
    private static final long STOP = WINDOW + 0x2000;
    private static final int PORT = 0xe0;
    private static final int TRANSMITQ = 1;

    private static final int USER_CS = 0x33;
    private static final int USER_DS = 0x2b;
    private static final int CODE_TYPE = 11;
    private static final int DATA_TYPE = 3;

    /// Every port is open to CPL 3 (Intel SDM 1, 18.5.1).
    private static final long RFLAGS_IOPL3 = 0x3002;

    private final Kvm kvm = Kvm.open();
    private final Machine machine;
    private final VirtioMmioTransport transport;
    private @Nullable EventDoorbell doorbell;
    private final ExecutorService doorbellThread = Executors.newSingleThreadExecutor(
            Thread.ofPlatform().name("doorbell").factory());

    QueueGuest() {
        Window window = new Window();
        Stop stop = new Stop();
        machine = Machine.builder(kvm)
                .region(RegionSpec.anonymous(0, 4 << 20))
                .mmio(WINDOW, VirtioMmioTransport.WINDOW_SIZE, window)
                .mmio(NOTHING, 4, new Nothing())
                .mmio(STOP, 4, stop)
                .port(PORT, 1, new Nothing())
                .build();
        stop.machine = machine;
        VirtioConsole console = VirtioConsole.builder().build();
        console.port(0).connect(new Sink());
        transport = new VirtioMmioTransport(console, machine.memory(), () -> {});
        window.device = transport;
        startDriver();
        LinuxBoot boot = new LinuxBoot(CODE, LinuxBoot.TABLES_END);
        boot.writeTables(machine.memory());
        boot.enter(machine.vcpu(0));
        enterUser();
    }

    /// What a driver does until queue 1 is up: each entry of its available ring is descriptor 0.
    private void startDriver() {
        MemorySegment memory = machine.memory().writableSlice(DESCRIPTORS, 0x4000);
        memory.set(ValueLayout.JAVA_LONG, 0, BUFFER);
        memory.set(ValueLayout.JAVA_INT, 8, BUFFER_SIZE);
        memory.set(ValueLayout.JAVA_SHORT, AVAILABLE - DESCRIPTORS, AVAIL_F_NO_INTERRUPT);
        long[][] writes = {
            {0x70, 1},
            {0x70, 3},
            {0x24, 1},
            {0x20, 1},
            {0x70, 11},
            {0x30, TRANSMITQ},
            {0x38, 8},
            {0x80, DESCRIPTORS},
            {0x90, AVAILABLE},
            {0xa0, USED},
            {0x44, 1},
            {0x70, 15}
        };
        for (long[] write : writes) {
            transport.write(write[0], 4, write[1]);
        }
        if (transport.refusals() != 0) {
            throw new IllegalStateException("the device refused: " + transport.lastRefusal());
        }
    }

    private void enterUser() {
        try (Arena scratch = Arena.ofConfined()) {
            KvmSregs sregs = new KvmSregs(scratch);
            machine.vcpu(0).read(sregs);
            user(sregs.cs(), USER_CS, CODE_TYPE, true);
            for (KvmSegment data : new KvmSegment[] {sregs.ds(), sregs.es(), sregs.fs(), sregs.gs(), sregs.ss()}) {
                user(data, USER_DS, DATA_TYPE, false);
            }
            machine.vcpu(0).write(sregs);
        }
    }

    private static void user(KvmSegment segment, int selector, int type, boolean code) {
        segment.selector(selector);
        segment.type(type);
        segment.dpl(3);
        segment.l(code ? 1 : 0);
        segment.db(code ? 0 : 1);
    }

    /// Takes the notifications off the vCPU's thread.
    void useDoorbell() {
        EventDoorbell bell = new EventDoorbell(machine.vm(), WINDOW, transport, TRANSMITQ);
        doorbell = bell;
        doorbellThread.execute(bell);
    }

    /// Puts the guest in front of a loop.
    void load(Loop loop) {
        byte[] code = loop.bytes();
        MemorySegment.copy(
                code, 0, machine.memory().writableSlice(CODE, code.length), ValueLayout.JAVA_BYTE, 0, code.length);
    }

    /// Goes through the loop so many times.
    void run(int times) {
        try (Arena scratch = Arena.ofConfined()) {
            KvmRegs regs = new KvmRegs(scratch);
            regs.rip(CODE);
            regs.rsp(CODE);
            regs.rflags(RFLAGS_IOPL3);
            regs.rcx(times);
            regs.rax(TRANSMITQ);
            regs.rdi(QUEUE_NOTIFY);
            regs.rsi(STOP);
            regs.r8(AVAILABLE + IDX);
            regs.r9(USED + IDX);
            machine.vcpu(0).write(regs);
        }
        VcpuStop stop = machine.run(0);
        if (!(stop instanceof VcpuStop.Halted)) {
            throw new IllegalStateException("the guest stopped otherwise: " + stop);
        }
    }

    /// What went through its queue.
    QueueStatistics statistics() {
        return transport.statistics(TRANSMITQ);
    }

    @Override
    public void close() {
        if (doorbell != null) {
            doorbell.close();
        }
        doorbellThread.close();
        machine.close();
        kvm.close();
    }

    /// Reads what the guest sends, and forgets it.
    private static final class Sink implements PortListener {
        private final byte[] bytes = new byte[BUFFER_SIZE];

        @Override
        public void received(GuestBytes sent) {
            sent.read(bytes, 0, bytes.length);
        }
    }

    private static final class Window implements MmioDevice {
        private @Nullable MmioDevice device;

        @Override
        public long read(long offset, int size) {
            return Objects.requireNonNull(device).read(offset, size);
        }

        @Override
        public void write(long offset, int size, long value) {
            Objects.requireNonNull(device).write(offset, size, value);
        }
    }

    private static final class Nothing implements MmioDevice, PortDevice {
        @Override
        public long read(long offset, int size) {
            return 0;
        }

        @Override
        public void write(long offset, int size, long value) {}

        @Override
        public int read(int offset, int size) {
            return 0;
        }

        @Override
        public void write(int offset, int size, int value) {}
    }

    /// Where the guest writes when it is through.
    private static final class Stop implements MmioDevice {
        private @Nullable Machine machine;

        @Override
        public long read(long offset, int size) {
            return 0;
        }

        @Override
        public void write(long offset, int size, long value) {
            Objects.requireNonNull(machine).halt(0);
        }
    }
}
