// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm;

import static org.assertj.core.api.Assertions.assertThat;

import io.vivarium.kvm.testing.EnabledIfKvm;
import io.vivarium.kvm.x86.KvmRegs;
import io.vivarium.kvm.x86.KvmVcpuEvents;
import io.vivarium.kvm.x86.Translations;
import io.vivarium.kvm.x86.VcpuState;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// Page tables that the host changes between two runs of a guest.
@Tag("machine")
@EnabledIfKvm
class TranslationsTest {
    /// Of the boot protocol's tables, the directory of the first GiB.
    private static final long DIRECTORY = 0xB000;

    private static final long TABLE = 0x200000;
    private static final long OTHER_TABLE = 0x201000;
    private static final long FIRST = 0x300000;
    private static final long SECOND = 0x301000;
    private static final long THIRD = 0x302000;

    private static final int OPEN = 7;

    /// Reads at the address that the tables under test translate:
    /// `1: mov 0x1000000, %eax; mov $0xe0, %dx; out %eax, %dx; jmp 1b`
    private static final String READER = "8b042500000001 66bae000 ef ebf2";

    /// `mov $0xe1, %dx; out %al, %dx`, at CPL 0
    private static final String PAGE_FAULT = "66bae100 ee f4";

    private static final int PAGE_FAULT_VECTOR = 14;
    private static final long FAULT = -1;

    private Kvm kvm;
    private Machine machine;
    private VcpuState start;
    private long seen;

    @BeforeEach
    void open() {
        kvm = Kvm.open();
        machine = Machine.builder(kvm)
                .region(RegionSpec.anonymous(0, Guest.MEMORY))
                .port(0xe0, 4, new Reports())
                .build();
        Guest.atCpl3(machine, 0);
        Guest.code(machine, READER);
        Guest.handler(machine, PAGE_FAULT_VECTOR, PAGE_FAULT);
        put(FIRST, 0xaaaa);
        put(SECOND, 0xbbbb);
        put(THIRD, 0xcccc);
        put(DIRECTORY + 8 * 8, TABLE | OPEN);
        put(TABLE, FIRST | OPEN);
        put(OTHER_TABLE, THIRD | OPEN);
        start = VcpuState.save(kvm, machine.vcpu(0));
    }

    @AfterEach
    void close() {
        machine.close();
        kvm.close();
    }

    private final class Reports implements PortDevice {
        @Override
        public int read(int offset, int size) {
            return 0;
        }

        @Override
        public void write(int offset, int size, int value) {
            seen = offset == 0 ? value : FAULT;
            machine.kick(0);
        }
    }

    private void put(long address, long value) {
        machine.memory().writableSlice(address, 8).set(ValueLayout.JAVA_LONG, 0, value);
    }

    private long readByGuest() {
        start.enter(machine.vcpu(0));
        assertThat(machine.run(0)).isInstanceOf(VcpuStop.Kicked.class);
        return seen;
    }

    private long readAfterForgetting(long... changed) {
        machine.revive();
        start.overwrite(machine.vcpu(0));
        Translations.forget(Translations.way(kvm), machine, changed);
        return readByGuest();
    }

    @Test
    void theGuestTranslatesByWhatTheTablesAreNow() {
        assertThat(readByGuest()).isEqualTo(0xaaaa);
        put(TABLE, SECOND | OPEN);
        assertThat(readAfterForgetting(TABLE)).isEqualTo(0xbbbb);
        put(DIRECTORY + 8 * 8, OTHER_TABLE | OPEN);
        assertThat(readAfterForgetting(DIRECTORY)).isEqualTo(0xcccc);
        put(DIRECTORY + 8 * 8, 0);
        assertThat(readAfterForgetting(DIRECTORY)).isEqualTo(FAULT);
        put(DIRECTORY + 8 * 8, TABLE | OPEN);
        put(TABLE, 0);
        assertThat(readAfterForgetting(DIRECTORY, TABLE)).isEqualTo(FAULT);
        put(TABLE, THIRD | OPEN);
        assertThat(readAfterForgetting(TABLE)).isEqualTo(0xcccc);
    }

    @Test
    void anInterruptThatIsOnItsWayIsForTheGuest() {
        Guest.handler(machine, 0x21, "48cf"); // iretq
        assertThat(readByGuest()).isEqualTo(0xaaaa);
        start.overwrite(machine.vcpu(0));
        try (Arena scratch = Arena.ofConfined()) {
            KvmVcpuEvents events = new KvmVcpuEvents(scratch);
            machine.vcpu(0).read(events);
            events.segment().set(ValueLayout.JAVA_BYTE, 8, (byte) 1); // interrupt.injected
            events.segment().set(ValueLayout.JAVA_BYTE, 9, (byte) 0x21); // interrupt.nr
            machine.vcpu(0).write(events);
        }
        start = VcpuState.save(kvm, machine.vcpu(0));
        put(TABLE, SECOND | OPEN);
        assertThat(readAfterForgetting(TABLE)).isEqualTo(0xbbbb);
    }

    /// As many as do not fit into one go.
    @Test
    void anyNumberOfPagesCanHaveChanged() {
        long[] all = new long[(int) (Guest.MEMORY / 4096)];
        for (int page = 0; page < all.length; page++) {
            all[page] = page * 4096L;
        }
        for (int round = 0; round < 3; round++) {
            put(TABLE, (round % 2 == 0 ? FIRST : SECOND) | OPEN);
            long[] several = new long[all.length * 3];
            for (int i = 0; i < several.length; i++) {
                several[i] = all[i / 3];
            }
            assertThat(readAfterForgetting(several)).isEqualTo(round % 2 == 0 ? 0xaaaa : 0xbbbb);
        }
    }

    @Test
    void nothingOfAnotherGuestIsLeftInTheVcpu() {
        assertThat(readByGuest()).isEqualTo(0xaaaa);
        try (Arena scratch = Arena.ofConfined()) {
            KvmRegs regs = new KvmRegs(scratch);
            machine.vcpu(0).read(regs);
            regs.r15(0x5ec2e7);
            machine.vcpu(0).write(regs);
            machine.stop();
            assertThat(machine.run(0)).isInstanceOf(VcpuStop.Stopped.class);
            assertThat(readAfterForgetting(TABLE)).isEqualTo(0xaaaa);
            machine.vcpu(0).read(regs);
            assertThat(regs.r15()).isZero();
        }
    }
}
