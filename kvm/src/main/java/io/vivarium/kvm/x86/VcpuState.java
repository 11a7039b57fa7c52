// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm.x86;

import io.vivarium.kvm.Kvm;
import io.vivarium.kvm.Machine;
import io.vivarium.kvm.RegionSpec;
import io.vivarium.kvm.Vcpu;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;

/// Everything that a vCPU remembers, taken from one and to be put into others.
///
/// For a vCPU that has just [powered on][PowerOn], what is as it was at power-on is left out, so that a [restore]
/// [#restore] makes few requests: registers and events travel with the next entry, the rest takes one request for each
/// kind that there is. A vCPU that another guest had is [overwritten][#overwrite] as a whole. Not changed once made;
/// any thread may use it.
public final class VcpuState {
    private static final int MSR_TSC = 0x10;

    /// How long a vCPU has run, and how old its machine is (`HV_X64_MSR_VP_RUNTIME`, `HV_X64_MSR_TIME_REF_COUNT`,
    /// asm/hyperv-tlfs.h): KVM lists them for every guest, and counts them itself.
    private static final Set<Integer> MSR_COUNTERS = Set.of(0x4000_0010, 0x4000_0020);

    /// Memory type range registers, which not every KVM lists (Intel SDM 4, table 2-2): 16 variable ones, the fixed
    /// ones, the default.
    private static final int[] MTRRS = IntStream.of(
                    0x200, 0x201, 0x202, 0x203, 0x204, 0x205, 0x206, 0x207, 0x208, 0x209, 0x20a, 0x20b, 0x20c, 0x20d,
                    0x20e, 0x20f, 0x250, 0x258, 0x259, 0x268, 0x269, 0x26a, 0x26b, 0x26c, 0x26d, 0x26e, 0x26f, 0x2ff)
            .toArray();

    /// Ticks. A value of the time-stamp counter that lies within a second of what it is anyway, KVM
    /// takes for an attempt to synchronize vCPUs and ignores (`kvm_synchronize_tsc`,
    /// arch/x86/kvm/x86.c, before Linux 6.7): the saved machine being that young, its time would go
    /// back. One that is hours away before it makes KVM take both.
    private static final long FAR_AWAY = 1L << 46;

    // Intel SDM 1, 13.4.2: the header follows the legacy region of 512 bytes, XSTATE_BV is its first field.
    private static final long XSTATE_BV = 512;

    // Intel SDM 3A, table 10-1 (state after reset)
    private static final long DR6_RESET = 0xffff_0ff0L;
    private static final long DR7_RESET = 0x400;

    /// `KVM_MP_STATE_RUNNABLE` (linux/kvm.h)
    private static final int RUNNABLE = 0;

    private final KvmRegs regs;
    private final KvmSregs sregs;
    private final KvmVcpuEvents events;
    private final KvmXcrs xcrs;
    private final boolean xcrsChanged;
    private final KvmXsave xsave;
    private final KvmDebugregs debugregs;
    private final KvmMpState mpState;

    /// The time-stamp counter, and those that differ from what a vCPU has after power-on.
    private final KvmMsrs changedMsrs;

    /// All that can be written, but for the time-stamp counter.
    private final KvmMsrs writableMsrs;

    /// The time-stamp counter, written so that KVM takes it for what it is.
    private final KvmMsrs clock;

    private VcpuState(Arena arena, Kvm kvm, Vcpu vcpu) {
        regs = new KvmRegs(arena);
        sregs = new KvmSregs(arena);
        events = new KvmVcpuEvents(arena);
        vcpu.read(regs);
        vcpu.read(sregs);
        vcpu.read(events);
        xcrs = new KvmXcrs(arena);
        vcpu.read(xcrs);
        Map<Integer, Long> values = readable(kvm, vcpu);
        try (Machine machine =
                Machine.builder(kvm).region(RegionSpec.anonymous(0, 4096)).build()) {
            Vcpu fresh = machine.vcpu(0);
            Map<Integer, Long> changed = new LinkedHashMap<>(values);
            changed.entrySet().removeAll(readable(kvm, fresh).entrySet());
            changed.remove(MSR_TSC);
            clock = clock(arena, vcpu);
            changedMsrs = append(arena, clock, changed);
            xcrsChanged = xcrs.xcr0() != xcr0(fresh);
            writableMsrs = msrs(arena, writable(values, fresh));
        }
        xsave = new KvmXsave(arena, vcpu.xsaveSize());
        vcpu.read(xsave);
        debugregs = new KvmDebugregs(arena);
        vcpu.read(debugregs);
        mpState = new KvmMpState(arena);
        vcpu.read(mpState);
    }

    /// Takes the state of a vCPU, which does not run.
    ///
    /// @param kvm what its machine was made with
    /// @throws UnsupportedOperationException if the machine has an interrupt controller in the kernel
    public static VcpuState save(Kvm kvm, Vcpu vcpu) {
        if (vcpu.hasInterruptController()) {
            throw new UnsupportedOperationException("the state of interrupt controllers in the kernel is not saved");
        }
        return new VcpuState(Arena.ofAuto(), kvm, vcpu);
    }

