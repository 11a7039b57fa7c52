// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.vivarium.kvm.testing.Effort;
import io.vivarium.kvm.testing.EnabledIfKvm;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Sandboxes that live are saved and branched at any moment, and go on, all of them.
@Tag("machine")
@EnabledIfKvm
@Timeout(300)
class BranchTest {
    private static final Memory MEMORY = Memory.mebibytes(64);

    /// Threads that move amounts between accounts under locks, talk through pipes, use vector
    /// registers and floating point, and signal each other; and one that checks all the time that
    /// nothing was lost, and writes to a file how often it has. Ends with a message in that file if
    /// something was.
    private static final String BUSY = """
            #include <fcntl.h>
            #include <pthread.h>
            #include <signal.h>
            #include <stdio.h>
            #include <stdlib.h>
            #include <string.h>
            #include <sys/mman.h>
            #include <unistd.h>
            enum { ACCOUNTS = 64, EACH = 1000, THREADS = 4 };
            static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
            static pthread_cond_t moved = PTHREAD_COND_INITIALIZER;
            static long account[ACCOUNTS];
            static volatile long moves, echoes;
            static volatile sig_atomic_t signals;
            static int to[2], from[2];
            static void say(const char *what, long number)
            {
                char line[100];
                int n = snprintf(line, sizeof(line), "%s %ld\\n", what, number);
                int fd = open("/progress.new", O_WRONLY | O_CREAT | O_TRUNC, 0644);
                if (fd < 0 || write(fd, line, n) != n || close(fd) || rename("/progress.new", "/progress"))
                    _exit(3);
            }
            static void fail(const char *what, long number)
            {
                pthread_mutex_trylock(&lock);
                say(what, number);
                _exit(2);
            }
            static void on_signal(int number)
            {
                signals++;
                (void)number;
            }
            static void *mover(void *argument)
            {
                unsigned seed = (unsigned)(long)argument;
                for (;;) {
                    seed = seed * 1103515245 + 12345;
                    int a = seed >> 16 & 63, b = seed >> 22 & 63;
                    double share = (double)(seed & 255) / 256;
                    pthread_mutex_lock(&lock);
                    long amount = (long)(account[a] * share);
                    account[a] -= amount;
                    account[b] += amount;
                    moves++;
                    pthread_cond_signal(&moved);
                    pthread_mutex_unlock(&lock);
                }
                return NULL;
            }
            static void *echo(void *argument)
            {
                char byte;
                while (read(to[0], &byte, 1) == 1)
                    if (write(from[1], &byte, 1) != 1)
                        fail("echo cannot write", 0);
                fail("echo cannot read", 0);
                return argument;
            }
            static void *asker(void *argument)
            {
                for (unsigned char i = 0;; i++) {
                    unsigned char answer;
                    if (write(to[1], &i, 1) != 1 || read(from[0], &answer, 1) != 1 || answer != i)
                        fail("echo answered", answer);
                    echoes++;
                    kill(getpid(), SIGUSR1);
                }
                return argument;
            }
            static void *mapper(void *argument)
            {
                for (long i = 1;; i++) {
                    long *page = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
                    if (page == MAP_FAILED || page[8191])
                        fail("fresh memory is not", i);
                    for (int j = 0; j < 8192; j++)
                        page[j] = i ^ j;
                    for (int j = 0; j < 8192; j++)
                        if (page[j] != (i ^ j))
                            fail("memory lost", i);
                    munmap(page, 65536);
                }
                return argument;
            }
            int main(void)
            {
                pthread_t thread;
                signal(SIGUSR1, on_signal);
                if (pipe(to) || pipe(from))
                    return 1;
                for (int i = 0; i < ACCOUNTS; i++)
                    account[i] = EACH;
                for (long i = 0; i < THREADS; i++)
                    pthread_create(&thread, NULL, mover, (void *)i);
                pthread_create(&thread, NULL, echo, NULL);
                pthread_create(&thread, NULL, asker, NULL);
                pthread_create(&thread, NULL, mapper, NULL);
                for (long checks = 1;; checks++) {
                    long before = moves, asked = echoes, sum = 0;
                    pthread_mutex_lock(&lock);
                    while (moves < before + 10)
                        pthread_cond_wait(&moved, &lock);
                    for (int i = 0; i < ACCOUNTS; i++)
                        sum += account[i];
                    pthread_mutex_unlock(&lock);
                    if (sum != ACCOUNTS * EACH)
                        fail("lost", sum);
                    while (echoes == asked || signals == 0)
                        sched_yield();
                    say("fine", checks);
                }
            }
            """;

    /// Waits until the program has found everything in order some more times.
    private static final String GOES_ON = """
            read word a < /progress
            while read word b < /progress; [ "$word" = fine ] && [ "$b" -lt $((a+3)) ]; do busybox usleep 1000; done
            echo $word
            """;

    @TempDir
    private static Path root;

    private static Image image;
    private static SandboxSpec spec;

