// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.vivarium.InvalidSnapshotException.Reason;
import io.vivarium.kvm.testing.Effort;
import io.vivarium.kvm.testing.EnabledIfKvm;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Templates in files: in this JVM, in another one, and after this one was killed in the middle.
@Tag("machine")
@EnabledIfKvm
@Timeout(300)
class TemplateFileTest {
    private static final int MEMORY = 32;
    private static final SandboxSpec SPEC = SandboxSpec.of(RealPrograms.IMAGE).withMemory(Memory.mebibytes(MEMORY));

    /// A file, a background process that counts, and one that waits for the other end of a pipe.
    private static final String WORK = """
            echo kept > /n
            busybox mkfifo /p
            (i=0; while :; do i=$((i+1)); echo $i > /count.new; busybox mv /count.new /count; done) > /dev/null 2>&1 &
            (while :; do read line < /p; echo "got $line" > /answer; done) > /dev/null 2>&1 &
            while [ ! -s /count ]; do :; done
            """;

    /// Prints what was kept, that the counter goes on from where it was or behind that, and what the pipe's end says.
    private static final String CHECK = """
            busybox cat /n
            a=$(busybox cat /count)
            while [ "$(busybox cat /count)" -le "$a" ]; do :; done
            echo counts
            echo 1 > /p
            while [ ! -s /answer ]; do :; done
            busybox cat /answer
            """;

    private static final String CHECKED = "kept\ncounts\ngot 1\n";

    @TempDir
    private static Path directory;

    private static Path whole;

    @BeforeAll
    static void write() throws IOException {
        whole = directory.resolve("whole.snapshot");
        try (Template template = Template.of(SPEC).warmUp(sandbox -> sh(sandbox, WORK))) {
            template.writeTo(whole);
        }
    }

    private static String sh(Sandbox sandbox, String script) {
        return sandbox.exec("/bin/busybox", "sh", "-c", script).stdout().text();
    }

    @Test
    void sandboxesGoOnFromAFile() throws IOException {
        Set<String> identities = new HashSet<>();
        try (Template template = Template.open(whole, SPEC)) {
            for (int i = 0; i < 3; i++) {
                try (Sandbox sandbox = template.launch()) {
                    assertThat(sh(sandbox, CHECK)).isEqualTo(CHECKED);
                    identities.add(sh(sandbox, "busybox cat /proc/sys/kernel/random/boot_id"));
                }
            }
        }
        assertThat(identities).hasSize(3);
    }

    @Test
    @Tag("long")
    void sandboxesGoOnInAnotherJvm() throws IOException, InterruptedException {
        Process child = ChildJvm.start(
                SnapshotProgram.class,
                RealPrograms.ROOT.toString(),
                Integer.toString(MEMORY),
                "run",
                CHECK,
                whole.toString(),
                whole.toString());
        assertThat(new String(child.getInputStream().readAllBytes(), StandardCharsets.UTF_8))
                .isEqualTo(CHECKED + CHECKED);
        assertThat(child.waitFor()).isZero();
    }

    @Test
    void aPoolIsMadeOfAFile() throws IOException {
        try (Template template = Template.open(whole, SPEC);
                SandboxPool pool = SandboxPool.builder(template).most(1).build()) {
            for (int i = 0; i < 3; i++) {
                String answer = pool.call(sandbox -> sh(sandbox, CHECK));
                assertThat(answer).isEqualTo(CHECKED);
            }
        }
    }

    @Test
    void aFileThatWasOpenedIsNotNeededAnyMore() throws IOException {
        Path copy = Files.copy(whole, directory.resolve("gone.snapshot"));
        try (Template template = Template.open(copy, SPEC)) {
            Files.write(copy, new byte[1 << 20], StandardOpenOption.TRUNCATE_EXISTING);
            Files.delete(copy);
            try (Sandbox sandbox = template.launch()) {
                assertThat(sh(sandbox, CHECK)).isEqualTo(CHECKED);
            }
        }
    }