    /// Puts it into a vCPU that has powered on and never run. Its time-stamp counter goes on where the saved one was.
    public void restore(Vcpu vcpu) {
        vcpu.write(changedMsrs);
        if (xcrsChanged) {
            vcpu.write(xcrs);
        }
        if (xsave.segment().get(ValueLayout.JAVA_LONG, XSTATE_BV) != 0) {
            vcpu.write(xsave);
        }
        if (!isReset(debugregs)) {
            vcpu.write(debugregs);
        }
        if (mpState.mp_state() != RUNNABLE) {
            vcpu.write(mpState);
        }
        enter(vcpu);
    }

    /// Puts all of it in the place of what a vCPU had, which any guest may have left behind. Registers and events are
    /// there at once, not only at the next entry.
    public void overwrite(Vcpu vcpu) {
        vcpu.write(clock);
        overwriteMsrs(vcpu);
        vcpu.write(xcrs);
        vcpu.write(xsave);
        vcpu.write(debugregs);
        vcpu.write(mpState);
        vcpu.write(sregs);
        vcpu.write(regs);
        vcpu.write(events);
    }

    /// Has a vCPU which has all the rest of it go on from its registers and events.
    public void enter(Vcpu vcpu) {
        vcpu.writeOnEntry(sregs);
        vcpu.writeOnEntry(regs);
        vcpu.writeOnEntry(events);
    }

    /// To read them all is one request, and most guests leave most of them alone; to write some of them takes KVM long.
    private void overwriteMsrs(Vcpu vcpu) {
        try (Arena scratch = Arena.ofConfined()) {
            KvmMsrs found = new KvmMsrs(scratch, indices(writableMsrs));
            vcpu.read(found);
            Map<Integer, Long> different = new LinkedHashMap<>();
            for (int i = 0; i < found.count(); i++) {
                if (found.data(i) != writableMsrs.data(i)) {
                    different.put(found.index(i), writableMsrs.data(i));
                }
            }
            if (!different.isEmpty()) {
                vcpu.write(msrs(scratch, different));
            }
        }
    }

    private static int[] indices(KvmMsrs msrs) {
        return IntStream.range(0, msrs.count()).map(msrs::index).toArray();
    }

    private static boolean isReset(KvmDebugregs debug) {
        return (debug.db(0) | debug.db(1) | debug.db(2) | debug.db(3)) == 0
                && debug.dr6() == DR6_RESET
                && debug.dr7() == DR7_RESET;
    }

    private static KvmMsrs msrs(Arena arena, Map<Integer, Long> values) {
        KvmMsrs msrs = new KvmMsrs(
                arena, values.keySet().stream().mapToInt(Integer::intValue).toArray());
        for (int i = 0; i < msrs.count(); i++) {
            msrs.data(i, values.getOrDefault(msrs.index(i), 0L));
        }
        return msrs;
    }

    /// Registers in the order given: KVM writes them one after the other.
    private static KvmMsrs append(Arena arena, KvmMsrs first, Map<Integer, Long> then) {
        IntStream more = then.keySet().stream().mapToInt(Integer::intValue);
        KvmMsrs all = new KvmMsrs(
                arena, IntStream.concat(IntStream.of(indices(first)), more).toArray());
        for (int i = 0; i < all.count(); i++) {
            all.data(i, i < first.count() ? first.data(i) : then.getOrDefault(all.index(i), 0L));
        }
        return all;
    }

    /// Of one vCPU's registers those which another takes the values of.
    private static Map<Integer, Long> writable(Map<Integer, Long> values, Vcpu fresh) {
        Map<Integer, Long> writable = new LinkedHashMap<>();
        try (Arena scratch = Arena.ofConfined()) {
            values.forEach((Integer index, Long value) -> {
                KvmMsrs one = new KvmMsrs(scratch, index);
                one.data(0, value);
                if (index != MSR_TSC && fresh.tryWrite(one)) {
                    writable.put(index, value);
                }
            });
        }
        return writable;
    }

    /// A machine's other vCPUs are to be taken for synchronized with its first.
    private static KvmMsrs clock(Arena arena, Vcpu vcpu) {
        boolean first = vcpu.index() == 0;
        KvmMsrs clock = first ? new KvmMsrs(arena, MSR_TSC, MSR_TSC) : new KvmMsrs(arena, MSR_TSC);
        vcpu.read(clock);
        if (first) {
            clock.data(0, clock.data(0) + FAR_AWAY);
        }
        return clock;
    }

    private static long xcr0(Vcpu vcpu) {
        try (Arena scratch = Arena.ofConfined()) {
            KvmXcrs xcrs = new KvmXcrs(scratch);
            vcpu.read(xcrs);
            return xcrs.xcr0();
        }
    }

    /// The registers that the vCPU has: KVM's list is what any could have.
    private static Map<Integer, Long> readable(Kvm kvm, Vcpu vcpu) {
        Map<Integer, Long> values = new LinkedHashMap<>();
        try (Arena scratch = Arena.ofConfined()) {
            IntStream.concat(IntStream.of(kvm.msrIndices()), IntStream.of(MTRRS))
                    .distinct()
                    .filter(index -> !MSR_COUNTERS.contains(index))
                    .forEach(index -> {
                        KvmMsrs one = new KvmMsrs(scratch, index);
                        if (vcpu.tryRead(one)) {
                            values.put(index, one.data(0));
                        }
                    });
        }
        return values;
    }
}
