// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.vivarium.kvm.RecordingDevice.Write;
import io.vivarium.kvm.internal.Syscalls;
import io.vivarium.kvm.testing.Effort;
import io.vivarium.kvm.testing.EnabledIfKvm;
import io.vivarium.kvm.x86.KvmRegs;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Entering and leaving: halts, interrupts, kicks, the end.
@Tag("machine")
@EnabledIfKvm
@Timeout(120)
class RunTest {
    private static final int VECTOR = 0x41;
    private static final int SIGWINCH = 28;
    private static final VcpuStop KICKED = new VcpuStop.Kicked();
    private static final VcpuStop STOPPED = new VcpuStop.Stopped();

    /// `incl 0x200000; jmp` back to it
    private static final String COUNT_FOR_EVER = "ff042500002000 ebf7";

    private Kvm kvm;
    private ExecutorService threads;

    @BeforeEach
    void open() {
        kvm = Kvm.open();
        threads = Executors.newCachedThreadPool();
    }

    @AfterEach
    void close() throws InterruptedException {
        threads.shutdown();
        assertThat(threads.awaitTermination(1, TimeUnit.MINUTES)).isTrue();
        kvm.close();
    }

    private Machine.Builder builder() {
        return Machine.builder(kvm).region(RegionSpec.anonymous(0, Guest.MEMORY));
    }

    private Machine endless() {
        Machine machine = builder().build();
        Guest.code(machine, COUNT_FOR_EVER);
        Guest.atCpl3(machine, 0);
        return machine;
    }

    @Test
    void aGuestHaltsAndGoesOn() {
        RecordingDevice device = new RecordingDevice();
        try (Machine machine = builder().port(0xe0, 1, device).build()) {
            // sti; hlt; mov $1,%al; out %al,$0xe0; cli; hlt; mov $2,%al; out %al,$0xe0; hlt
            Guest.code(machine, "fb f4 b001 e6e0 fa f4 b002 e6e0 f4");
            Guest.atCpl0(machine, 0);
            assertThat(machine.run(0)).isEqualTo(new VcpuStop.Halted(true));
            assertThat(device.writes).isEmpty();
            assertThat(machine.run(0)).isEqualTo(new VcpuStop.Halted(false));
            assertThat(device.writes).containsExactly(new Write(0, 1, 1));
            assertThat(machine.run(0)).isEqualTo(new VcpuStop.Halted(false));
            assertThat(device.writes).hasSize(2);
        }
    }

    @Test
    void anInterruptThatIsPendingKeepsTheGuestFromHalting() throws InterruptedException {
        RecordingDevice device = new RecordingDevice();
        try (Machine machine = builder().port(0xe0, 1, device).build()) {
            // sti; hlt; mov $1,%al; out %al,$0xe0; cli; hlt
            Guest.code(machine, "fb f4 b001 e6e0 fa f4");
            // mov $7,%al; out %al,$0xe0; iretq
            Guest.handler(machine, VECTOR, "b007 e6e0 48cf");
            Guest.atCpl0(machine, 0);
            machine.interrupt(0, VECTOR);
            assertThat(machine.await(0, Duration.ZERO)).isTrue();
            assertThat(machine.run(0)).isEqualTo(new VcpuStop.Halted(false));
            assertThat(device.writes).containsExactly(new Write(0, 1, 7), new Write(0, 1, 1));
            // Nothing but a kick or the end wakes a guest that halts with interrupts off.
            assertThat(machine.await(0, Duration.ZERO)).isFalse();
            machine.interrupt(0, VECTOR);
            assertThat(machine.await(0, Duration.ZERO)).isFalse();
            machine.kick(0);
            assertThat(machine.await(0, Duration.ZERO)).isTrue();
            assertThat(machine.run(0)).isEqualTo(KICKED);
        }
    }

    @Test
    void interruptsReachTheGuestHighestVectorFirstAndOnce() {
        RecordingDevice device = new RecordingDevice();
        try (Machine machine = builder().port(0xe0, 1, device).build()) {
            // 1: cmpl $3,0x200000; jne 1b; out %al,$0xe0; 2: jmp 2b
            Guest.code(machine, "833c250000200003 75f6 e6e0 ebfe");
            for (int vector : new int[] {0x20, 0x90, 0xff}) {
                // mov $vector,%al; out %al,$0xe0; incl 0x200000; iretq
                Guest.handler(machine, vector, "b0%02x e6e0 ff042500002000 48cf".formatted(vector));
            }
            Guest.atCpl3(machine, 0);
            for (int vector : new int[] {0x90, 0x20, 0xff, 0x90, 0x20}) {
                machine.interrupt(0, vector);
            }
            Future<VcpuStop> run = threads.submit(() -> machine.run(0));
            while (machine.memory().slice(0x200000, 4).get(ValueLayout.JAVA_INT, 0) != 3) {
                Thread.onSpinWait();
            }
            machine.stop();
            assertThat(result(run)).isEqualTo(STOPPED);
        }
        assertThat(device.writes.subList(0, 3))
                .containsExactly(new Write(0, 1, 0xff), new Write(0, 1, 0x90), new Write(0, 1, 0x20));
        assertThat(device.writes).hasSizeLessThanOrEqualTo(4);
    }

