// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.boot;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.vivarium.guestimages.SampleTrees;
import io.vivarium.guestimages.Tool;
import io.vivarium.guestimages.boot.BootParams.MemoryRange;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.HexFormat;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class BootParamsTest {
    private static final int LOW_MEMORY = 1 << 20;

    private static final List<MemoryRange> MEMORY_MAP = List.of(
            new MemoryRange(0, 0x9F000, BootParams.Type.RAM),
            new MemoryRange(0x9F000, 0x61000, BootParams.Type.RESERVED),
            new MemoryRange(0x100000, 0x1FF00000L, BootParams.Type.RAM),
            new MemoryRange(0x10_0000_0000L, 0x1234000, BootParams.Type.PERSISTENT));

    /// Reads guest memory from standard input as a kernel that was compiled with the real header does.
    private static final String KERNEL = """
            #include <asm/bootparam.h>
            #include <stdio.h>
            static unsigned char memory[1 << 20];
            int main(int argc, char **argv) {
                FILE *file = fopen(argv[argc - 1], "rb");
                if (!file || fread(memory, 1, sizeof memory, file) != sizeof memory) return 1;
                struct boot_params *p = (void *) (memory + 0x7000);
                printf("size %zu\\n", sizeof *p);
                printf("boot_flag %x header %.4s version %x loader %x loadflags %x sentinel %x\\n", p->hdr.boot_flag,
                       (char *) &p->hdr.header, p->hdr.version, p->hdr.type_of_loader, p->hdr.loadflags, p->sentinel);
                printf("command line of %u: '%s'\\n", p->hdr.cmdline_size, memory + p->hdr.cmd_line_ptr);
                printf("ramdisk %x %x, high %x %x %x\\n", p->hdr.ramdisk_image, p->hdr.ramdisk_size,
                       p->ext_ramdisk_image, p->ext_ramdisk_size, p->ext_cmd_line_ptr);
                for (int i = 0; i < p->e820_entries; i++)
                    printf("e820 %llx %llx %u\\n", (unsigned long long) p->e820_table[i].addr,
                           (unsigned long long) p->e820_table[i].size, p->e820_table[i].type);
                for (__u64 at = p->hdr.setup_data; at;) {
                    struct setup_data *data = (void *) (memory + at);
                    printf("setup_data %d ", data->type == SETUP_RNG_SEED ? SETUP_RNG_SEED : -1);
                    for (unsigned i = 0; i < data->len; i++) printf("%02x", data->data[i]);
                    printf("\\n");
                    at = data->next;
                }
            }
            """;

    @TempDir
    private Path temporary;

    @Test
    void aKernelCompiledWithTheRealHeaderUnderstandsIt() throws Exception {
        Tool gcc = Tool.required("gcc", "gcc");
        Path program = temporary.resolve("kernel");
        gcc.run("-Wall", "-Werror", "-o", program, Files.writeString(temporary.resolve("kernel.c"), KERNEL));
        byte[] memory = new byte[LOW_MEMORY];
        byte[] seed = SampleTrees.bytes(BootParams.SEED_BYTES);
        CommandLine line = CommandLine.empty().with("console", "hvc0").withVirtioMmio(0xD0000000L, 5);

        new BootParams(line, MEMORY_MAP).write(MemorySegment.ofArray(memory));
        BootParams.writeSeed(MemorySegment.ofArray(memory), seed);

        Path dump = Files.write(temporary.resolve("memory"), memory);
        assertThat(Tool.required("env", "coreutils").run(program, dump))
                .isEqualTo("""
                size 4096
                boot_flag aa55 header HdrS version 20f loader ff loadflags 1 sentinel 0
                command line of 50: 'console=hvc0 virtio_mmio.device=4K@0xd0000000:5'
                ramdisk 0 0, high 0 0 0
                e820 0 9f000 1
                e820 9f000 61000 2
                e820 100000 1ff00000 1
                e820 1000000000 1234000 7
                setup_data 9 %s
                """.replace("of 50", "of " + line.toString().length())
                        .formatted(HexFormat.of().formatHex(seed)));
    }

    @Test
    void writesNothingElse() {
        MemorySegment memory = MemorySegment.ofArray(new byte[LOW_MEMORY]);

        new BootParams(CommandLine.empty().with("quiet"), MEMORY_MAP).write(memory);
        BootParams.writeSeed(memory, SampleTrees.bytes(BootParams.SEED_BYTES));

        memory.asSlice(0x7000, 0x1000).fill((byte) 0);
        memory.asSlice(0x20000, 0x2000).fill((byte) 0);
        assertThat(memory.mismatch(MemorySegment.ofArray(new byte[LOW_MEMORY]))).isEqualTo(-1);
    }

    @Test
    void takes128RangesAndNoMore() {
        MemoryRange range = new MemoryRange(0, 4096, BootParams.Type.RAM);
        MemorySegment memory = MemorySegment.ofArray(new byte[LOW_MEMORY]);

        new BootParams(CommandLine.empty(), Collections.nCopies(128, range)).write(memory);

        assertThat(memory.get(ValueLayout.JAVA_BYTE, 0x71E8)).isEqualTo((byte) 128);
        assertThatThrownBy(() -> new BootParams(CommandLine.empty(), Collections.nCopies(129, range)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("129 ranges of memory, more than 128");
    }

    @Test
    void refusesWhatIsNoRangeAndNoSeed() {
        for (long[] bad : new long[][] {{-1, 1}, {0, 0}, {0, -1}, {Long.MAX_VALUE, 1}}) {
            assertThatThrownBy(() -> new MemoryRange(bad[0], bad[1], BootParams.Type.RAM))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("no range of memory: " + bad[1] + " bytes at " + bad[0]);
        }
        assertThatThrownBy(() -> BootParams.writeSeed(MemorySegment.ofArray(new byte[LOW_MEMORY]), new byte[31]))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("a seed has 32 bytes, not 31");
    }
}
