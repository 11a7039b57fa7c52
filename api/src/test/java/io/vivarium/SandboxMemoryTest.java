// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.vivarium.kvm.testing.Effort;
import io.vivarium.kvm.testing.EnabledIfKvm;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.time.Duration;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Tag("machine")
@EnabledIfKvm
@Timeout(300)
class SandboxMemoryTest {
    private static final long MIB = 1 << 20;
    private static final SandboxSpec SPEC = SandboxSpec.of(RealPrograms.IMAGE).withMemory(Memory.mebibytes(256));

    private static String sh(Sandbox sandbox, String script) {
        ExecResult result = sandbox.exec("/bin/busybox", "sh", "-c", script);
        assertThat(result.stderr().text()).isEmpty();
        return result.stdout().text();
    }

    private static void fillAndDelete(Sandbox sandbox, int mebibytes) {
        sh(sandbox, "busybox dd if=/dev/urandom of=/f bs=1M count=%d 2> /dev/null; busybox rm /f".formatted(mebibytes));
    }

    /// How much memory to use: less where each page takes an emulated processor long.
    private static int megabytes(int full) {
        return Math.max(16, Effort.times(full));
    }

    /// Bytes of memory that this process has of the host (proc(5), `statm`).
    private static long resident() throws IOException {
        try (RandomAccessFile statm = new RandomAccessFile("/proc/self/statm", "r")) {
            return resident(statm, new byte[200]);
        }
    }

    private static long resident(RandomAccessFile statm, byte[] line) throws IOException {
        statm.seek(0);
        int length = statm.read(line);
        int at = 0;
        while (line[at++] != ' ') {}
        long pages = 0;
        for (; at < length && line[at] != ' '; at++) {
            pages = 10 * pages + line[at] - '0';
        }
        return pages * 4096;
    }

    /// Looks at it again and again, and makes no garbage meanwhile, which would be memory of this process as well.
    private static void awaitResidentBelow(long bytes) throws IOException {
        byte[] line = new byte[200];
        try (RandomAccessFile statm = new RandomAccessFile("/proc/self/statm", "r")) {
            while (resident(statm, line) >= bytes) {
                if (Thread.interrupted()) {
                    throw new AssertionError("waited for too long");
                }
                LockSupport.parkNanos(1_000_000); // The guest needs the processor.
            }
        }
    }

    @Test
    void freedMemoryLeavesTheHostsResidentSet() throws IOException {
        try (Sandbox sandbox = Sandbox.launch(SPEC)) {
            sh(sandbox, "busybox dd if=/dev/urandom of=/f bs=1M count=100 2> /dev/null");
            long filled = resident();
            sh(sandbox, "busybox rm /f");
            assertThat(sandbox.reclaimMemory()).isGreaterThanOrEqualTo(100 * MIB);
            // What else this process does meanwhile is far less.
            assertThat(resident()).isLessThan(filled - 60 * MIB);
            assertThat(sandbox.reclaimMemory()).isLessThan(16 * MIB);
        }
    }

    @Test
    void freedMemoryIsReportedByAGuestThatIdles() throws IOException {
        try (Sandbox sandbox = Sandbox.launch(SPEC.withMemory(Memory.mebibytes(512)))) {
            String sum = sh(sandbox, "busybox head -c 20000000 /dev/urandom | busybox tee /kept | busybox md5sum");
            sh(sandbox, "busybox dd if=/dev/urandom of=/f bs=1M count=200 2> /dev/null");
            long used = sandbox.memoryUsage().used();
            long filled = resident();
            sh(sandbox, "busybox rm /f");
            awaitResidentBelow(filled - 150 * MIB);
            assertThat(sandbox.memoryUsage().used()).isLessThan(used - 190 * MIB);
            // What is in use was none of it, and what was is as good as new.
            assertThat(sh(sandbox, "busybox md5sum < /kept")).isEqualTo(sum);
            assertThat(sh(
                            sandbox,
                            "busybox cp /kept /a; busybox cp /kept /b; busybox cat /a /b /kept > /c\n"
                                    + "busybox tail -c 20000000 /c | busybox md5sum"))
                    .isEqualTo(sum);
        }
    }

    @Test
    void machinesThatReportedMemoryAreSavedAndPutBack() throws IOException, InterruptedException {
        String[] sum = new String[1];
        try (Template template = Template.of(SPEC)
                        .warmUp(sandbox -> sum[0] = sh(
                                sandbox, "busybox head -c 9000000 /dev/urandom | busybox tee /kept | busybox md5sum"));
                SandboxPool pool = SandboxPool.builder(template).build()) {
            for (int i = 0; i < 2; i++) {
                try (Sandbox sandbox = pool.take(Duration.ofMinutes(1))) {
                    sh(sandbox, "busybox dd if=/dev/urandom of=/f bs=1M count=100 2> /dev/null");
                    long filled = resident();
                    sh(sandbox, "busybox rm /f");
                    awaitResidentBelow(filled - 70 * MIB);
                    assertThat(sh(sandbox, "busybox md5sum < /kept; busybox ls /f 2>&1"))
                            .startsWith(sum[0])
                            .contains("No such file");
                    try (Template saved = sandbox.save();
                            Sandbox descendant = saved.launch()) {
                        assertThat(sh(descendant, "busybox cp /kept /again; busybox md5sum < /again"))
                                .isEqualTo(sum[0]);
                    }
                }
            }
        }
    }

