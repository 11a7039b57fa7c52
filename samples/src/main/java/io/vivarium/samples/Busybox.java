// SPDX-License-Identifier: Apache-2.0
package io.vivarium.samples;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;

/// A root file system of nothing but the host's busybox, which has to be a static program: there are no libraries.
public final class Busybox {
    private static final Path PROGRAM = Path.of("/bin/busybox");

    // System V ABI, chapters 4 and 5; linux/elf.h
    private static final int ELF_MAGIC = 0x464c457f;
    private static final int PROGRAM_HEADERS = 32;
    private static final int PROGRAM_HEADER_SIZE = 54;
    private static final int PROGRAM_HEADER_COUNT = 56;
    private static final int ELF_HEADER_BYTES = 64;
    private static final int PT_INTERP = 3;

    private Busybox() {}

    /// Whether the host has one that runs by itself.
    public static boolean isThere() {
        try (FileChannel file = FileChannel.open(PROGRAM)) {
            ByteBuffer header = read(file, 0, ELF_HEADER_BYTES);
            if (header.getInt(0) != ELF_MAGIC) {
                return false;
            }
            int size = Short.toUnsignedInt(header.getShort(PROGRAM_HEADER_SIZE));
            int count = Short.toUnsignedInt(header.getShort(PROGRAM_HEADER_COUNT));
            ByteBuffer table = read(file, header.getLong(PROGRAM_HEADERS), size * count);
            for (int i = 0; i < count; i++) {
                if (table.getInt(i * size) == PT_INTERP) {
                    return false;
                }
            }
            return true;
        } catch (IOException | IndexOutOfBoundsException e) {
            return false;
        }
    }

    private static ByteBuffer read(FileChannel file, long position, int length) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(length).order(ByteOrder.LITTLE_ENDIAN);
        while (bytes.hasRemaining() && file.read(bytes, position + bytes.position()) > 0) {}
        return bytes;
    }

    /// Makes the root file system: `/bin/busybox` and a link to it for each program that it can be.
    ///
    /// @param root an empty directory
    public static void install(Path root) throws IOException, InterruptedException {
        Path bin = Files.createDirectories(root.resolve("bin"));
        Files.copy(PROGRAM, bin.resolve("busybox"));
        Process list = new ProcessBuilder(List.of(PROGRAM.toString(), "--list")).start();
        try (InputStream out = list.getInputStream()) {
            for (String applet : new String(out.readAllBytes(), StandardCharsets.UTF_8).split("\n", -1)) {
                if (!applet.isBlank() && !applet.equals("busybox")) {
                    Files.createSymbolicLink(bin.resolve(applet), Path.of("busybox"));
                }
            }
        }
        list.waitFor(10, TimeUnit.SECONDS);
    }
}
