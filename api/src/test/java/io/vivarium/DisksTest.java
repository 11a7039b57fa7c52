// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.vivarium.kvm.testing.EnabledIfKvm;
import java.io.IOException;
import java.io.InputStream;
import java.io.RandomAccessFile;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Programs and their disks: what is in a file of the host is in `/dev/vda`, and the other way round.
@Tag("machine")
@EnabledIfKvm
@Timeout(300)
class DisksTest {
    private static final int SIZE = (3 << 20) + 3 * Disk.SECTOR;

    @TempDir
    private static Path root;

    private static Image image;

    @TempDir
    private Path directory;

    private final List<DiskError> errors = new CopyOnWriteArrayList<>();

    @BeforeAll
    static void build() throws IOException, InterruptedException {
        Files.createDirectories(root.resolve("bin"));
        for (String directory : List.of("dev", "proc", "tmp")) {
            Files.createDirectory(root.resolve(directory));
        }
        Files.copy(Path.of("/bin/busybox"), root.resolve("bin/busybox"));
        for (String program : List.of("disk_traffic", "disk_facts")) {
            StaticProgram.compile(source(program), root.resolve("bin").resolve(program));
        }
        image = Image.directory(root);
    }

    private static String source(String program) throws IOException {
        try (InputStream stream =
                Objects.requireNonNull(DisksTest.class.getResourceAsStream("programs/" + program + ".c"))) {
            return new String(stream.readAllBytes(), StandardCharsets.UTF_8);
        }
    }

    @AfterAll
    static void close() {
        image.close();
    }

    private static byte[] random(long seed, int length) {
        byte[] bytes = new byte[length];
        new Random(seed).nextBytes(bytes);
        return bytes;
    }

    private Path file(String name, byte[] content) throws IOException {
        return Files.write(directory.resolve(name), content);
    }

    private Sandbox launch(Disk... disks) {
        SandboxSpec spec = SandboxSpec.of(image);
        for (Disk disk : disks) {
            spec = spec.withDisk(disk.withErrorListener(errors::add));
        }
        return Sandbox.launch(spec);
    }

    private static ExecResult busybox(Sandbox sandbox, String... arguments) {
        List<String> argv = new ArrayList<>(List.of("/bin/busybox"));
        argv.addAll(List.of(arguments));
        return sandbox.exec(Command.of(argv));
    }

    private static ExecResult shell(Sandbox sandbox, String script) {
        return busybox(sandbox, "sh", "-c", script);
    }

    private static String output(ExecResult result) {
        assertThat(result.exitCode()).as(result.stderr().text()).isZero();
        return result.stdout().text();
    }

    // ---- contents ----

    @Test
    void readsWhatIsInTheFile() throws IOException {
        byte[] content = random(1, SIZE);
        Path file = file("disk", content);
        try (Sandbox sandbox = launch(Disk.readOnly(file))) {
            ExecResult all = sandbox.exec(Command.of("/bin/busybox", "dd", "if=/dev/vda", "bs=1M", "status=none")
                    .withOutputLimit(2 * SIZE));
            assertThat(all.exitCode()).isZero();
            assertThat(Arrays.equals(all.stdout().bytes(), content)).isTrue();
            byte[] some = busybox(sandbox, "dd", "if=/dev/vda", "bs=1000", "skip=3", "count=7", "status=none")
                    .stdout()
                    .bytes();
            assertThat(some).isEqualTo(Arrays.copyOfRange(content, 3000, 10_000));
            assertThat(output(busybox(sandbox, "wc", "-c", "/dev/vda"))).isEqualTo(SIZE + " /dev/vda\n");
            assertThat(output(shell(
                            sandbox,
                            "busybox dd if=/dev/vda of=/tmp/copy bs=64k status=none && busybox cmp /tmp/copy /dev/vda"
                                    + " && echo same")))
                    .isEqualTo("same\n");
        }
        assertThat(errors).isEmpty();
    }

