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
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/// Everything that a vCPU remembers, taken from one that has [powered on][PowerOn] and to be put into others that have.
///
/// What is as it was at power-on is left out, so that a restore makes few requests: registers and
/// events travel with the next entry, the rest takes one request for each kind that there is. Not
/// changed once made; any thread may use it.
public final class VcpuState {
    private static final int MSR_TSC = 0x10;

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
    private final KvmMsrs msrs;
    private final @Nullable KvmXcrs xcrs;
    private final @Nullable KvmXsave xsave;
    private final @Nullable KvmDebugregs debugregs;
    private final @Nullable KvmMpState mpState;

    private VcpuState(Arena arena, Kvm kvm, Vcpu vcpu) {
        regs = new KvmRegs(arena);
        sregs = new KvmSregs(arena);
        events = new KvmVcpuEvents(arena);
        vcpu.read(regs);
        vcpu.read(sregs);
        vcpu.read(events);
        try (Machine fresh =
                Machine.builder(kvm).region(RegionSpec.anonymous(0, 4096)).build()) {
            msrs = changedMsrs(arena, kvm, vcpu, fresh.vcpu(0));
            xcrs = changedXcrs(arena, vcpu, fresh.vcpu(0));
        }

        KvmXsave vectors = new KvmXsave(arena, vcpu.xsaveSize());
        vcpu.read(vectors);
        xsave = vectors.segment().get(ValueLayout.JAVA_LONG, XSTATE_BV) == 0 ? null : vectors;

        KvmDebugregs debug = new KvmDebugregs(arena);
        vcpu.read(debug);
        debugregs = isReset(debug) ? null : debug;

        KvmMpState activity = new KvmMpState(arena);
        vcpu.read(activity);
        mpState = activity.mp_state() == RUNNABLE ? null : activity;
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
        vcpu.write(msrs);
        writeUnlessReset(vcpu, xcrs);
        writeUnlessReset(vcpu, xsave);
        writeUnlessReset(vcpu, debugregs);
        writeUnlessReset(vcpu, mpState);
        vcpu.writeOnEntry(sregs);
        vcpu.writeOnEntry(regs);
        vcpu.writeOnEntry(events);
    }

    private static void writeUnlessReset(Vcpu vcpu, @Nullable VcpuStruct part) {
        if (part != null) {
            vcpu.write(part);
        }
    }

    private static boolean isReset(KvmDebugregs debug) {
        return (debug.db(0) | debug.db(1) | debug.db(2) | debug.db(3)) == 0
                && debug.dr6() == DR6_RESET
                && debug.dr7() == DR7_RESET;
    }

    /// Those that differ from what a vCPU has after power-on, and the time-stamp counter, which always does.
    private static KvmMsrs changedMsrs(Arena arena, Kvm kvm, Vcpu vcpu, Vcpu fresh) {
        Map<Integer, Long> changed = readable(kvm, vcpu);
        changed.entrySet().removeAll(readable(kvm, fresh).entrySet());
        changed.putIfAbsent(MSR_TSC, 0L);
        IntStream indices = changed.keySet().stream().mapToInt(Integer::intValue);
        // A machine's other vCPUs are to be taken for synchronized with its first.
        boolean first = vcpu.index() == 0;
        KvmMsrs msrs = new KvmMsrs(
                arena, first ? IntStream.concat(IntStream.of(MSR_TSC), indices).toArray() : indices.toArray());
        vcpu.read(msrs);
        if (first) {
            msrs.data(0, msrs.data(0) + FAR_AWAY);
        }
        return msrs;
    }

    private static @Nullable KvmXcrs changedXcrs(Arena arena, Vcpu vcpu, Vcpu fresh) {
        KvmXcrs xcrs = new KvmXcrs(arena);
        KvmXcrs reset = new KvmXcrs(arena);
        vcpu.read(xcrs);
        fresh.read(reset);
        return xcrs.xcr0() == reset.xcr0() ? null : xcrs;
    }

    /// The registers that the vCPU has: KVM's list is what any could have.
    private static Map<Integer, Long> readable(Kvm kvm, Vcpu vcpu) {
        Map<Integer, Long> values = new LinkedHashMap<>();
        try (Arena scratch = Arena.ofConfined()) {
            for (int index : kvm.msrIndices()) {
                KvmMsrs one = new KvmMsrs(scratch, index);
                if (vcpu.tryRead(one)) {
                    values.put(index, one.data(0));
                }
            }
        }
        return values;
    }
}
