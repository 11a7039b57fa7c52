// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import static org.assertj.core.api.Assertions.assertThat;

import io.vivarium.kvm.testing.DeprivilegingKvmOnly;
import io.vivarium.kvm.testing.EnabledIfKvm;
import io.vivarium.kvm.testing.NativeKvmOnly;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/// A program that goes for the kernel's pages, and one that leaves the kernel with what the processor refuses.
@Tag("machine")
@Tag("smoke")
@EnabledIfKvm
@Timeout(120)
class KernelPagesTest {
    private static final String TRESPASS = """
            #include <signal.h>
            #include <stdio.h>
            #include <stdlib.h>
            #include <string.h>
            int main(int argc, char **argv)
            {
                unsigned long address = strtoul(argv[2], 0, 16);
                switch (argv[1][0]) {
                case 'r':
                    printf("read %d\\n", *(volatile unsigned char *)address);
                    break;
                case 'w':
                    *(volatile unsigned char *)address = 0x90;
                    puts("wrote");
                    break;
                case 'j':
                    ((void (*)(void))address)();
                    puts("came back");
                    break;
                case 'a': /* with AC set, which opens a program's memory to a kernel that has SMAP */
                    __asm__ volatile("pushfq; orl $0x40000, (%rsp); popfq");
                    *(volatile unsigned char *)address = 0x90;
                    break;
                case 'h':
                    signal(SIGUSR1, (void (*)(int))address);
                    raise(SIGUSR1);
                    puts("handled");
                    break;
                }
                return 0;
            }
            """;

    private static Image image;

    @BeforeAll
    static void compile(@TempDir Path root) throws IOException, InterruptedException {
        Files.createDirectories(root.resolve("bin"));
        StaticProgram.compile(TRESPASS, root.resolve("bin/trespass"));
        image = Image.directory(root);
    }

    @AfterAll
    static void close() {
        image.close();
    }

    private static Stream<Arguments> trespasses() {
        // The kernel's text, constants, data; the same memory, other memory, and a device window, in its map of
        // everything.
        List<String> places = List.of(
                "ffffffff80200000",
                "ffffffff80400000",
                "ffffffff80600000",
                "ffff888000200000",
                "ffff888000600000",
                "ffff888001000000",
                "ffff8880d0000000");
        return Stream.of("read", "write", "jump", "ac")
                .flatMap(how -> places.stream().map(place -> Arguments.of(how, place)));
    }

    @ParameterizedTest
    @MethodSource("trespasses")
    @NativeKvmOnly("de-privileged, the kernel shares CPL 3 and its page tables with the program")
    void theKernelsPagesAreClosed(String how, String place) {
        try (Sandbox sandbox = Sandbox.launch(image)) {
            ExecResult result = sandbox.exec("/bin/trespass", how, place);
            assertThat(result.stdout()).hasToString("");
            assertThat(result.termination()).isInstanceOfSatisfying(Termination.Killed.class, killed -> {
                assertThat(killed.signalName()).isEqualTo("SIGSEGV");
                assertThat(killed.address()).isEqualTo(Long.parseUnsignedLong(place, 16));
            });
            // The kernel is what it was.
            assertThat(sandbox.exec("/bin/trespass", "nothing", "0").exitCode()).isZero();
        }
    }

    @Test
    @DeprivilegingKvmOnly("a native host's kernel is closed: see theKernelsPagesAreClosed")
    void aProgramThatBreaksTheKernelBreaksItsOwnSandboxOnly() {
        try (Sandbox other = Sandbox.launch(image)) {
            try (Sandbox sandbox = Sandbox.launch(image)) {
                // What a program may see there is its own machine: nothing of the host or of another sandbox.
                assertThat(sandbox.exec("/bin/trespass", "read", "ffffffff80200000")
                                .exitCode())
                        .isZero();
            }
            assertThat(other.exec("/bin/trespass", "nothing", "0").exitCode()).isZero();
        }
    }

    /// `iretq` raises #GP in the kernel for it; it is the program's fault all the same.
    @ParameterizedTest
    @MethodSource("handlers")
    void aSignalHandlerWhereNothingCanRunEndsTheProgram(String address) {
        try (Sandbox sandbox = Sandbox.launch(image)) {
            ExecResult result = sandbox.exec("/bin/trespass", "handler", address);
            assertThat(result.stdout()).hasToString("");
            assertThat(result.termination())
                    .isInstanceOfSatisfying(Termination.Killed.class, killed -> assertThat(killed.signalName())
                            .isEqualTo("SIGSEGV"));
            assertThat(sandbox.exec("/bin/trespass", "nothing", "0").exitCode()).isZero();
        }
    }

    private static Stream<String> handlers() {
        return Stream.of("800000000000", "dead000000000000", "1000");
    }
}