    @BeforeAll
    static void make() throws IOException, InterruptedException {
        Files.setPosixFilePermissions(root, PosixFilePermissions.fromString("rwxr-xr-x"));
        Path bin = Files.createDirectory(root.resolve("bin"));
        Files.copy(RealPrograms.ROOT.resolve("bin/busybox"), bin.resolve("busybox"));
        StaticProgram.compile("#define _GNU_SOURCE\n#include <sched.h>\n" + BUSY, bin.resolve("busy"));
        image = Image.directory(root);
        spec = SandboxSpec.of(image).withMemory(MEMORY);
    }

    @AfterAll
    static void close() {
        image.close();
    }

    private static String sh(Sandbox sandbox, String script) {
        return sandbox.exec("/bin/busybox", "sh", "-c", script).stdout().text();
    }

    private static Sandbox busy() {
        Sandbox sandbox = Sandbox.launch(spec);
        sh(sandbox, "/bin/busy > /dev/null 2>&1 & while [ ! -s /progress ]; do busybox usleep 1000; done");
        return sandbox;
    }

    @Test
    void aBranchHasWhatTheSandboxHadAndGoesItsOwnWay() {
        try (Sandbox sandbox = Sandbox.launch(spec)) {
            sh(sandbox, "echo 1 > /n");
            try (Sandbox branch = sandbox.branch()) {
                sh(sandbox, "echo 2 >> /n");
                sh(branch, "echo 3 >> /n");
                try (Sandbox further = branch.branch()) {
                    sh(further, "echo 4 >> /n");
                    assertThat(sh(further, "busybox cat /n")).isEqualTo("1\n3\n4\n");
                }
                assertThat(sh(branch, "busybox cat /n")).isEqualTo("1\n3\n");
            }
            assertThat(sh(sandbox, "busybox cat /n")).isEqualTo("1\n2\n");
        }
    }

    @Test
    void aBranchIsMadeWhenTheTemplateIsGone() {
        Template template = Template.of(spec).warmUp(sandbox -> sh(sandbox, "echo 1 > /n"));
        try (Sandbox sandbox = template.launch()) {
            template.close();
            sh(sandbox, "echo 2 >> /n");
            try (Sandbox branch = sandbox.branch()) {
                assertThat(sh(branch, "busybox cat /n")).isEqualTo("1\n2\n");
            }
        }
    }

    /// Also of one that was put back, and whose pages are its own because another guest had written to them.
    @Test
    void aSandboxOfAPoolIsBranched() {
        try (SandboxPool pool = SandboxPool.builder(spec).most(1).build()) {
            for (int i = 0; i < 3; i++) {
                String line = "line " + i + "\n";
                pool.call(sandbox -> {
                    assertThat(sh(sandbox, "busybox cat /n 2> /dev/null")).isEmpty();
                    sh(sandbox, "echo " + line.strip() + " > /n");
                    try (Sandbox branch = sandbox.branch()) {
                        assertThat(sh(branch, "busybox cat /n")).isEqualTo(line);
                    }
                    return line;
                });
            }
        }
    }

    @Test
    void busyProgramsGoOnWhereverTheyWere() {
        try (Sandbox sandbox = busy()) {
            for (int i = 0; i < Effort.times(10); i++) {
                try (Sandbox branch = sandbox.branch()) {
                    assertThat(sh(branch, GOES_ON)).isEqualTo("fine\n");
                }
            }
            assertThat(sh(sandbox, GOES_ON)).isEqualTo("fine\n");
        }
    }

    @Test
    @Tag("long")
    void busyProgramsGoOnInAnotherJvm(@TempDir Path directory) throws IOException, InterruptedException {
        List<String> arguments =
                new ArrayList<>(List.of(root.toString(), Long.toString(MEMORY.bytes() >> 20), "run", GOES_ON));
        int files = Effort.times(4);
        try (Sandbox sandbox = busy()) {
            for (int i = 0; i < files; i++) {
                Path file = directory.resolve("busy-" + i);
                try (Template template = sandbox.save()) {
                    template.writeTo(file);
                }
                arguments.add(file.toString());
            }
        }
        Process child = ChildJvm.start(SnapshotProgram.class, arguments.toArray(String[]::new));
        assertThat(new String(child.getInputStream().readAllBytes(), StandardCharsets.UTF_8))
                .isEqualTo("fine\n".repeat(files));
        assertThat(child.waitFor()).isZero();
    }

    @Test
    void aProgramOfTheHostIsInTheWay() {
        try (Sandbox sandbox = Sandbox.launch(spec);
                GuestProcess process = sandbox.start("/bin/busybox", "sleep", "1000")) {
            assertThatThrownBy(sandbox::branch)
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("1 of it run");
            assertThat(process.isAlive()).isTrue();
        }
    }

    @Test
    void whatHasEndedIsNotBranched() {
        Sandbox sandbox = Sandbox.launch(spec);
        sandbox.close();
        assertThatThrownBy(sandbox::branch).isInstanceOf(SandboxClosedException.class);
    }
}
