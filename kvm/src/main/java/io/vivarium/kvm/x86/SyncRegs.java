// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm.x86;

import io.vivarium.kvm.internal.KvmConstant;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemoryLayout.PathElement;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.util.List;

/// The registers that `struct kvm_run` carries into and out of `KVM_RUN` (`struct kvm_sync_regs`), which saves the
/// requests that move them otherwise.
public final class SyncRegs {
    static final StructLayout LAYOUT = MemoryLayout.structLayout(
                    KvmRegs.LAYOUT.withName("regs"),
                    KvmSregs.LAYOUT.withName("sregs"),
                    KvmVcpuEvents.LAYOUT.withName("events"))
            .withName("kvm_sync_regs");

    private final KvmRegs regs;
    private final KvmSregs sregs;
    private final KvmVcpuEvents events;

    /// @param area `kvm_run.s.regs`
    public SyncRegs(MemorySegment area) {
        regs = new KvmRegs(part(area, "regs", KvmRegs.LAYOUT));
        sregs = new KvmSregs(part(area, "sregs", KvmSregs.LAYOUT));
        events = new KvmVcpuEvents(part(area, "events", KvmVcpuEvents.LAYOUT));
    }

    private static MemorySegment part(MemorySegment area, String name, StructLayout layout) {
        return area.asSlice(LAYOUT.byteOffset(PathElement.groupElement(name)), layout);
    }

    /// The class that a structure belongs to (`KVM_SYNC_X86_*`), or 0 if it is not carried.
    public static int classOf(VcpuStruct struct) {
        return switch (struct) {
            case KvmRegs _ -> KvmConstant.KVM_SYNC_X86_REGS;
            case KvmSregs _ -> KvmConstant.KVM_SYNC_X86_SREGS;
            case KvmVcpuEvents _ -> KvmConstant.KVM_SYNC_X86_EVENTS;
            default -> 0;
        };
    }

    /// The part that holds a class.
    public VcpuStruct part(int syncClass) {
        return switch (syncClass) {
            case KvmConstant.KVM_SYNC_X86_REGS -> regs;
            case KvmConstant.KVM_SYNC_X86_SREGS -> sregs;
            case KvmConstant.KVM_SYNC_X86_EVENTS -> events;
            default -> throw new IllegalArgumentException("no class of registers: " + syncClass);
        };
    }

    /// All classes, each with its part; the order in which they are loaded.
    public static List<Integer> classes() {
        return List.of(KvmConstant.KVM_SYNC_X86_REGS, KvmConstant.KVM_SYNC_X86_SREGS, KvmConstant.KVM_SYNC_X86_EVENTS);
    }
}