    @Test
    void reclaimedMemoryIsAsGoodAsNew() {
        int megabytes = megabytes(50);
        try (Sandbox sandbox = Sandbox.launch(SPEC)) {
            for (int i = 0; i < Effort.times(5); i++) {
                String sums = sh(sandbox, """
                        busybox yes %d | busybox head -c %d000000 > /a; busybox cp /a /b
                        busybox md5sum < /a; busybox md5sum < /b; busybox cmp /a /b; busybox rm /a /b
                        """.formatted(i, megabytes));
                String[] lines = sums.split("\n");
                assertThat(lines).hasSize(2);
                assertThat(lines[0]).isEqualTo(lines[1]);
                assertThat(sandbox.reclaimMemory()).isGreaterThan((2L * megabytes - 5) * 1_000_000);
            }
        }
    }

    @Test
    void usageIsWhatProgramsHold() {
        try (Sandbox sandbox = Sandbox.launch(SPEC)) {
            MemoryUsage before = sandbox.memoryUsage();
            assertThat(before.total()).isBetween(200 * MIB, 256 * MIB);
            sh(sandbox, "busybox dd if=/dev/zero of=/f bs=1M count=64 2> /dev/null");
            MemoryUsage filled = sandbox.memoryUsage();
            assertThat(filled.used() - before.used()).isBetween(64 * MIB, 72 * MIB);
            sandbox.reclaimMemory();
            assertThat(sandbox.memoryUsage().used()).isBetween(before.used() + 64 * MIB, filled.used());
            sh(sandbox, "busybox rm /f");
            assertThat(sandbox.memoryUsage().used()).isLessThan(before.used() + 8 * MIB);
        }
    }

    @Test
    void aGuestThatComputesIsAskedToo() {
        try (Sandbox sandbox = Sandbox.launch(SPEC)) {
            fillAndDelete(sandbox, 64);
            try (GuestProcess busy = sandbox.start("/bin/busybox", "sh", "-c", "while :; do :; done")) {
                assertThat(sandbox.reclaimMemory()).isGreaterThan(60 * MIB);
                assertThat(sandbox.memoryUsage().used()).isLessThan(32 * MIB);
                assertThat(busy.isAlive()).isTrue();
            }
        }
    }

    @Test
    void savedSandboxesAndTheirDescendantsGoOnWithTheirDevices() {
        int megabytes = megabytes(64);
        try (Template template = Template.of(SPEC).warmUp(sandbox -> {
            fillAndDelete(sandbox, megabytes);
            assertThat(sandbox.reclaimMemory()).isGreaterThan((megabytes - 4) * MIB);
            assertThat(sh(sandbox, "busybox head -c 8 /dev/hwrng | busybox wc -c"))
                    .isEqualTo("8\n");
        })) {
            String[] random = new String[2];
            for (int i = 0; i < 2; i++) {
                try (Sandbox sandbox = template.launch()) {
                    random[i] = sh(sandbox, "busybox head -c 5000 /dev/hwrng | busybox md5sum");
                    fillAndDelete(sandbox, megabytes);
                    assertThat(sandbox.reclaimMemory()).isGreaterThan((megabytes - 4) * MIB);
                    assertThat(sandbox.memoryUsage().used()).isLessThan(32 * MIB);
                }
            }
            assertThat(random[0]).isNotEqualTo(random[1]);
        }
    }

    @Test
    void machinesThatWerePutBackGoOnWithTheirDevices() throws InterruptedException {
        try (Template template = Template.of(SPEC);
                SandboxPool pool = SandboxPool.builder(template).build()) {
            String last = "";
            for (int i = 0; i < Effort.times(5); i++) {
                try (Sandbox sandbox = pool.take(Duration.ofMinutes(1))) {
                    String random = sh(sandbox, "busybox head -c 5000 /dev/hwrng | busybox md5sum");
                    assertThat(random).isNotEqualTo(last);
                    last = random;
                    fillAndDelete(sandbox, 32);
                    assertThat(sandbox.reclaimMemory()).isGreaterThan(30 * MIB);
                }
            }
        }
    }

    @Test
    void theHostsRandomnessIsAFile() {
        try (Sandbox sandbox = Sandbox.launch(SPEC)) {
            assertThat(sh(sandbox, "busybox stat -c '%F %t %T %a' /dev/hwrng"))
                    .isEqualTo("character special file a b7 600\n");
            assertThat(sh(sandbox, "busybox head -c 300001 /dev/hwrng | busybox tee /r | busybox wc -c"))
                    .isEqualTo("300001\n");
            // Random bytes do not get shorter.
            String compressed = sh(sandbox, "busybox gzip -c /r | busybox wc -c");
            assertThat(Integer.parseInt(compressed.strip())).isGreaterThan(300_000);
        }
    }

    @Test
    void anEndedSandboxGivesTheReason() {
        Sandbox sandbox = Sandbox.launch(SPEC);
        sandbox.close();
        assertThatThrownBy(sandbox::reclaimMemory).isInstanceOf(SandboxClosedException.class);
        assertThatThrownBy(sandbox::memoryUsage).isInstanceOf(SandboxClosedException.class);
    }

    @Test
    void whoAsksWhileItEndsHearsOfIt() throws InterruptedException {
        for (int i = 0; i < Effort.times(10); i++) {
            Sandbox sandbox = Sandbox.launch(SPEC);
            Thread closer = Thread.ofPlatform().start(sandbox::close);
            assertThatThrownBy(() -> {
                        while (true) {
                            sandbox.reclaimMemory();
                        }
                    })
                    .isInstanceOf(SandboxClosedException.class);
            closer.join();
        }
    }

    @Test
    void anInterruptedCallerGivesUpAndTheNextOneIsAnswered() {
        try (Sandbox sandbox = Sandbox.launch(SPEC)) {
            Thread.currentThread().interrupt();
            assertThatThrownBy(sandbox::reclaimMemory).isInstanceOf(ExecInterruptedException.class);
            assertThat(Thread.interrupted()).isTrue();
            assertThat(sandbox.memoryUsage().total()).isPositive();
        }
    }
}
