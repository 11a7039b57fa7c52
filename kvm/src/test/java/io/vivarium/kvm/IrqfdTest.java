// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.vivarium.kvm.testing.EnabledIfKvm;
import io.vivarium.kvm.x86.VcpuState;
import java.util.concurrent.FutureTask;
import java.util.concurrent.Semaphore;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Tag("machine")
@EnabledIfKvm
@Timeout(120)
class IrqfdTest {
    private static final int LINE = 5;

    /// Initializes the first 8259 with vectors from 0x30 (Intel 8259A data sheet, ICW1 to ICW4), lets line 5 through,
    /// tells, and halts for ever. An edge before that is lost.
    private static final String CODE = "b011e620 b030e621 b004e621 b001e621 b0dfe621 e6e1 fb f4 ebfd";

    /// `push %rax; out %al,$0xe1; mov $0x20,%al; out %al,$0x20; pop %rax; iretq`: tells, and ends the interrupt.
    private static final String HANDLER = "50 e6e1 b020 e620 58 48cf";

    private static Machine.Builder machine(Kvm kvm) {
        return Machine.builder(kvm).region(RegionSpec.anonymous(0, Guest.MEMORY));
    }

    @Test
    void everySignalInterruptsAGuestThatHasHalted() throws Exception {
        Semaphore interrupts = new Semaphore(0);
        PortDevice told = new PortDevice() {
            @Override
            public int read(int offset, int size) {
                return 0;
            }

            @Override
            public void write(int offset, int size, int value) {
                interrupts.release();
            }
        };
        try (Kvm kvm = Kvm.open();
                EventFd event = new EventFd();
                Machine machine =
                        machine(kvm).port(0xe1, 1, told).interruptController().build()) {
            assertThat(machine.vm().hasInterruptController()).isTrue();
            machine.vm().irqfd(LINE, event);
            Guest.code(machine, CODE);
            Guest.handler(machine, 0x30 + LINE, HANDLER);
            Guest.atCpl0(machine, 0);
            FutureTask<VcpuStop> run = new FutureTask<>(() -> machine.run(0));
            Thread.ofPlatform().start(run);
            interrupts.acquire();
            for (int i = 0; i < 3; i++) {
                event.signal();
                interrupts.acquire();
            }
            machine.vm().removeIrqfd(LINE, event);
            machine.stop();
            assertThat(run.get()).isEqualTo(new VcpuStop.Stopped());
            assertThat(interrupts.availablePermits()).isZero();
            assertThatIllegalStateException()
                    .isThrownBy(() -> machine.interrupt(0, 0x35))
                    .withMessageContaining("irqfd");
        }
    }

    @Test
    void oneEventRaisesOneLine() {
        try (Kvm kvm = Kvm.open();
                EventFd event = new EventFd();
                Machine machine = machine(kvm).interruptController().build()) {
            machine.vm().irqfd(LINE, event);
            assertThatThrownBy(() -> machine.vm().irqfd(LINE, event))
                    .isInstanceOf(KvmException.class)
                    .hasMessage("KVM_IRQFD: EBUSY");
        }
    }

    @Test
    void withoutAControllerThereIsNoLine() {
        try (Kvm kvm = Kvm.open();
                EventFd event = new EventFd();
                Machine machine = machine(kvm).build()) {
            assertThat(machine.vm().hasInterruptController()).isFalse();
            assertThatIllegalStateException()
                    .isThrownBy(() -> machine.vm().irqfd(LINE, event))
                    .withMessageContaining("no interrupt controller");
        }
    }

    @Test
    void aStateThatWouldLackTheControllersIsNotSaved() {
        try (Kvm kvm = Kvm.open();
                Machine machine = machine(kvm).interruptController().build()) {
            assertThatThrownBy(() -> VcpuState.save(kvm, machine.vcpu(0)))
                    .isInstanceOf(UnsupportedOperationException.class)
                    .hasMessageContaining("interrupt controllers");
        }
    }
}
