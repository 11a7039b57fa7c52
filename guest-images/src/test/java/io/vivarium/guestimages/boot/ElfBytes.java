// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.boot;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/// Makes small kernels in ELF form, right ones and wrong ones.
final class ElfBytes {
    static final int HEADER_SIZE = 64;
    static final int PROGRAM_HEADER_SIZE = 56;

    private ElfBytes() {}

    /// Two segments: 16 bytes at 1 MiB that take 4096, and 8 bytes at 2 MiB; entered at 1 MiB + 4. The program
    /// headers follow the header, the data follows them.
    static ByteBuffer kernel() {
        ByteBuffer elf =
                ByteBuffer.allocate(HEADER_SIZE + 2 * PROGRAM_HEADER_SIZE + 24).order(ByteOrder.LITTLE_ENDIAN);
        elf.put(new byte[] {0x7F, 'E', 'L', 'F', 2, 1, 1, 0})
                .putLong(0)
                .putShort((short) 2) // ET_EXEC
                .putShort((short) 62) // EM_X86_64
                .putInt(1)
                .putLong(0x100004) // e_entry
                .putLong(HEADER_SIZE) // e_phoff
                .putLong(0)
                .putInt(0)
                .putShort((short) HEADER_SIZE)
                .putShort((short) PROGRAM_HEADER_SIZE)
                .putShort((short) 2) // e_phnum
                .putShort((short) 0)
                .putShort((short) 0)
                .putShort((short) 0);
        int data = HEADER_SIZE + 2 * PROGRAM_HEADER_SIZE;
        segment(elf, data, 0x100000, 16, 4096);
        segment(elf, data + 16, 0x200000, 8, 8);
        for (int i = 0; i < 24; i++) {
            elf.put((byte) (i + 1));
        }
        return elf.clear();
    }

    private static void segment(ByteBuffer elf, long offset, long address, long fileSize, long memorySize) {
        elf.putInt(1) // PT_LOAD
                .putInt(5)
                .putLong(offset)
                .putLong(0xFFFF_FFFF_8000_0000L + address) // p_vaddr: kernels of the higher half
                .putLong(address)
                .putLong(fileSize)
                .putLong(memorySize)
                .putLong(4096);
    }
}
