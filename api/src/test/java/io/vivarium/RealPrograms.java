// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;

/// The root file system of the machine tests: busybox, C programs of ours, and some files. Made once.
final class RealPrograms {
    /// Where it is on the host.
    static final Path ROOT = create();

    /// The image of it.
    static final Image IMAGE = Image.directory(ROOT);

    private static final String CHATTER = """
            #include <stdio.h>
            #include <stdlib.h>
            int main(int argc, char **argv)
            {
                long bytes = atol(argv[1]);
                static unsigned char block[65536];
                unsigned int x = 1;
                while (bytes > 0) {
                    for (int i = 0; i < 65536; i++) {
                        x = x * 1103515245 + 12345;
                        block[i] = x >> 16;
                    }
                    long part = bytes < 65536 ? bytes : 65536;
                    if (fwrite(block, 1, part, stdout) != part)
                        return 1;
                    bytes -= part;
                }
                return fflush(stdout);
            }
            """;

    private static final String ENDLESS = """
            int main(void)
            {
                for (volatile unsigned long i = 0;; i++)
                    ;
            }
            """;

    private static final String CRASH = """
            #include <signal.h>
            #include <stdlib.h>
            int main(int argc, char **argv)
            {
                if (argc > 1)
                    abort();
                *(volatile int *)0x123000 = 1;
                return 0;
            }
            """;

    private static final String HOG = """
            #include <stdio.h>
            #include <string.h>
            #include <sys/mman.h>
            int main(void)
            {
                for (long i = 0;; i++) {
                    char *p = mmap(0, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
                    if (p == MAP_FAILED) {
                        perror("mmap");
                        return 7;
                    }
                    memset(p, 1, 1 << 20);
                }
            }
            """;

    private static final String FORK = """
            #include <stdio.h>
            #include <sys/wait.h>
            #include <unistd.h>
            int main(void)
            {
                pid_t child = fork();
                if (child < 0) {
                    perror("fork");
                    return 9;
                }
                if (child == 0)
                    _exit(5);
                int status;
                waitpid(child, &status, 0);
                printf("child ended with %d\\n", WEXITSTATUS(status));
                return 0;
            }
            """;

    private static final String UNKNOWN_CALL = """
            #include <stdio.h>
            #include <unistd.h>
            int main(void)
            {
                for (int i = 0; i < 3; i++)
                    if (syscall(425, 1, 0) >= 0) /* io_uring_setup */
                        return 1;
                perror("io_uring_setup");
                return 0;
            }
            """;

    private RealPrograms() {}

    private static Path create() {
        try {
            Path root = Files.createTempDirectory("vivarium-test-root-");
            // The guest's / is for all its users.
            Files.setPosixFilePermissions(root, PosixFilePermissions.fromString("rwxr-xr-x"));
            Runtime.getRuntime().addShutdownHook(new Thread(() -> delete(root)));
            Path bin = Files.createDirectories(root.resolve("bin"));
            Files.copy(Path.of("/bin/busybox"), bin.resolve("busybox"));
            StaticProgram.compile(CHATTER, bin.resolve("chatter"));
            StaticProgram.compile(ENDLESS, bin.resolve("endless"));
            StaticProgram.compile(CRASH, bin.resolve("crash"));
            StaticProgram.compile(HOG, bin.resolve("hog"));
            StaticProgram.compile(FORK, bin.resolve("forks"));
            StaticProgram.compile(UNKNOWN_CALL, bin.resolve("uring"));
            writeData(Files.createDirectories(root.resolve("data")));
            writeBadPrograms(Files.createDirectories(root.resolve("bad")));
            return root;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException(e);
        }
    }

    private static void writeData(Path data) throws IOException {
        byte[] random = new byte[300_000];
        new Random(1).nextBytes(random);
        Files.write(data.resolve("random"), random);
        StringBuilder words = new StringBuilder();
        Random order = new Random(2);
        for (int i = 0; i < 2000; i++) {
            words.append(order.nextInt(100_000)).append(" word").append(i % 17).append('\n');
        }
        Files.writeString(data.resolve("words"), words);
        Files.createDirectories(data.resolve("deep/er"));
        Files.writeString(data.resolve("deep/er/file"), "x");
        Files.createSymbolicLink(data.resolve("link"), Path.of("deep/er/file"));
    }

    private static void writeBadPrograms(Path bad) throws IOException {
        byte[] good = Files.readAllBytes(Path.of("/bin/busybox"));
        writeProgram(bad.resolve("text"), "just text\n".getBytes(StandardCharsets.UTF_8));
        writeProgram(bad.resolve("empty"), new byte[0]);
        writeProgram(bad.resolve("header-only"), Arrays.copyOf(good, 40));
        writeProgram(bad.resolve("truncated"), Arrays.copyOf(good, 100_000));
        writeProgram(bad.resolve("arm"), changed(good, 18, 183, 2)); // e_machine: EM_AARCH64
        writeProgram(bad.resolve("low"), changedSegments(good, 16, 0L)); // p_vaddr 0
        writeProgram(bad.resolve("kernel"), changedSegments(good, 16, 0xffff_ffff_8020_0000L));
        writeProgram(bad.resolve("huge"), changedSegments(good, 40, 1L << 46)); // p_memsz
        Files.write(bad.resolve("not-executable"), good);
    }

    private static void writeProgram(Path file, byte[] bytes) throws IOException {
        Files.write(file, bytes);
        if (!file.toFile().setExecutable(true)) {
            throw new IOException(file.toString());
        }
    }

    private static byte[] changed(byte[] elf, int at, long value, int size) {
        byte[] copy = elf.clone();
        for (int i = 0; i < size; i++) {
            copy[at + i] = (byte) (value >>> (8 * i));
        }
        return copy;
    }

    /// Changes one 64-bit field of every PT_LOAD.
    private static byte[] changedSegments(byte[] elf, int field, long value) {
        byte[] copy = elf.clone();
        ByteBuffer view = ByteBuffer.wrap(copy).order(ByteOrder.LITTLE_ENDIAN);
        int table = (int) view.getLong(32);
        for (int i = 0; i < view.getShort(56); i++) {
            if (view.getInt(table + i * 56) == 1) {
                view.putLong(table + i * 56 + field, value);
            }
        }
        return copy;
    }

    private static void delete(Path root) {
        try (Stream<Path> walk = Files.walk(root)) {
            List<Path> all = walk.sorted(Comparator.reverseOrder()).toList();
            for (Path each : all) {
                Files.delete(each);
            }
        } catch (IOException e) {
            System.err.println("left behind: " + e);
        }
    }
}