    @Test
    void itsOwnerAloneMayReadIt() throws IOException {
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(whole)))
                .isEqualTo("rw-------");
    }

    @Test
    void whatDiffersFromAParentIsAFileOfItsOwn() throws IOException {
        Path difference = directory.resolve("difference.snapshot");
        Path other = directory.resolve("other.snapshot");
        try (Template parent = Template.open(whole, SPEC);
                Template child = parent.warmUp(sandbox -> sh(sandbox, "echo more >> /n"))) {
            child.writeTo(difference, parent);
            child.writeTo(other);
        }
        assertThat(Files.size(difference)).isLessThan(Files.size(other) / 2);
        try (Template parent = Template.open(whole, SPEC);
                Template child = Template.open(difference, SPEC, parent);
                Sandbox sandbox = child.launch()) {
            assertThat(sh(sandbox, CHECK)).isEqualTo(CHECKED.replace("kept\n", "kept\nmore\n"));
        }
        try (Template wrong = Template.open(other, SPEC)) {
            assertThat(refusal(() -> Template.open(difference, SPEC))).isEqualTo(Reason.PARENT);
            assertThat(refusal(() -> Template.open(difference, SPEC, wrong))).isEqualTo(Reason.PARENT);
            assertThat(refusal(() -> Template.open(whole, SPEC, wrong))).isEqualTo(Reason.PARENT);
        }
    }

    @Test
    void aParentIsInAFileItself() throws IOException {
        Path file = directory.resolve("never.snapshot");
        try (Template parent = Template.of(SPEC);
                Template child = parent.warmUp(sandbox -> sh(sandbox, "echo more >> /n"))) {
            assertThatThrownBy(() -> child.writeTo(file, parent)).isInstanceOf(IllegalStateException.class);
        }
        assertThat(file).doesNotExist();
    }

    @Test
    void otherImagesMemoryAndDisksAreRefused() throws IOException {
        Path root = Files.createDirectory(directory.resolve("other-root"));
        try (Image other = Image.directory(root)) {
            assertThat(refusal(() -> Template.open(whole, SPEC.withImage(other))))
                    .isEqualTo(Reason.IMAGE);
        }
        assertThat(refusal(() -> Template.open(whole, SPEC.withMemory(Memory.mebibytes(64)))))
                .isEqualTo(Reason.MACHINE);
        assertThat(refusal(() -> Template.open(whole, SPEC.withDisk(Disk.scratch(1 << 20)))))
                .isEqualTo(Reason.MACHINE);
    }

    @Test
    void whatIsNoSnapshotIsRefused() throws IOException {
        assertThatThrownBy(() -> Template.open(directory.resolve("nothing"), SPEC))
                .isInstanceOf(NoSuchFileException.class);
        Path text = Files.writeString(directory.resolve("text"), "no snapshot\n".repeat(100));
        assertThat(refusal(() -> Template.open(text, SPEC))).isEqualTo(Reason.NOT_A_SNAPSHOT);
    }

    /// One bit at a time, anywhere in the file.
    @Test
    void anAlteredFileIsRefused() throws IOException {
        byte[] good = Files.readAllBytes(whole);
        Path file = directory.resolve("altered.snapshot");
        Random random = new Random(7);
        for (int i = 0; i < Effort.times(40); i++) {
            byte[] bad = good.clone();
            // As often in the header as in the memory.
            int at = random.nextInt(i % 2 == 0 ? good.length : Math.min(good.length, 16 << 10));
            bad[at] ^= (byte) (1 << random.nextInt(8));
            Files.write(file, bad);
            assertThatThrownBy(() -> Template.open(file, SPEC).close())
                    .as("bit of byte %d", at)
                    .isInstanceOf(InvalidSnapshotException.class);
        }
    }

    @Test
    void aTruncatedFileIsRefused() throws IOException {
        byte[] good = Files.readAllBytes(whole);
        Path file = directory.resolve("truncated.snapshot");
        Random random = new Random(8);
        for (int i = 0; i < Effort.times(20); i++) {
            int length = i == 0 ? good.length - 1 : 64 + random.nextInt(good.length - 64);
            Files.write(file, Arrays.copyOf(good, length));
            assertThat(refusal(() -> Template.open(file, SPEC)))
                    .as("%d of %d bytes", length, good.length)
                    .isEqualTo(Reason.TRUNCATED);
        }
    }

    /// Opens a file, which must not work.
    @FunctionalInterface
    private interface Opening {
        Template open() throws IOException;
    }

    private static Reason refusal(Opening opening) {
        return catchThrowableOfType(
                        InvalidSnapshotException.class, () -> opening.open().close())
                .reason();
    }

    /// Whenever a JVM is killed that writes, there is what was there before, or all of the new file.
    @Test
    @Tag("long")
    void aJvmThatIsKilledWhileItWritesLeavesNoHalfFile() throws IOException, InterruptedException {
        Path place = Files.createDirectory(directory.resolve("killed"));
        Path target = place.resolve("target.snapshot");
        long size = Files.size(whole);
        Random random = new Random();
        for (int i = 0; i < Effort.times(6); i++) {
            boolean before = Files.exists(target);
            Process child = ChildJvm.start(
                    SnapshotProgram.class,
                    RealPrograms.ROOT.toString(),
                    Integer.toString(MEMORY),
                    "write",
                    whole.toString(),
                    target.toString());
            try (BufferedReader lines =
                    new BufferedReader(new InputStreamReader(child.getInputStream(), StandardCharsets.UTF_8))) {
                assertThat(lines.readLine()).isEqualTo("open");
                // From the second round on some files were written when it is killed.
                for (int written = 0; written < i; written++) {
                    assertThat(lines.readLine()).isEqualTo("written");
                }
                awaitDraft(place, random.nextLong(size), child);
                child.destroyForcibly();
                child.waitFor();
            }
            if (before || i > 0) {
                assertThat(target).exists();
            }
            if (Files.exists(target)) {
                try (Template template = Template.open(target, SPEC);
                        Sandbox sandbox = template.launch()) {
                    assertThat(sh(sandbox, CHECK)).isEqualTo(CHECKED);
                }
            }
            deleteDrafts(place);
        }
    }

    /// Until a file that is being written has so many bytes.
    private static void awaitDraft(Path place, long size, Process child) throws IOException {
        while (child.isAlive()) {
            try (DirectoryStream<Path> drafts = Files.newDirectoryStream(place, ".*")) {
                for (Path draft : drafts) {
                    try {
                        if (Files.size(draft) >= size) {
                            return;
                        }
                    } catch (NoSuchFileException e) {
                        // It got its name meanwhile: the next one.
                    }
                }
            }
            Thread.onSpinWait();
        }
        throw new AssertionError("the other JVM has ended");
    }

    private static void deleteDrafts(Path place) throws IOException {
        try (DirectoryStream<Path> drafts = Files.newDirectoryStream(place, ".*")) {
            for (Path draft : drafts) {
                Files.delete(draft);
            }
        }
    }
}
