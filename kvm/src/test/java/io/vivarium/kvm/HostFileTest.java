// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class HostFileTest {
    @TempDir
    private Path directory;

    private final MemorySegment memory = Arena.ofAuto().allocate(4096);

    private Path file(String content) throws IOException {
        return Files.writeString(directory.resolve("file"), content);
    }

    private String text(long offset, long length) {
        return new String(memory.asSlice(offset, length).toArray(ValueLayout.JAVA_BYTE), StandardCharsets.UTF_8);
    }

    @Test
    void readsAtPositionsAndShortAtTheEnd() throws IOException {
        try (HostFile file = HostFile.open(file("0123456789"), false)) {
            assertThat(file.size()).isEqualTo(10);
            assertThat(file.read(3, memory, 100, 4)).isEqualTo(4);
            assertThat(text(100, 4)).isEqualTo("3456");
            assertThat(file.read(8, memory, 0, 100)).isEqualTo(2);
            assertThat(file.read(10, memory, 0, 100)).isZero();
            assertThat(file.read(1L << 40, memory, 0, 100)).isZero();
        }
    }

    @Test
    void writesAtPositions() throws IOException {
        Path path = file("0123456789");
        try (HostFile file = HostFile.open(path, true)) {
            memory.setString(0, "xy");
            assertThat(file.write(4, memory, 0, 2)).isEqualTo(2);
            file.sync();
        }
        assertThat(path).hasContent("0123xy6789");
    }

    @Test
    void whatIsRefused() throws IOException {
        try (HostFile file = HostFile.open(file("0123456789"), false)) {
            assertThatExceptionOfType(KvmException.class)
                    .isThrownBy(() -> file.write(0, memory, 0, 1))
                    .withMessageContaining("EBADF");
            assertThatExceptionOfType(KvmException.class)
                    .isThrownBy(() -> file.read(-1, memory, 0, 1))
                    .withMessageContaining("EINVAL");
            assertThatExceptionOfType(IndexOutOfBoundsException.class).isThrownBy(() -> file.read(0, memory, 4000, 97));
            assertThatIllegalArgumentException().isThrownBy(() -> file.read(0, memory.asReadOnly(), 0, 1));
        }
        assertThatExceptionOfType(KvmException.class)
                .isThrownBy(() -> HostFile.open(directory.resolve("nothing"), false))
                .withMessageContaining("ENOENT");
    }

    @Test
    void holesReadAsZeros() {
        try (HostFile file = HostFile.inMemory("holes", 1 << 20)) {
            memory.fill((byte) 1);
            assertThat(file.write(0, memory, 0, 4096)).isEqualTo(4096);
            assertThat(file.punchHole(0, 4096)).isTrue();
            assertThat(file.read(0, memory, 0, 4096)).isEqualTo(4096);
            assertThat(memory.toArray(ValueLayout.JAVA_BYTE)).containsOnly(0);
            assertThat(file.size()).isEqualTo(1 << 20);
        }
    }

    @Test
    @SuppressWarnings("try")
    void manyMayShareOneMayChange() throws IOException {
        Path path = file("x");
        try (HostFile one = HostFile.open(path, false);
                HostFile two = HostFile.open(path, false);
                HostFile writer = HostFile.open(path, true)) {
            assertThat(one.tryLock(false)).isTrue();
            assertThat(two.tryLock(false)).isTrue();
            assertThat(writer.tryLock(true)).isFalse();
            one.close();
            two.close();
            assertThat(writer.tryLock(true)).isTrue();
        }
    }

    /// Other than a channel's.
    @Test
    void interruptDoesNotCloseIt() throws IOException {
        try (HostFile file = HostFile.open(file("0123456789"), false)) {
            Thread.currentThread().interrupt();
            assertThat(file.read(0, memory, 0, 10)).isEqualTo(10);
            assertThat(Thread.interrupted()).isTrue();
            assertThat(file.read(0, memory, 0, 10)).isEqualTo(10);
        }
    }

    @Test
    void closedFileIsNotUsed() throws IOException {
        HostFile file = HostFile.open(file("x"), false);
        file.close();
        file.close();
        assertThatIllegalStateException().isThrownBy(() -> file.read(0, memory, 0, 1));
        assertThatIllegalStateException().isThrownBy(file::size);
    }
}
