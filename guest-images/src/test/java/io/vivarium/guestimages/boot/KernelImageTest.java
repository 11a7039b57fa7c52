// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.boot;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import io.vivarium.guestimages.ImageException;
import io.vivarium.guestimages.Tool;
import io.vivarium.guestimages.boot.KernelImage.Segment;
import java.io.InputStream;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class KernelImageTest {
    @TempDir
    private Path temporary;

    @Test
    void loadsSegmentsWhereTheyBelong() throws Exception {
        KernelImage kernel = KernelImage.parse(MemorySegment.ofBuffer(ElfBytes.kernel()));
        MemorySegment memory = MemorySegment.ofArray(new byte[0x200008]);

        kernel.load(memory);

        assertThat(kernel.entry()).isEqualTo(0x100004);
        assertThat(kernel.end()).isEqualTo(0x200008);
        byte[] first = new byte[4096];
        for (int i = 0; i < 16; i++) {
            first[i] = (byte) (i + 1);
        }
        assertThat(memory.asSlice(0x100000, 4096).toArray(ValueLayout.JAVA_BYTE))
                .isEqualTo(first);
        assertThat(memory.asSlice(0x200000, 8).toArray(ValueLayout.JAVA_BYTE))
                .containsExactly(17, 18, 19, 20, 21, 22, 23, 24);
        assertThat(memory.asSlice(0, 0x100000).mismatch(MemorySegment.ofArray(new byte[0x100000])))
                .isEqualTo(-1);
    }

    @Test
    void refusesMemoryThatIsTooSmall() throws Exception {
        KernelImage kernel = KernelImage.parse(MemorySegment.ofBuffer(ElfBytes.kernel()));

        assertThatThrownBy(() -> kernel.load(MemorySegment.ofArray(new byte[0x200007])))
                .isInstanceOf(ImageException.class)
                .hasMessage("kernel: needs 2097160 bytes of memory, there are 2097159");
    }

    @Test
    void seesWhatReadelfSees() throws Exception {
        Tool gcc = Tool.required("gcc", "gcc");
        Tool readelf = Tool.required("readelf", "binutils");
        Path source = Files.writeString(temporary.resolve("kernel.c"), """
                char zeros[70000];
                int data[] = {1, 2, 3};
                void _start(void) { for (;;) zeros[data[1]]++; }
                """);
        Path elf = temporary.resolve("kernel.elf");
        gcc.run(
                "-O1",
                "-ffreestanding",
                "-nostdlib",
                "-static",
                "-no-pie",
                "-Wl,-Ttext-segment=0x400000",
                "-o",
                elf,
                source);

        assertMatchesReadelf(readelf, elf, KernelImage.parse(MemorySegment.ofArray(Files.readAllBytes(elf))));
    }

    @Test
    void substrateIsAKernel() throws Exception {
        Tool readelf = Tool.required("readelf", "binutils");
        Path elf = temporary.resolve("substrate.elf");
        try (InputStream in = Substrate.class.getResourceAsStream("/io/vivarium/guestimages/substrate.elf")) {
            Files.copy(Objects.requireNonNull(in), elf);
        }

        assertMatchesReadelf(readelf, elf, Substrate.kernel());
    }

    private static void assertMatchesReadelf(Tool readelf, Path elf, KernelImage kernel) throws Exception {
        String output = readelf.run("-hlW", elf);
        Matcher entry =
                Pattern.compile("Entry point address: +0x(\\p{XDigit}+)").matcher(output);
        assertThat(entry.find()).isTrue();
        assertThat(kernel.entry()).isEqualTo(Long.parseLong(entry.group(1), 16));
        Matcher loads = Pattern.compile("LOAD +0x(\\w+) 0x\\w+ 0x(\\w+) 0x(\\w+) 0x(\\w+)")
                .matcher(output);
        byte[] file = Files.readAllBytes(elf);
        List<String> expected = new ArrayList<>();
        while (loads.find()) {
            int offset = Integer.parseInt(loads.group(1), 16);
            int size = Integer.parseInt(loads.group(3), 16);
            expected.add("%x %x %d"
                    .formatted(
                            Long.parseLong(loads.group(2), 16),
                            Long.parseLong(loads.group(4), 16),
                            Arrays.hashCode(Arrays.copyOfRange(file, offset, offset + size))));
        }
        List<String> actual = new ArrayList<>();
        for (Segment segment : kernel.segments()) {
            actual.add("%x %x %d"
                    .formatted(
                            segment.address(),
                            segment.memorySize(),
                            Arrays.hashCode(segment.bytes().toArray(ValueLayout.JAVA_BYTE))));
        }
        assertThat(actual).isNotEmpty().isEqualTo(expected);
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource
    void refuses(String description, Consumer<ByteBuffer> damage, String reason) {
        ByteBuffer elf = ElfBytes.kernel().order(ByteOrder.LITTLE_ENDIAN);
        damage.accept(elf);

        assertThatThrownBy(() -> KernelImage.parse(MemorySegment.ofBuffer(elf)))
                .isInstanceOf(ImageException.class)
                .hasMessage("kernel: " + reason);
    }

    static Stream<Arguments> refuses() {
        int first = ElfBytes.HEADER_SIZE;
        int second = first + ElfBytes.PROGRAM_HEADER_SIZE;
        return Stream.of(
                bad("empty", b -> b.limit(0), "not an ELF file"),
                bad("shorter than a header", b -> b.limit(63), "not an ELF file"),
                bad("a script", b -> b.put(0, (byte) '#'), "not an ELF file"),
                bad("32 bits", b -> b.put(4, (byte) 1), "not for x86-64 (machine 62)"),
                bad("big-endian", b -> b.put(5, (byte) 2), "not for x86-64 (machine 62)"),
                bad("arm64", b -> b.putShort(18, (short) 183), "not for x86-64 (machine 183)"),
                bad("shared object", b -> b.putShort(16, (short) 3), "not an ELF executable (type 3)"),
                bad("no program headers", b -> b.putShort(56, (short) 0), "0 program headers of 56 bytes"),
                bad("too many program headers", b -> b.putShort(56, (short) -1), "65535 program headers of 56 bytes"),
                bad("odd program headers", b -> b.putShort(54, (short) 32), "2 program headers of 32 bytes"),
                bad("cut in the program headers", b -> b.limit(175), "truncated before its program headers"),
                bad(
                        "program headers outside",
                        b -> b.putLong(32, Long.MAX_VALUE),
                        "truncated before its program headers"),
                bad("program headers before the file", b -> b.putLong(32, -1), "truncated before its program headers"),
                bad("cut in a segment", b -> b.limit(199), "truncated in the segment at 0x200000"),
                bad(
                        "segment outside",
                        b -> b.putLong(first + 8, Long.MAX_VALUE),
                        "truncated in the segment at 0x100000"),
                bad("segment before the file", b -> b.putLong(first + 8, -8), "truncated in the segment at 0x100000"),
                bad("segment of negative size", b -> b.putLong(first + 32, -1), "truncated in the segment at 0x100000"),
                bad(
                        "less memory than file",
                        b -> b.putLong(first + 40, 15),
                        "a segment of 15 bytes at 0x100000 does not fit"),
                bad(
                        "enormous memory",
                        b -> b.putLong(first + 40, -1),
                        "a segment of 18446744073709551615 bytes at 0x100000 does not fit"),
                bad(
                        "beyond all addresses",
                        b -> b.putLong(first + 24, Long.MAX_VALUE),
                        "a segment of 4096 bytes at 0x7fffffffffffffff does not fit"),
                bad(
                        "over the boot parameters",
                        b -> b.putLong(first + 24, 0xFFFFF),
                        "a segment of 4096 bytes at 0xfffff does not fit"),
                bad("overlap", b -> b.putLong(second + 24, 0x100FFF), "segments overlap at 0x100fff"),
                bad("nothing to load", b -> b.putInt(first, 4).putInt(second, 4), "no loadable segment"),
                bad("entry outside", b -> b.putLong(24, 0x101000), "the entry point 0x101000 is in no segment"));
    }

    private static Arguments bad(String description, Consumer<ByteBuffer> damage, String reason) {
        return arguments(description, damage, reason);
    }
}