    @Test
    void sameSumAsOnTheHost() throws IOException, InterruptedException {
        Path file = file("disk", random(2, SIZE));
        Process host = new ProcessBuilder("sha256sum", file.toString()).start();
        String sum = new String(host.getInputStream().readAllBytes(), StandardCharsets.UTF_8).split(" ", 2)[0];
        try (Sandbox sandbox = launch(Disk.overlay(file))) {
            assertThat(output(busybox(sandbox, "sha256sum", "/dev/vda"))).startsWith(sum);
        }
    }

    @Test
    void writesGoToTheFile() throws IOException {
        Path file = file("disk", new byte[SIZE]);
        try (Sandbox sandbox = launch(Disk.writable(file))) {
            String script = "busybox yes text | busybox dd of=/dev/vda bs=4096 count=100 iflag=fullblock conv=fsync"
                    + " status=none && echo -n odd | busybox dd of=/dev/vda bs=1 seek=5000 conv=notrunc status=none";
            output(shell(sandbox, script));
        }
        byte[] expected =
                Arrays.copyOf("text\n".repeat(100 * 4096 / 5 + 1).getBytes(StandardCharsets.UTF_8), 100 * 4096);
        System.arraycopy("odd".getBytes(StandardCharsets.UTF_8), 0, expected, 5000, 3);
        assertThat(Arrays.equals(Arrays.copyOf(Files.readAllBytes(file), expected.length), expected))
                .isTrue();
        assertThat(Files.size(file)).isEqualTo(SIZE);
    }

