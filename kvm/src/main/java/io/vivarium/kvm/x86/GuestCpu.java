// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm.x86;

import io.vivarium.kvm.Kvm;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/// What programs of a guest find out about the CPU, as they find it out: with `cpuid` and `rdtsc` at CPL 3. What KVM
/// was told to have `cpuid` answer is not it, where that instruction does not leave the guest.
///
/// Of two CPUs with the [same features][#missingOn], either can go on with a guest that started on the other one.
public final class GuestCpu {
    // Intel SDM 2A, CPUID; AMD APM 3, appendix E
    private static final int MAX_LEAF = 0;
    private static final int XSTATE = 0xd;
    private static final int MAX_EXTENDED_LEAF = 0x8000_0000;

    /// Components of the `xsave` area that have a subleaf: from 2, as far as XCR0 reaches today.
    private static final int FIRST_COMPONENT = 2;

    private static final int LAST_COMPONENT = 19;

    private static final int OSXSAVE = 1 << 27;
    private static final int OSPKE = 1 << 4;

    private static final int EAX = 0;
    private static final int EBX = 1;
    private static final int ECX = 2;
    private static final int EDX = 3;
    private static final String[] REGISTERS = {"eax", "ebx", "ecx", "edx"};

    /// Registers of which each bit is something that the CPU can do.
    private static final List<Word> FEATURES = List.of(
            // Both bits repeat what a kernel has set in CR4.
            new Word(1, 0, ECX, ~OSXSAVE),
            new Word(1, 0, EDX, -1),
            new Word(7, 0, EBX, -1),
            new Word(7, 0, ECX, ~OSPKE),
            new Word(7, 0, EDX, -1),
            new Word(7, 1, EAX, -1),
            new Word(7, 1, EDX, -1),
            new Word(7, 2, EDX, -1),
            new Word(XSTATE, 0, EAX, -1),
            new Word(XSTATE, 0, EDX, -1),
            new Word(XSTATE, 1, EAX, -1),
            new Word(0x8000_0001, 0, ECX, -1),
            new Word(0x8000_0001, 0, EDX, -1),
            new Word(0x8000_0008, 0, EBX, -1),
            new Word(0x8000_0021, 0, EAX, -1));

    private static final List<Leaf> LEAVES = leaves();

    /// ```
    ///    rdtsc
    ///    mov %eax, (%rdi)
    ///    mov %edx, 4(%rdi)
    /// 1: mov 8(%rdi), %eax
    ///    mov 12(%rdi), %ecx
    ///    cpuid
    ///    mov %eax, 8(%rdi)
    ///    mov %ebx, 12(%rdi)
    ///    mov %ecx, 16(%rdi)
    ///    mov %edx, 20(%rdi)
    ///    add $16, %rdi
    ///    cmpl $-1, 8(%rdi)
    ///    jne 1b
    ///    syscall
    /// ```
    private static final byte[] CODE = bytes(
            0x0f, 0x31, 0x89, 0x07, 0x89, 0x57, 0x04, //
            0x8b, 0x47, 0x08, 0x8b, 0x4f, 0x0c, 0x0f, 0xa2, //
            0x89, 0x47, 0x08, 0x89, 0x5f, 0x0c, 0x89, 0x4f, 0x10, 0x89, 0x57, 0x14, //
            0x48, 0x83, 0xc7, 0x10, 0x83, 0x7f, 0x08, 0xff, 0x75, 0xe2, 0x0f, 0x05);

    private static final int END = -1;
    private static final int ANSWER_BYTES = 16;

    /// A register of a leaf, and its bits that count.
    private record Word(int function, int index, int register, int mask) {}

    /// What `eax` and `ecx` are before `cpuid`.
    private record Leaf(int function, int index) {
        @Override
        public String toString() {
            return "0x%x/%d".formatted(function, index);
        }
    }

    /// Four for each of [#LEAVES].
    private final int[] answers;

    private final long timeStampCounter;

    private GuestCpu(int[] answers, long timeStampCounter) {
        this.answers = answers;
        this.timeStampCounter = timeStampCounter;
    }

    private static List<Leaf> leaves() {
        List<Leaf> leaves = new ArrayList<>();
        leaves.add(new Leaf(MAX_LEAF, 0));
        leaves.add(new Leaf(MAX_EXTENDED_LEAF, 0));
        for (Word word : FEATURES) {
            Leaf leaf = new Leaf(word.function, word.index);
            if (!leaves.contains(leaf)) {
                leaves.add(leaf);
            }
        }
        for (int component = FIRST_COMPONENT; component <= LAST_COMPONENT; component++) {
            leaves.add(new Leaf(XSTATE, component));
        }
        return List.copyOf(leaves);
    }

    private static byte[] bytes(int... values) {
        byte[] bytes = new byte[values.length];
        for (int i = 0; i < values.length; i++) {
            bytes[i] = (byte) values[i];
        }
        return bytes;
    }