    private static <T> T result(Future<T> future) {
        try {
            return future.get(60, TimeUnit.SECONDS);
        } catch (Exception e) {
            throw new AssertionError(e);
        }
    }

    /// A thread interrupts, the guest's handler answers, and so on: one that is lost hangs the test.
    @Test
    void noInterruptIsLost() throws Exception {
        int rounds = 3000;
        Semaphore answered = new Semaphore(0);
        PortDevice device = new PortDevice() {
            @Override
            public int read(int offset, int size) {
                return 0;
            }

            @Override
            public void write(int offset, int size, int value) {
                answered.release();
            }
        };
        try (Machine machine = builder().port(0xe0, 1, device).build()) {
            Guest.code(machine, COUNT_FOR_EVER);
            Guest.handler(machine, VECTOR, "e6e0 48cf");
            Guest.atCpl3(machine, 0);
            Future<VcpuStop> run = threads.submit(() -> machine.run(0));
            for (int i = 0; i < rounds; i++) {
                machine.interrupt(0, VECTOR);
                assertThat(answered.tryAcquire(30, TimeUnit.SECONDS)).isTrue();
            }
            machine.stop();
            assertThat(result(run)).isEqualTo(STOPPED);
        }
        assertThat(answered.availablePermits()).isZero();
    }

    /// The same with a guest that halts between interrupts and a carrier that waits outside.
    @Test
    void noWakeUpIsLost() throws Exception {
        int rounds = 2000;
        Semaphore answered = new Semaphore(0);
        PortDevice device = new PortDevice() {
            @Override
            public int read(int offset, int size) {
                return 0;
            }

            @Override
            public void write(int offset, int size, int value) {
                answered.release();
            }
        };
        try (Machine machine = builder().port(0xe0, 1, device).build()) {
            // 1: sti; hlt; jmp 1b
            Guest.code(machine, "fb f4 ebfc");
            Guest.handler(machine, VECTOR, "e6e0 48cf");
            Guest.atCpl0(machine, 0);
            Future<VcpuStop> run = threads.submit((Callable<VcpuStop>) () -> {
                VcpuStop stop = machine.run(0);
                while (stop.equals(new VcpuStop.Halted(true))) {
                    assertThat(machine.await(0, Duration.ofSeconds(30))).isTrue();
                    stop = machine.run(0);
                }
                return stop;
            });
            for (int i = 0; i < rounds; i++) {
                machine.interrupt(0, VECTOR);
                assertThat(answered.tryAcquire(30, TimeUnit.SECONDS)).isTrue();
            }
            machine.stop();
            assertThat(result(run)).isEqualTo(STOPPED);
        }
        assertThat(answered.availablePermits()).isZero();
    }

    @Test
    void aDeviceHaltsTheGuestUnlessAnInterruptIsPending() {
        AtomicInteger accesses = new AtomicInteger();
        List<Machine> here = new ArrayList<>();
        MmioDevice timer = new MmioDevice() {
            @Override
            public long read(long offset, int size) {
                return 0;
            }

            @Override
            public void write(long offset, int size, long value) {
                if (accesses.incrementAndGet() == 2) {
                    here.getFirst().interrupt(0, VECTOR);
                }
                here.getFirst().halt(0);
            }
        };
        RecordingDevice device = new RecordingDevice();
        try (Machine machine =
                builder().mmio(0xd00f_f000L, 8, timer).port(0xe0, 1, device).build()) {
            here.add(machine);
            // mov $0xd00ff000,%edi; 1: mov %rax,(%rdi); inc %ebx; jmp 1b
            Guest.code(machine, "bf00f00fd0 488907 ffc3 ebf9");
            Guest.handler(machine, VECTOR, "e6e0 48cf");
            Guest.atCpl3(machine, 0);
            assertThat(machine.run(0)).isEqualTo(new VcpuStop.Halted(true));
            assertThat(accesses).hasValue(1);
            // the access is complete: the guest goes on behind it
            assertThat(Guest.rip(machine)).isEqualTo(Guest.CODE + 8);
            assertThat(machine.run(0)).isEqualTo(new VcpuStop.Halted(true));
            assertThat(accesses).hasValue(3);
            assertThat(device.writes).hasSize(1);
        }
    }