    /// The same random reads and writes on the host, on a copy of the file, read the same and leave the same.
    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3})
    void sameTrafficAsOnTheHost(int seed) throws IOException, InterruptedException {
        byte[] content = random(seed, SIZE);
        Path written = file("written", content);
        Path base = file("base", content);
        Path copy = file("copy", content);
        List<String> argv = List.of(root.resolve("bin/disk_traffic").toString(), copy.toString(), "" + seed);
        OnHost host = OnHost.run(argv, directory, Map.of(), "", Files.createDirectory(directory.resolve("scratch")));
        assertThat(host.exitCode()).as(host.stderr()).isZero();
        try (Sandbox sandbox = launch(Disk.writable(written), Disk.overlay(base))) {
            assertThat(output(sandbox.exec("/bin/disk_traffic", "/dev/vda", "" + seed)))
                    .isEqualTo(host.stdout());
            assertThat(output(sandbox.exec("/bin/disk_traffic", "/dev/vdb", "" + seed)))
                    .isEqualTo(host.stdout());
            assertThat(output(busybox(sandbox, "cmp", "/dev/vda", "/dev/vdb"))).isEmpty();
        }
        assertThat(Files.mismatch(written, copy)).isEqualTo(-1);
        assertThat(Arrays.equals(Files.readAllBytes(base), content)).isTrue();
        assertThat(errors).isEmpty();
    }

    @Test
    void whatTheDeviceFileIs() throws IOException {
        Path file = file("disk", random(1, 1 << 20));
        try (Sandbox sandbox = launch(Disk.writable(file), Disk.readOnly(file("other", random(1, 512))))) {
            assertThat(output(sandbox.exec("/bin/disk_facts", "/dev/vda", "/dev/vdb")))
                    .isEqualTo("""
                    vda mode 60660 rdev 254:0 size 0
                    vdb mode 60660 rdev 254:16 size 0
                    BLKGETSIZE64 1048576 BLKGETSIZE 2048 BLKSSZGET 512 BLKBSZGET 4096 BLKROGET 0
                    BLKROGET of vdb 1
                    BLKFLSBUF 0
                    unknown ioctl ENOTTY
                    seek to the end 1048576
                    seek beyond EINVAL
                    read at the end 0
                    read over the end 100
                    write at the end ENOSPC
                    write over the end 100
                    write of nothing at the end 0
                    direct 512
                    direct, position EINVAL
                    direct, length EINVAL
                    direct, memory EINVAL
                    BLKZEROOUT 0: zeros
                    BLKZEROOUT, misaligned EINVAL
                    BLKZEROOUT, beyond EINVAL
                    BLKDISCARD 0
                    BLKDISCARD, overflow EINVAL
                    BLKDISCARD, read-only descriptor EBADF
                    read into bad memory EFAULT
                    write from bad memory EFAULT
                    write partly from bad memory 512
                    fsync 0 fdatasync 0
                    mmap ENODEV
                    ftruncate EINVAL
                    O_TRUNC 1048576
                    vdb for writing EACCES
                    """);
            assertThat(output(busybox(sandbox, "cat", "/proc/partitions"))).isEqualTo("""
                            major minor  #blocks  name

                             254        0       1024 vda
                             254       16          0 vdb
                            """);
        }
        assertThat(errors).isEmpty();
    }

    @Test
    void withoutDisksThereAreNoDeviceFiles() {
        try (Sandbox sandbox = launch()) {
            assertThat(output(busybox(sandbox, "ls", "/dev"))).doesNotContain("vd");
            assertThat(output(busybox(sandbox, "cat", "/proc/partitions"))).isEqualTo("major minor  #blocks  name\n\n");
        }
    }

    @Test
    void readOnlyDiskStaysAsItIs() throws IOException {
        byte[] content = random(1, 4096);
        Path file = file("disk", content);
        try (Sandbox sandbox = launch(Disk.readOnly(file))) {
            ExecResult result = shell(sandbox, "echo x > /dev/vda");
            assertThat(result.exitCode()).isNotZero();
            assertThat(result.stderr().text()).contains("Permission denied");
        }
        assertThat(Files.readAllBytes(file)).isEqualTo(content);
    }

    @Test
    void overlaysOfOneFileDoNotSeeEachOther() throws IOException {
        byte[] content = random(1, SIZE);
        Path base = file("base", content);
        try (Sandbox one = launch(Disk.overlay(base));
                Sandbox other = launch(Disk.overlay(base))) {
            output(shell(one, "echo -n one | busybox dd of=/dev/vda bs=1 seek=4095 conv=notrunc status=none"));
            output(shell(other, "echo -n other | busybox dd of=/dev/vda bs=1 seek=4095 conv=notrunc status=none"));
            String tail = "busybox dd if=/dev/vda bs=1 skip=4095 count=5 status=none";
            byte[] seenByOne = shell(one, tail).stdout().bytes();
            assertThat(Arrays.copyOf(seenByOne, 3)).isEqualTo("one".getBytes(StandardCharsets.UTF_8));
            assertThat(Arrays.copyOfRange(seenByOne, 3, 5)).isEqualTo(Arrays.copyOfRange(content, 4098, 4100));
            assertThat(output(shell(other, tail))).isEqualTo("other");
        }
        assertThat(Arrays.equals(Files.readAllBytes(base), content)).isTrue();
    }

    /// A machine that is put back has the disk as it was at first.
    @Test
    void nextGuestOfAMachineFindsTheDiskPristine() throws IOException {
        byte[] content = random(5, 8192);
        SandboxSpec spec = SandboxSpec.of(image).withDisk(Disk.overlay(file("base", content)));
        try (SandboxPool pool =
                SandboxPool.builder(spec).most(1).ready(0).idle(1).build()) {
            for (int i = 0; i < 3; i++) {
                try (Sandbox sandbox = pool.take()) {
                    assertThat(busybox(sandbox, "cat", "/dev/vda").stdout().bytes())
                            .isEqualTo(content);
                    output(shell(sandbox, "busybox yes | busybox dd of=/dev/vda bs=512 count=4 status=none"));
                }
            }
        }
    }

    @Test
    void sandboxesOfOneBootHaveTheirOwnDisks() throws IOException {
        for (int i = 0; i < 3; i++) {
            byte[] content = random(i, 8192);
            try (Sandbox sandbox = launch(Disk.readOnly(file("disk" + i, content)))) {
                assertThat(busybox(sandbox, "cat", "/dev/vda").stdout().bytes()).isEqualTo(content);
            }
        }
    }

    @Test
    void scratchIsEmptyAndCanBeFilled() {
        try (Sandbox sandbox = launch(Disk.scratch(1 << 20))) {
            assertThat(output(shell(sandbox, "busybox cmp -n 1048576 /dev/vda /dev/zero && echo zeros")))
                    .isEqualTo("zeros\n");
            assertThat(output(shell(
                            sandbox,
                            "busybox dd if=/dev/urandom of=/dev/vda bs=64k count=16 status=none;"
                                    + " busybox cp /dev/vda /tmp/copy; busybox cmp /dev/vda /tmp/copy && echo same")))
                    .isEqualTo("same\n");
        }
    }

    // ---- what fails ----

    @Test
    void truncatedUnderTheGuest() throws IOException {
        byte[] content = random(1, 1 << 20);
        Path file = file("disk", content);
        try (Sandbox sandbox = launch(Disk.overlay(file))) {
            try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
                channel.truncate(4096);
            }
            ExecResult result = busybox(sandbox, "dd", "if=/dev/vda", "bs=4096", "skip=1", "status=none");
            assertThat(result.exitCode()).isNotZero();
            assertThat(result.stderr().text()).contains("Input/output error");
            assertThat(errors)
                    .isNotEmpty()
                    .allSatisfy(error -> assertThat(error.reason()).isEqualTo(DiskError.Reason.TRUNCATED))
                    .allSatisfy(error -> assertThat(error.disk()).isEqualTo("vda"));
            assertThat(busybox(sandbox, "dd", "if=/dev/vda", "bs=4096", "count=1", "status=none")
                            .stdout()
                            .bytes())
                    .isEqualTo(Arrays.copyOf(content, 4096));
        }
    }

    /// The devices work on the thread that runs the guest: what ends it is the end of its sandbox, with a name, and of
    /// nothing else.
    @Test
    void threadOfTheDevicesDies() throws IOException {
        Path file = file("disk", random(1, 1 << 20));
        Disk disk = Disk.overlay(file).withErrorListener(error -> {
            throw new AssertionError("no listener may do this");
        });
        try (Sandbox sandbox = Sandbox.launch(SandboxSpec.of(image).withDisk(disk));
                Sandbox other = launch(Disk.overlay(file))) {
            try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
                channel.truncate(4096);
            }
            assertThatThrownBy(() -> busybox(sandbox, "dd", "if=/dev/vda", "bs=4096", "skip=1", "status=none"))
                    .isInstanceOf(SandboxException.class)
                    .hasMessageContaining("the machine cannot be run")
                    .hasMessageContaining("no listener may do this");
            assertThat(sandbox.isAlive()).isFalse();
            assertThat(output(shell(other, "echo alive"))).isEqualTo("alive\n");
        }
    }

    @Test
    void hostHasNoSpace() throws IOException, InterruptedException {
        Path full = Files.createDirectory(directory.resolve("full"));
        OnHostMount.tmpfs(full, "size=1m");
        try {
            Path file = full.resolve("disk");
            try (RandomAccessFile sparse = new RandomAccessFile(file.toFile(), "rw")) {
                sparse.setLength(4 << 20);
            }
            try (Sandbox sandbox = launch(Disk.writable(file))) {
                ExecResult result =
                        shell(sandbox, "busybox dd if=/dev/urandom of=/dev/vda bs=64k count=64 status=none");
                assertThat(result.exitCode()).isNotZero();
                assertThat(result.stderr().text()).contains("Input/output error");
                assertThat(errors).isNotEmpty().allSatisfy(error -> assertThat(error.reason())
                        .isEqualTo(DiskError.Reason.NO_SPACE));
                assertThat(output(shell(sandbox, "echo alive"))).isEqualTo("alive\n");
            }
        } finally {
            OnHostMount.unmount(full);
        }
    }

    @Test
    void overlayIsFull() throws IOException {
        Path base = file("base", new byte[1 << 20]);
        try (Sandbox sandbox = launch(Disk.overlay(base).withOverlayMemory(Memory.parse("128K")))) {
            ExecResult result = shell(sandbox, "busybox dd if=/dev/urandom of=/dev/vda bs=4k status=none");
            assertThat(result.stderr().text()).contains("Input/output error");
            assertThat(errors).isNotEmpty().allSatisfy(error -> assertThat(error.reason())
                    .isEqualTo(DiskError.Reason.MEMORY_LIMIT));
            assertThat(output(shell(sandbox, "busybox dd if=/dev/vda of=/tmp/copy bs=64k status=none && echo read")))
                    .isEqualTo("read\n");
        }
    }

    // ---- files that are no disks ----

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 513})
    void sizesThatAreNone(int length) throws IOException {
        Path file = file("disk", new byte[length]);
        assertThatThrownBy(() -> launch(Disk.readOnly(file)))
                .isInstanceOf(InvalidDiskException.class)
                .hasMessageContaining("vda")
                .hasMessageContaining(length + " bytes");
    }

    @Test
    void filesThatAreNone() {
        assertThatThrownBy(() -> launch(Disk.readOnly(directory.resolve("nothing"))))
                .isInstanceOf(InvalidDiskException.class)
                .hasMessageContaining("there is no");
        assertThatThrownBy(() -> launch(Disk.scratch(512), Disk.overlay(directory)))
                .isInstanceOf(InvalidDiskException.class)
                .hasMessageContaining("vdb")
                .hasMessageContaining("no regular file");
    }

    @Test
    void oneWriterOrManyReaders() throws IOException {
        Path file = file("disk", new byte[4096]);
        try (Sandbox _ = launch(Disk.writable(file))) {
            assertThatThrownBy(() -> launch(Disk.writable(file)))
                    .isInstanceOf(InvalidDiskException.class)
                    .hasMessageContaining("in use by another sandbox");
            assertThatThrownBy(() -> launch(Disk.overlay(file)))
                    .isInstanceOf(InvalidDiskException.class)
                    .hasMessageContaining("written by another sandbox");
        }
        try (Sandbox _ = launch(Disk.readOnly(file));
                Sandbox _ = launch(Disk.overlay(file))) {
            assertThatThrownBy(() -> launch(Disk.writable(file))).isInstanceOf(InvalidDiskException.class);
        }
        launch(Disk.writable(file)).close();
    }

    // ---- rate ----

    /// Requests wait, those of two programs at the same time, and all are done.
    @Test
    void heldToItsRate() throws IOException {
        byte[] content = random(1, 64 * 4096);
        Path file = file("disk", content);
        try (Sandbox sandbox = launch(Disk.readOnly(file).withRequestRate(50))) {
            String script = "for i in 1 2; do busybox dd if=/dev/vda bs=4096 of=/tmp/copy$i status=none & done; wait;"
                    + " busybox cmp /tmp/copy1 /tmp/copy2 && busybox cat /tmp/copy1";
            ExecResult result = shell(sandbox, script);
            assertThat(Arrays.equals(result.stdout().bytes(), content)).isTrue();
        }
        assertThat(errors).isEmpty();
    }

    @Test
    void sandboxEndsWhileADiskIsWaitedFor() throws IOException, InterruptedException {
        Path file = file("disk", random(1, 1 << 20));
        Sandbox sandbox = launch(Disk.readOnly(file).withBandwidth(1));
        try (sandbox) {
            GuestProcess reader = sandbox.start("/bin/busybox", "cat", "/dev/vda");
            assertThat(reader.stdout().read()).isNotNegative();
        }
        assertThat(sandbox.isAlive()).isFalse();
        launch(Disk.writable(file)).close();
    }
}