    /// Has a guest look at it, in a machine of its own.
    ///
    /// @throws IllegalStateException if it did not get that far
    public static GuestCpu of(Kvm kvm) {
        try (UserCode code = new UserCode(kvm, CODE)) {
            MemorySegment data = code.data();
            for (int i = 0; i < LEAVES.size(); i++) {
                long at = Long.BYTES + (long) i * ANSWER_BYTES;
                data.set(ValueLayout.JAVA_INT, at, LEAVES.get(i).function);
                data.set(ValueLayout.JAVA_INT, at + Integer.BYTES, LEAVES.get(i).index);
            }
            data.set(ValueLayout.JAVA_INT, Long.BYTES + (long) LEAVES.size() * ANSWER_BYTES, END);
            code.run();
            int[] answers = data.asSlice(Long.BYTES, (long) LEAVES.size() * ANSWER_BYTES)
                    .toArray(ValueLayout.JAVA_INT);
            clearMissing(answers);
            return new GuestCpu(answers, data.get(ValueLayout.JAVA_LONG, 0));
        }
    }

    /// A leaf beyond the last answers with something else's content (Intel SDM 2A, CPUID).
    private static void clearMissing(int[] answers) {
        int last = answers[EAX];
        int lastExtended = answers[ANSWER_BYTES / Integer.BYTES];
        for (int i = 0; i < LEAVES.size(); i++) {
            int function = LEAVES.get(i).function;
            int max = function < 0 ? lastExtended : last;
            if (Integer.compareUnsigned(function, max) > 0) {
                Arrays.fill(answers, i * REGISTERS.length, (i + 1) * REGISTERS.length, 0);
            }
        }
    }

    private int answer(int function, int index, int register) {
        return answers[LEAVES.indexOf(new Leaf(function, index)) * REGISTERS.length + register];
    }

    /// Who made it, as `GenuineIntel` or `AuthenticAMD`.
    public String vendor() {
        ByteBuffer name = ByteBuffer.allocate(3 * Integer.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        name.putInt(answer(MAX_LEAF, 0, EBX));
        name.putInt(answer(MAX_LEAF, 0, EDX));
        name.putInt(answer(MAX_LEAF, 0, ECX));
        return new String(name.array(), StandardCharsets.ISO_8859_1);
    }

    /// What the guest read from its time-stamp counter.
    public long timeStampCounter() {
        return timeStampCounter;
    }

    /// What a program that counts on this CPU does not find on another.
    ///
    /// @return a description of each; empty if it finds everything
    public List<String> missingOn(GuestCpu other) {
        List<String> missing = new ArrayList<>();
        if (!vendor().equals(other.vendor())) {
            missing.add("a CPU of %s, not of %s".formatted(vendor(), other.vendor()));
        }
        for (Word word : FEATURES) {
            int absent = answer(word.function, word.index, word.register)
                    & ~other.answer(word.function, word.index, word.register)
                    & word.mask;
            while (absent != 0) {
                missing.add("cpuid %s %s bit %d"
                        .formatted(
                                new Leaf(word.function, word.index),
                                REGISTERS[word.register],
                                Integer.numberOfTrailingZeros(absent)));
                absent &= absent - 1;
            }
        }
        for (int component = FIRST_COMPONENT; component <= LAST_COMPONENT; component++) {
            boolean used = (answer(XSTATE, 0, EAX) & 1 << component) != 0;
            if (used && !sameArea(other, component)) {
                missing.add(
                        "component %d of the xsave area at %d".formatted(component, answer(XSTATE, component, EBX)));
            }
        }
        return missing;
    }

    private boolean sameArea(GuestCpu other, int component) {
        return answer(XSTATE, component, EAX) == other.answer(XSTATE, component, EAX)
                && answer(XSTATE, component, EBX) == other.answer(XSTATE, component, EBX);
    }

    /// All of it, for [#ofBytes].
    public byte[] toBytes() {
        ByteBuffer bytes = ByteBuffer.allocate(Long.BYTES + answers.length * Integer.BYTES)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(timeStampCounter);
        for (int answer : answers) {
            bytes.putInt(answer);
        }
        return bytes.array();
    }

    /// What [#toBytes] has given.
    ///
    /// @throws IllegalArgumentException if it cannot have
    public static GuestCpu ofBytes(byte[] bytes) {
        int[] answers = new int[LEAVES.size() * REGISTERS.length];
        if (bytes.length != Long.BYTES + answers.length * Integer.BYTES) {
            throw new IllegalArgumentException("%d bytes of cpuid".formatted(bytes.length));
        }
        ByteBuffer buffer = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        long timeStampCounter = buffer.getLong();
        for (int i = 0; i < answers.length; i++) {
            answers[i] = buffer.getInt();
        }
        return new GuestCpu(answers, timeStampCounter);
    }
}