    @Test
    void anEndlessLoopIsKickedAndGoesOn() {
        try (Machine machine = endless()) {
            int before = 0;
            for (int i = 0; i < 200; i++) {
                Future<VcpuStop> run = threads.submit(() -> machine.run(0));
                machine.kick(0);
                assertThat(result(run)).isEqualTo(KICKED);
            }
            Future<VcpuStop> run = threads.submit(() -> machine.run(0));
            while (counter(machine) == before) {
                Thread.onSpinWait();
            }
            machine.kick(0);
            assertThat(result(run)).isEqualTo(KICKED);
        }
    }

    private static int counter(Machine machine) {
        return machine.memory().slice(0x200000, 4).get(ValueLayout.JAVA_INT, 0);
    }

    @Test
    void aKickBeforeTheRunIsKept() {
        try (Machine machine = endless()) {
            machine.kick(0);
            machine.kick(0);
            assertThat(machine.run(0)).isEqualTo(KICKED);
            assertThat(counter(machine)).isZero();
        }
    }

    @Test
    void aGuestIsStoppedFromAnotherThreadForGood() {
        try (Machine machine = endless()) {
            Future<VcpuStop> run = threads.submit(() -> machine.run(0));
            while (counter(machine) == 0) {
                Thread.onSpinWait();
            }
            machine.stop();
            assertThat(result(run)).isEqualTo(STOPPED);
            assertThat(machine.run(0)).isEqualTo(STOPPED);
            machine.kick(0);
            assertThat(machine.run(0)).isEqualTo(STOPPED);
        }
    }

