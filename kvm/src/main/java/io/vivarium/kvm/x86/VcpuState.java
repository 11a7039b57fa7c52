// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm.x86;

import io.vivarium.kvm.Kvm;
import io.vivarium.kvm.Machine;
import io.vivarium.kvm.RegionSpec;
import io.vivarium.kvm.Vcpu;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
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

    /// The most registers that KVM is told of at once, besides the time-stamp counter
    /// (`MAX_IO_MSRS`, arch/x86/kvm/x86.c).
    private static final int MOST_MSRS = 254;

    /// The largest area that Intel SDM 1, 13.5 comes to, with room.
    private static final int MOST_XSAVE_BYTES = 64 << 10;

    private final Parts parts;
    private final boolean xcrsChanged;

    /// The time-stamp counter, and those that differ from what a vCPU has after power-on.
    private final KvmMsrs changedMsrs;

    /// All that can be written, but for the time-stamp counter.
    private final KvmMsrs writableMsrs;

    /// What a vCPU has told of itself.
    ///
    /// @param msrs all that can be read
    /// @param clock the time-stamp counter, written so that KVM takes it for what it is
    private record Parts(
            KvmRegs regs,
            KvmSregs sregs,
            KvmVcpuEvents events,
            KvmXcrs xcrs,
            KvmXsave xsave,
            KvmDebugregs debugregs,
            KvmMpState mpState,
            KvmMsrs clock,
            Map<Integer, Long> msrs) {
        static Parts read(Arena arena, Kvm kvm, Vcpu vcpu) {
            Parts parts = new Parts(
                    new KvmRegs(arena),
                    new KvmSregs(arena),
                    new KvmVcpuEvents(arena),
                    new KvmXcrs(arena),
                    new KvmXsave(arena, vcpu.xsaveSize()),
                    new KvmDebugregs(arena),
                    new KvmMpState(arena),
                    readClock(arena, vcpu),
                    readable(kvm, vcpu));
            parts.structs().forEach(vcpu::read);
            return parts;
        }

        List<VcpuStruct> structs() {
            return List.of(regs, sregs, events, xcrs, xsave, debugregs, mpState);
        }
    }

    /// A vCPU that was read, of which it is still to be found out what a vCPU after power-on has in common with it.
    ///
    /// Takes one vCPU as little time as possible; any thread may [finish][#finish] it, and once.
    public static final class Reading {
        private final Arena arena = Arena.ofAuto();
        private final Kvm kvm;
        private final Parts parts;

        private Reading(Kvm kvm, Vcpu vcpu) {
            this.kvm = kvm;
            this.parts = Parts.read(arena, kvm, vcpu);
        }

        /// The state of the vCPU when it was read.
        public VcpuState finish() {
            return new VcpuState(arena, kvm, parts);
        }
    }

    private VcpuState(Arena arena, Kvm kvm, Parts parts) {
        this.parts = parts;
        try (Machine machine =
                Machine.builder(kvm).region(RegionSpec.anonymous(0, 4096)).build()) {
            Vcpu fresh = machine.vcpu(0);
            Map<Integer, Long> changed = new LinkedHashMap<>(parts.msrs);
            changed.entrySet().removeAll(readable(kvm, fresh).entrySet());
            changed.remove(MSR_TSC);
            changedMsrs = append(arena, parts.clock, changed);
            xcrsChanged = parts.xcrs.xcr0() != xcr0(fresh);
            writableMsrs = msrs(arena, writable(parts.msrs, fresh));
        }
    }

    /// Reads a vCPU, which does not run.
    ///
    /// @param kvm what its machine was made with
    /// @throws UnsupportedOperationException if the machine has an interrupt controller in the kernel
    public static Reading read(Kvm kvm, Vcpu vcpu) {
        if (vcpu.hasInterruptController()) {
            throw new UnsupportedOperationException("the state of interrupt controllers in the kernel is not saved");
        }
        return new Reading(kvm, vcpu);
    }

    /// Takes the state of a vCPU, which does not run.
    ///
    /// @param kvm what its machine was made with
    /// @throws UnsupportedOperationException if the machine has an interrupt controller in the kernel
    public static VcpuState save(Kvm kvm, Vcpu vcpu) {
        return read(kvm, vcpu).finish();
    }

    /// All of it, for [#ofBytes]: KVM's structures, each after its length, and the model-specific registers.
    public byte[] toBytes() {
        int length = parts.structs().stream()
                        .mapToInt(
                                struct -> Integer.BYTES + (int) struct.segment().byteSize())
                        .sum()
                + 2 * Integer.BYTES
                + Long.BYTES
                + parts.msrs.size() * (Integer.BYTES + Long.BYTES);
        ByteBuffer bytes = ByteBuffer.allocate(length).order(ByteOrder.LITTLE_ENDIAN);
        for (VcpuStruct struct : parts.structs()) {
            bytes.putInt((int) struct.segment().byteSize());
            bytes.put(struct.segment().asByteBuffer());
        }
        bytes.putInt(parts.clock.count()).putLong(parts.clock.data(0));
        bytes.putInt(parts.msrs.size());
        parts.msrs.forEach((Integer index, Long value) -> bytes.putInt(index).putLong(value));
        return bytes.array();
    }

    /// The state that [#toBytes] has written, in this process or another, on this host or another.
    ///
    /// @param bytes of anyone's making: what KVM does not accept, it refuses when a vCPU is to go on from it
    /// @throws IllegalArgumentException if that cannot have written it
    /// @throws IncompatibleCpuException if vCPUs of this host lack something of it
    public static VcpuState ofBytes(Kvm kvm, byte[] bytes) {
        Arena arena = Arena.ofAuto();
        ByteBuffer from = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        try {
            VcpuState state = new VcpuState(arena, kvm, parts(arena, kvm, from));
            if (from.hasRemaining()) {
                throw new IllegalArgumentException("%d bytes too many of a vCPU".formatted(from.remaining()));
            }
            state.requireWritable();
            return state;
        } catch (BufferUnderflowException e) {
            throw new IllegalArgumentException("the state of a vCPU ends too early", e);
        }
    }

    private static Parts parts(Arena arena, Kvm kvm, ByteBuffer from) {
        KvmRegs regs = new KvmRegs(arena);
        KvmSregs sregs = new KvmSregs(arena);
        KvmVcpuEvents events = new KvmVcpuEvents(arena);
        KvmXcrs xcrs = new KvmXcrs(arena);
        for (VcpuStruct struct : List.of(regs, sregs, events, xcrs)) {
            fill(struct, from);
        }
        KvmXsave xsave = xsave(arena, kvm, from);
        KvmDebugregs debugregs = new KvmDebugregs(arena);
        KvmMpState mpState = new KvmMpState(arena);
        fill(debugregs, from);
        fill(mpState, from);
        return new Parts(regs, sregs, events, xcrs, xsave, debugregs, mpState, clock(arena, from), msrs(from));
    }

    private static void fill(VcpuStruct struct, ByteBuffer from) {
        int length = from.getInt();
        if (length != struct.segment().byteSize()) {
            throw new IllegalArgumentException("%d bytes of a %s of %d"
                    .formatted(
                            length,
                            struct.getClass().getSimpleName(),
                            struct.segment().byteSize()));
        }
        copy(from, length, struct.segment());
    }

    private static void copy(ByteBuffer from, int length, MemorySegment to) {
        byte[] taken = new byte[length];
        from.get(taken);
        MemorySegment.copy(taken, 0, to, ValueLayout.JAVA_BYTE, 0, length);
    }

    /// The standard format is the same on all CPUs, as far as they have its components.
    private static KvmXsave xsave(Arena arena, Kvm kvm, ByteBuffer from) {
        long size;
        try (Machine machine =
                Machine.builder(kvm).region(RegionSpec.anonymous(0, 4096)).build()) {
            size = machine.vcpu(0).xsaveSize();
        }
        int length = from.getInt();
        if (length < XSTATE_BV + Long.BYTES || length > MOST_XSAVE_BYTES) {
            throw new IllegalArgumentException("an xsave area of %d bytes".formatted(length));
        }
        if (length > size) {
            throw new IncompatibleCpuException("an xsave area of %d bytes, not of %d".formatted(length, size));
        }
        KvmXsave xsave = new KvmXsave(arena, size);
        copy(from, length, xsave.segment());
        return xsave;
    }

    private static KvmMsrs clock(Arena arena, ByteBuffer from) {
        int writes = from.getInt();
        if (writes != 1 && writes != 2) {
            throw new IllegalArgumentException("a time-stamp counter that is written %d times".formatted(writes));
        }
        KvmMsrs clock = newClock(arena, writes == 2);
        long first = from.getLong();
        clock.data(0, first);
        if (writes == 2) {
            clock.data(1, first - FAR_AWAY);
        }
        return clock;
    }

    private static Map<Integer, Long> msrs(ByteBuffer from) {
        int count = from.getInt();
        if (count < 1 || count > MOST_MSRS) {
            throw new IllegalArgumentException("%d model-specific registers".formatted(count));
        }
        Map<Integer, Long> msrs = new LinkedHashMap<>();
        for (int i = 0; i < count; i++) {
            msrs.put(from.getInt(), from.getLong());
        }
        return msrs;
    }

    private void requireWritable() {
        Set<Integer> writable = Arrays.stream(indices(writableMsrs)).boxed().collect(Collectors.toSet());
        for (int i = parts.clock.count(); i < changedMsrs.count(); i++) {
            if (!writable.contains(changedMsrs.index(i))) {
                throw new IncompatibleCpuException(
                        "MSR 0x%x = 0x%x".formatted(changedMsrs.index(i), changedMsrs.data(i)));
            }
        }
    }

    /// Puts it into a vCPU that has powered on and never run. Its time-stamp counter goes on where the saved one was.
    public void restore(Vcpu vcpu) {
        vcpu.write(changedMsrs);
        if (xcrsChanged) {
            vcpu.write(parts.xcrs);
        }
        if (parts.xsave.segment().get(ValueLayout.JAVA_LONG, XSTATE_BV) != 0) {
            vcpu.write(parts.xsave);
        }
        if (!isReset(parts.debugregs)) {
            vcpu.write(parts.debugregs);
        }
        if (parts.mpState.mp_state() != RUNNABLE) {
            vcpu.write(parts.mpState);
        }
        enter(vcpu);
    }

    /// Puts all of it in the place of what a vCPU had, which any guest may have left behind. Registers and events are
    /// there at once, not only at the next entry.
    public void overwrite(Vcpu vcpu) {
        vcpu.write(parts.clock);
        overwriteMsrs(vcpu);
        vcpu.write(parts.xcrs);
        vcpu.write(parts.xsave);
        vcpu.write(parts.debugregs);
        vcpu.write(parts.mpState);
        vcpu.write(parts.sregs);
        vcpu.write(parts.regs);
        vcpu.write(parts.events);
    }

    /// Has a vCPU which has all the rest of it go on from its registers and events.
    public void enter(Vcpu vcpu) {
        vcpu.writeOnEntry(parts.sregs);
        vcpu.writeOnEntry(parts.regs);
        vcpu.writeOnEntry(parts.events);
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
    private static KvmMsrs readClock(Arena arena, Vcpu vcpu) {
        boolean first = vcpu.index() == 0;
        KvmMsrs clock = newClock(arena, first);
        vcpu.read(clock);
        if (first) {
            clock.data(0, clock.data(0) + FAR_AWAY);
        }
        return clock;
    }

    private static KvmMsrs newClock(Arena arena, boolean first) {
        return first ? new KvmMsrs(arena, MSR_TSC, MSR_TSC) : new KvmMsrs(arena, MSR_TSC);
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
