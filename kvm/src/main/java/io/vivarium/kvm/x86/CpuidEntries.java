// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm.x86;

import io.vivarium.kvm.internal.KvmConstant;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemoryLayout.PathElement;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.lang.foreign.StructLayout;
import java.lang.foreign.ValueLayout;
import java.util.Objects;

/// What the `cpuid` instruction answers (`struct kvm_cpuid2`): one entry per leaf and subleaf.
///
/// Not safe for use by several threads at a time while it is changed.
public final class CpuidEntries {
    static final StructLayout LAYOUT = MemoryLayout.structLayout(
                    ValueLayout.JAVA_INT.withName("nent"), ValueLayout.JAVA_INT.withName("padding"))
            .withName("kvm_cpuid2");

    static final StructLayout ENTRY = MemoryLayout.structLayout(
                    ValueLayout.JAVA_INT.withName("function"),
                    ValueLayout.JAVA_INT.withName("index"),
                    ValueLayout.JAVA_INT.withName("flags"),
                    ValueLayout.JAVA_INT.withName("eax"),
                    ValueLayout.JAVA_INT.withName("ebx"),
                    ValueLayout.JAVA_INT.withName("ecx"),
                    ValueLayout.JAVA_INT.withName("edx"),
                    MemoryLayout.sequenceLayout(3, ValueLayout.JAVA_INT).withName("padding"))
            .withName("kvm_cpuid_entry2");

    /// As many as KVM keeps (`KVM_MAX_CPUID_ENTRIES`, arch/x86/include/asm/kvm_host.h).
    private static final int MAXIMUM = 256;

    private static final long INDEX = ENTRY.byteOffset(PathElement.groupElement("index"));
    private static final long FLAGS = ENTRY.byteOffset(PathElement.groupElement("flags"));

    /// A register that `cpuid` writes.
    public enum Register {
        /// Register `eax`.
        EAX("eax"),
        /// Register `ebx`.
        EBX("ebx"),
        /// Register `ecx`.
        ECX("ecx"),
        /// Register `edx`.
        EDX("edx");

        private final long offset;

        Register(String field) {
            offset = ENTRY.byteOffset(PathElement.groupElement(field));
        }
    }

    private final MemorySegment segment;

    /// @param allocator where the structure lives; it has room for 256 entries, all zeros, and counts them all
    public CpuidEntries(SegmentAllocator allocator) {
        segment = allocator
                .allocate(LAYOUT.byteSize() + MAXIMUM * ENTRY.byteSize(), LAYOUT.byteAlignment())
                .fill((byte) 0);
        segment.set(ValueLayout.JAVA_INT, 0, MAXIMUM);
    }

    /// @param allocator where the copy lives
    public CpuidEntries(SegmentAllocator allocator, CpuidEntries source) {
        this(allocator);
        segment.copyFrom(source.segment);
    }

    /// The bytes as KVM reads and writes them.
    public MemorySegment segment() {
        return segment;
    }

    /// Number of entries.
    public int count() {
        return Math.clamp(segment.get(ValueLayout.JAVA_INT, 0), 0, MAXIMUM);
    }

    private long entry(int i) {
        return LAYOUT.byteSize() + Objects.checkIndex(i, count()) * ENTRY.byteSize();
    }

    /// Leaf of entry `i`: what the guest has in `eax`.
    public int function(int i) {
        return segment.get(ValueLayout.JAVA_INT, entry(i));
    }

    /// Subleaf of entry `i`: what the guest has in `ecx`, for leaves that look at it.
    public int index(int i) {
        return segment.get(ValueLayout.JAVA_INT, entry(i) + INDEX);
    }

    /// What entry `i` answers in a register.
    public int get(int i, Register register) {
        return segment.get(ValueLayout.JAVA_INT, entry(i) + register.offset);
    }

    /// What entry `i` answers in a register.
    public void set(int i, Register register, int value) {
        segment.set(ValueLayout.JAVA_INT, entry(i) + register.offset, value);
    }

    /// Takes away all entries of a leaf.
    void remove(int function) {
        int kept = 0;
        int count = count();
        for (int i = 0; i < count; i++) {
            if (function(i) != function) {
                MemorySegment.copy(segment, entry(i), segment, entry(kept), ENTRY.byteSize());
                kept++;
            }
        }
        segment.set(ValueLayout.JAVA_INT, 0, kept);
    }

    /// Adds an entry for one subleaf of a leaf.
    void addSubleaf(int function, int index, int eax, int ebx, int ecx, int edx) {
        int i = count();
        if (i == MAXIMUM) {
            throw new IllegalStateException("KVM takes " + MAXIMUM + " cpuid entries and no more");
        }
        segment.set(ValueLayout.JAVA_INT, 0, i + 1);
        MemorySegment entry = segment.asSlice(entry(i), ENTRY).fill((byte) 0);
        entry.set(ValueLayout.JAVA_INT, 0, function);
        entry.set(ValueLayout.JAVA_INT, INDEX, index);
        entry.set(ValueLayout.JAVA_INT, FLAGS, KvmConstant.KVM_CPUID_FLAG_SIGNIFCANT_INDEX);
        set(i, Register.EAX, eax);
        set(i, Register.EBX, ebx);
        set(i, Register.ECX, ecx);
        set(i, Register.EDX, edx);
    }

    /// The entry that answers for a leaf and subleaf, or -1.
    public int find(int function, int index) {
        for (int i = 0; i < count(); i++) {
            boolean subleaves =
                    (segment.get(ValueLayout.JAVA_INT, entry(i) + FLAGS) & KvmConstant.KVM_CPUID_FLAG_SIGNIFCANT_INDEX)
                            != 0;
            if (function(i) == function && (!subleaves || index(i) == index)) {
                return i;
            }
        }
        return -1;
    }

    /// What a leaf and subleaf answer in a register; 0 for a leaf that is not there, as of KVM.
    public int answer(int function, int index, Register register) {
        int i = find(function, index);
        return i < 0 ? 0 : get(i, register);
    }
}