    @Test
    void closingWaitsForTheRunAndEndsIt() {
        Machine machine = endless();
        Future<VcpuStop> run = threads.submit(() -> machine.run(0));
        while (counter(machine) == 0) {
            Thread.onSpinWait();
        }
        List<Future<?>> closers = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            closers.add(threads.submit(machine::close));
        }
        closers.forEach(RunTest::result);
        assertThat(run).isDone();
        assertThat(result(run)).isEqualTo(STOPPED);
        machine.close();
    }

    @Test
    void aClosedMachineIsRefused() {
        Machine machine = endless();
        GuestMemory memory = machine.memory();
        Vcpu vcpu = machine.vcpu(0);
        Vm vm = machine.vm();
        machine.close();
        List<Runnable> uses = List.of(
                () -> machine.run(0),
                () -> machine.interrupt(0, VECTOR),
                () -> machine.kick(0),
                () -> machine.halt(0),
                () -> machine.vcpu(0),
                machine::vm,
                () -> memory.slice(0, 8).get(ValueLayout.JAVA_LONG, 0),
                () -> vcpu.translate(0),
                () -> vm.check(Capability.XSAVE));
        for (Runnable use : uses) {
            assertThatThrownBy(use::run).isInstanceOf(IllegalStateException.class);
        }
        machine.stop();
        machine.close();
    }

    @Test
    void closingInsideADeviceIsRefused() {
        List<Machine> here = new ArrayList<>();
        RecordingDevice device = new RecordingDevice(_ -> {
            here.getFirst().close();
            return 0;
        });
        try (Machine machine = builder().port(0xe0, 1, device).build()) {
            here.add(machine);
            Guest.code(machine, "e4e0 ebfe");
            Guest.atCpl0(machine, 0);
            VcpuStop stop = machine.run(0);
            assertThat(stop).isInstanceOf(VcpuStop.Failed.class);
            assertThat(((VcpuStop.Failed) stop).report().reason()).contains("call stop()");
        }
    }

    @Test
    void aVcpuIsRunByOnePlatformThread() throws Exception {
        try (Machine machine = endless()) {
            Future<VcpuStop> run = threads.submit(() -> machine.run(0));
            while (counter(machine) == 0) {
                Thread.onSpinWait();
            }
            assertThatThrownBy(() -> machine.run(0))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("is run by");
            assertThatThrownBy(() -> Guest.rip(machine))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("is being run by");
            machine.stop();
            result(run);
            List<Throwable> thrown = new ArrayList<>();
            Thread.ofVirtual()
                    .start(() -> {
                        try {
                            machine.run(0);
                        } catch (IllegalStateException e) {
                            thrown.add(e);
                        }
                    })
                    .join();
            assertThat(thrown).hasSize(1);
        }
    }

    @Test
    void vcpusRunAtTheSameTime() {
        RecordingDevice first = new RecordingDevice();
        RecordingDevice second = new RecordingDevice();
        try (Machine machine =
                builder().vcpus(2).port(0xe0, 1, first).port(0xe1, 1, second).build()) {
            // vCPU 0 waits until vCPU 1 has written 1, answers 2; vCPU 1 waits for that
            // 1: cmpl $1,0x200000; jne 1b; movl $2,0x200000; out %al,$0xe0; 2: jmp 2b
            Guest.code(machine, "833c250000200001 75f6 c704250000200002000000 e6e0 ebfe");
            // movl $1,0x200000; 1: cmpl $2,0x200000; jne 1b; out %al,$0xe1; 2: jmp 2b
            Guest.code(machine, Guest.CODE + 0x1000, "c704250000200001000000 833c250000200002 75f6 e6e1 ebfe");
            Guest.atCpl3(machine, 0);
            Guest.atCpl3(machine, 1);
            KvmRegs regs = new KvmRegs(Arena.ofAuto());
            machine.vcpu(1).read(regs);
            regs.rip(Guest.CODE + 0x1000);
            machine.vcpu(1).write(regs);
            List<Future<VcpuStop>> runs =
                    List.of(threads.submit(() -> machine.run(0)), threads.submit(() -> machine.run(1)));
            while (counter(machine) != 2) {
                Thread.onSpinWait();
            }
            machine.kick(1);
            assertThat(result(runs.get(1))).isEqualTo(KICKED);
            machine.stop();
            assertThat(result(runs.get(0))).isEqualTo(STOPPED);
            assertThat(machine.run(1)).isEqualTo(STOPPED);
        }
    }

    /// Threads enter and leave all the time while others kick all the time. A signal that missed its run section would
    /// reach the counter, stay pending, or show in the thread's mask; one that was lost would hang the test.
    @Test
    void kicksAndRunsRaceWithoutHarm() throws Exception {
        Effort.Tries kicks = new Effort.Tries(20_000);
        AtomicInteger strays = SignalCounter.of("URG");
        Set<String> masks = ConcurrentHashMap.newKeySet();
        Set<String> pending = ConcurrentHashMap.newKeySet();
        masks.add(ThreadStatus.ofCurrent("SigBlk"));
        try (Machine machine = endless()) {
            List<Future<?>> kickers = new ArrayList<>();
            for (int i = 0; i < 2; i++) {
                kickers.add(threads.submit(() -> {
                    while (kicks.more()) {
                        machine.kick(0);
                    }
                }));
            }
            // A new thread each time, that ends at once: a signal to its id after that would hit nobody, or somebody.
            while (kicks.more()) {
                Thread runner = new Thread(() -> {
                    for (int i = 0; i < 20 && kicks.more(); i++) {
                        if (machine.run(0).equals(KICKED)) {
                            kicks.count();
                        }
                    }
                    masks.add(ThreadStatus.ofCurrent("SigBlk"));
                    pending.add(ThreadStatus.ofCurrent("SigPnd"));
                });
                runner.start();
                runner.join();
            }
            kickers.forEach(RunTest::result);
        }
        assertThat(kicks.done()).isPositive();
        assertThat(masks).hasSize(1);
        assertThat(pending).containsExactly("0000000000000000");
        assertThat(strays).hasValue(0);
    }

    /// A signal that has nothing to do with kicks is served by its handler, and the guest goes on.
    @Test
    void otherSignalsDoNotStopTheGuest() throws Exception {
        AtomicInteger served = SignalCounter.of("WINCH");
        int signals = 200;
        AtomicInteger tid = new AtomicInteger();
        PortDevice device = new PortDevice() {
            @Override
            public int read(int offset, int size) {
                return 0;
            }

            @Override
            public void write(int offset, int size, int value) {
                tid.set(Syscalls.gettid());
            }
        };
        try (Machine machine = builder().port(0xe0, 1, device).build()) {
            Guest.code(machine, "e6e0" + COUNT_FOR_EVER);
            Guest.atCpl3(machine, 0);
            Future<VcpuStop> run = threads.submit(() -> machine.run(0));
            while (counter(machine) == 0) {
                Thread.onSpinWait();
            }
            for (int i = 1; i <= signals; i++) {
                assertThat(Syscalls.tgkill(Syscalls.getpid(), tid.get(), SIGWINCH))
                        .isZero();
                while (served.get() < i) {
                    Thread.onSpinWait();
                }
            }
            int before = counter(machine);
            while (counter(machine) == before) {
                Thread.onSpinWait();
            }
            assertThat(run).isNotDone();
            machine.stop();
            assertThat(result(run)).isEqualTo(STOPPED);
        }
    }
}
