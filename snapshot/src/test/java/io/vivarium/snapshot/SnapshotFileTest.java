// SPDX-License-Identifier: Apache-2.0
package io.vivarium.snapshot;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import io.vivarium.kvm.Kvm;
import io.vivarium.kvm.KvmKind;
import io.vivarium.kvm.Machine;
import io.vivarium.kvm.RegionSpec;
import io.vivarium.kvm.testing.EnabledIfKvm;
import io.vivarium.kvm.x86.GuestCpu;
import io.vivarium.kvm.x86.VcpuState;
import io.vivarium.snapshot.InvalidSnapshotFileException.Reason;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/// What a snapshot file is refused for, and that a good one is not.
@Tag("machine")
@EnabledIfKvm
@Timeout(300)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class SnapshotFileTest {
    private static final byte[] ABOUT = "what else is to be known".getBytes(StandardCharsets.UTF_8);
    private static final long HIGH = 1L << 32;

    @TempDir
    private static Path directory;

    private Kvm kvm;
    private Machine machine;
    private SavedMachine saved;
    private byte[] good;

    @BeforeAll
    void save() throws IOException {
        kvm = Kvm.open();
        machine = Machine.builder(kvm)
                .region(RegionSpec.anonymous(0, 2 << 20))
                .region(RegionSpec.anonymous(HIGH, 1 << 20))
                .build();
        for (long page = 0; page < 1 << 20; page += 8192) {
            put(page, (int) page + 1);
        }
        put(HIGH + 0x3000, 4711);
        saved = SavedMachine.save("vivarium-test", kvm, machine, List.of(), Optional.of(Duration.ofMillis(5)));
        Path file = directory.resolve("good");
        SnapshotFile.write(file, kvm, saved, ABOUT, Optional.empty());
        good = Files.readAllBytes(file);
    }

    @AfterAll
    void close() {
        saved.close();
        machine.close();
        kvm.close();
    }

    private void put(long address, int value) {
        machine.memory().writableSlice(address, 4).set(ValueLayout.JAVA_INT, 0, value);
    }

    @Test
    void aMachineIsReadAsItWasWritten() throws IOException {
        Path file = directory.resolve("copy");
        Path again = directory.resolve("again");
        String id = SnapshotFile.write(file, kvm, saved, ABOUT, Optional.empty());
        try (SnapshotFile open = SnapshotFile.open(file);
                SavedMachine read = open.machine(kvm, Optional.empty())) {
            assertThat(open.id()).isEqualTo(id);
            assertThat(open.about()).isEqualTo(ABOUT);
            assertThat(open.base()).isEmpty();
            assertThat(read.wakeAfter()).contains(Duration.ofMillis(5));
            assertThat(read.memory().content().mismatch(saved.memory().content()))
                    .isEqualTo(-1);
            assertThat(read.memory().regions())
                    .extracting(RegionSpec::guestPhysicalAddress)
                    .containsExactly(0L, HIGH);
            SnapshotFile.write(again, kvm, read, ABOUT, Optional.empty());
        }
        // All but the host's time-stamp counter at that moment, and the digest.
        assertThat(Files.size(again)).isEqualTo(Files.size(file));
        try (SnapshotFile first = SnapshotFile.open(file);
                SnapshotFile second = SnapshotFile.open(again);
                SavedMachine one = first.machine(kvm, Optional.empty());
                SavedMachine two = second.machine(kvm, Optional.empty())) {
            StateWriter oneRest = new StateWriter();
            StateWriter twoRest = new StateWriter();
            one.write(oneRest);
            two.write(twoRest);
            assertThat(oneRest.toBytes()).isEqualTo(twoRest.toBytes());
        }
    }

    @Test
    void pagesWithoutContentTakeNoSpace() {
        assertThat(good.length).isLessThan((1 << 20) / 2 + (64 << 10));
    }

    /// Of 1 MiB that the base has, 4 pages are other ones, one is gone, and one is new.
    @Test
    void onlyWhatDiffersFromABaseIsWritten() throws IOException {
        Path file = directory.resolve("difference");
        try (Machine other = Machine.builder(kvm)
                .region(RegionSpec.anonymous(0, 2 << 20))
                .region(RegionSpec.anonymous(HIGH, 1 << 20))
                .build()) {
            for (long page = 0; page < 1 << 20; page += 8192) {
                int value = page < 4 * 8192 ? 99 : (int) page + 1;
                other.memory().writableSlice(page, 4).set(ValueLayout.JAVA_INT, 0, page == 5 * 8192 ? 0 : value);
            }
            other.memory().writableSlice(0x1000, 4).set(ValueLayout.JAVA_INT, 0, 5);
            other.memory().writableSlice(HIGH + 0x3000, 4).set(ValueLayout.JAVA_INT, 0, 4711);
            SnapshotFile.Base base = new SnapshotFile.Base("the base", saved.memory());
            try (SavedMachine next = SavedMachine.save("vivarium-test", kvm, other, List.of(), Optional.empty())) {
                SnapshotFile.write(file, kvm, next, ABOUT, Optional.of(base));
                assertThat(Files.size(file)).isBetween(5L * 4096, 9L * 4096);
                try (SnapshotFile open = SnapshotFile.open(file);
                        SavedMachine read = open.machine(kvm, Optional.of(base))) {
                    assertThat(read.memory().content().mismatch(next.memory().content()))
                            .isEqualTo(-1);
                }
            }
        }
    }

    /// What anyone who damages a file does.
    Stream<Arguments> damages() {
        return Stream.of(
                arguments("empty", (UnaryOperator<byte[]>) _ -> new byte[0], Reason.NOT_A_SNAPSHOT),
                arguments("half of the magic", cut(4), Reason.NOT_A_SNAPSHOT),
                arguments("the magic of another file", set(1, 'P'), Reason.NOT_A_SNAPSHOT),
                arguments("line ends were converted", set(5, '\r'), Reason.NOT_A_SNAPSHOT),
                arguments("the magic only", cut(8), Reason.TRUNCATED),
                arguments("half of the prelude", cut(40), Reason.TRUNCATED),
                arguments("the next version of the format", set(8, 2), Reason.FORMAT_VERSION),
                arguments("a header of no length", all(12, 16, 0), Reason.ALTERED),
                arguments("a header of 2 GiB", set(15, 0x7f), Reason.ALTERED),
                arguments("a header of -1 bytes", all(12, 16, 0xff), Reason.ALTERED),
                arguments("memory within the header", all(16, 24, 0), Reason.ALTERED),
                arguments("memory elsewhere", set(18, 0x7f), Reason.ALTERED),
                arguments("memory that is no pages", set(24, 1), Reason.ALTERED),
                arguments("memory of negative length", set(31, 0xff), Reason.ALTERED),
                arguments("less memory than there is", set(26, 0), Reason.ALTERED),
                arguments("another digest", set(32, 1), Reason.ALTERED),
                arguments("another header", set(200, 0xaa), Reason.ALTERED),
                arguments("the header only", cut(Forgery.PRELUDE + 100), Reason.TRUNCATED),
                arguments("no memory", cut(4096), Reason.TRUNCATED),
                arguments("a byte too few", cut(-1), Reason.TRUNCATED),
                arguments(
                        "a byte too many",
                        (UnaryOperator<byte[]>) bytes -> Arrays.copyOf(bytes, bytes.length + 1),
                        Reason.ALTERED),
                arguments("the first byte of the memory", flip(memoryStart(good)), Reason.ALTERED),
                arguments("the last byte", flip(good.length - 1), Reason.ALTERED),
                arguments("a byte before the memory", flip(memoryStart(good) - 1), Reason.ALTERED));
    }

    private static int memoryStart(byte[] file) {
        return ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN).getInt(16);
    }

    private static UnaryOperator<byte[]> cut(int length) {
        return bytes -> Arrays.copyOf(bytes, length < 0 ? bytes.length + length : length);
    }

    private static UnaryOperator<byte[]> set(int at, int value) {
        return all(at, at + 1, value);
    }

    private static UnaryOperator<byte[]> all(int from, int to, int value) {
        return bytes -> {
            Arrays.fill(bytes, from, to, (byte) value);
            return bytes;
        };
    }

    private static UnaryOperator<byte[]> flip(int at) {
        return bytes -> {
            bytes[at] ^= 1;
            return bytes;
        };
    }

    @ParameterizedTest(name = "{0}: {2}")
    @MethodSource("damages")
    void aDamagedFileIsRefused(String what, UnaryOperator<byte[]> damage, Reason reason) throws IOException {
        assertThat(refusal(damage.apply(good.clone()))).as(what).isEqualTo(reason);
    }

    private Reason refusal(byte[] bytes) throws IOException {
        Path file = Files.write(directory.resolve("bad"), bytes);
        return catchThrowableOfType(InvalidSnapshotFileException.class, () -> {
                    try (SnapshotFile open = SnapshotFile.open(file)) {
                        open.machine(kvm, Optional.empty()).close();
                    }
                })
                .reason();
    }

    /// The parts of a header, each of which a case replaces.
    record Parts(
            String version, Consumer<StateWriter> host, Consumer<StateWriter> memory, Consumer<StateWriter> machine) {
        byte[] file() {
            StateWriter header = new StateWriter().text(version);
            host.accept(header);
            header.bytes(ABOUT);
            memory.accept(header);
            machine.accept(header);
            return Forgery.file(header.toBytes(), content());
        }

        Parts version(String other) {
            return new Parts(other, host, memory, machine);
        }

        Parts host(HostTraits other) {
            return new Parts(version, other::write, memory, machine);
        }

        Parts host(Consumer<StateWriter> other) {
            return new Parts(version, other, memory, machine);
        }

        Parts memory(long address, long length, long runStart, long runLength) {
            return memory(Forgery.memory(address, length, runStart, runLength, content()));
        }

        Parts memory(Consumer<StateWriter> other) {
            return new Parts(version, host, other, machine);
        }

        Parts machine(Consumer<StateWriter> other) {
            return new Parts(version, host, memory, other);
        }
    }

    private Parts forged() {
        byte[] header = Arrays.copyOfRange(good, Forgery.PRELUDE, good.length);
        return new Parts(
                new StateReader(header).text(),
                HostTraits.of(kvm)::write,
                Forgery.memory(0, 1 << 20, 4096, 8192, content()),
                saved::write);
    }

    /// The pages of a forged file.
    private static byte[] content() {
        byte[] content = new byte[8192];
        Arrays.fill(content, (byte) 7);
        return content;
    }

    @Test
    void aForgedFileThatSaysWhatCanBeIsRead() throws IOException {
        Path file = Files.write(directory.resolve("forged"), forged().file());
        try (SnapshotFile open = SnapshotFile.open(file);
                SavedMachine read = open.machine(kvm, Optional.empty())) {
            assertThat(read.memory().content().get(ValueLayout.JAVA_BYTE, 4096)).isEqualTo((byte) 7);
            assertThat(open.liesWithin(new long[] {0}, new long[] {1 << 20})).isTrue();
            assertThat(open.liesWithin(new long[] {0}, new long[] {(1 << 20) - 1}))
                    .isFalse();
            assertThat(open.liesWithin(new long[] {4096}, new long[] {1 << 20})).isFalse();
        }
    }

    Stream<Arguments> forgeries() {
        HostTraits here = HostTraits.of(kvm);
        KvmKind otherKind = here.kind() == KvmKind.NATIVE ? KvmKind.DEPRIVILEGING : KvmKind.NATIVE;
        Parts parts = forged();
        byte[] cpu = here.cpu().toBytes();
        return Stream.of(
                arguments("another version of Vivarium", parts.version("9.9"), Reason.VIVARIUM_VERSION),
                arguments(
                        "another kind of KVM",
                        parts.host(new HostTraits(otherKind, here.tscKhz(), here.cpu())),
                        Reason.KVM_KIND),
                arguments(
                        "another clock",
                        parts.host(new HostTraits(here.kind(), here.tscKhz() * 2, here.cpu())),
                        Reason.CLOCK),
                arguments("a CPU that can do everything", parts.host(cpu(here, richest(cpu))), Reason.CPU),
                arguments("another vendor's CPU", parts.host(cpu(here, otherVendor(cpu))), Reason.CPU),
                arguments(
                        "half a CPU",
                        parts.host(section("host", 1, to -> to.text(here.kind().name())
                                .u32(here.tscKhz())
                                .bytes(new byte[16]))),
                        Reason.MALFORMED),
                arguments(
                        "a kind of KVM that there is not",
                        parts.host(
                                section("host", 1, to -> to.text("OTHER").u32(1).bytes(cpu))),
                        Reason.MALFORMED),
                arguments("a later state of the host", parts.host(section("host", 2, _ -> {})), Reason.FORMAT_VERSION),
                arguments(
                        "something else where the host should be",
                        parts.host(section("ghost", 1, _ -> {})),
                        Reason.MALFORMED),
                arguments("nothing of the host", parts.host(section("host", 1, _ -> {})), Reason.MALFORMED),
                arguments(
                        "more of the host than there is",
                        parts.host(to ->
                                to.section("host", 1, in -> in.text(here.kind().name())
                                        .u32(here.tscKhz())
                                        .bytes(cpu)
                                        .flag(true))),
                        Reason.MALFORMED),
                arguments("no memory", parts.memory(0, 0, 0, 8192), Reason.MALFORMED),
                arguments("memory at half a page", parts.memory(2048, 1 << 20, 0, 8192), Reason.MALFORMED),
                arguments("memory without end", parts.memory(0, Long.MAX_VALUE & -4096, 0, 8192), Reason.MALFORMED),
                arguments("negative memory", parts.memory(-4096, 1 << 20, 0, 8192), Reason.MALFORMED),
                arguments("content outside of the memory", parts.memory(0, 1 << 20, 1 << 20, 8192), Reason.MALFORMED),
                arguments(
                        "content up to outside of the memory",
                        parts.memory(0, 1 << 20, (1 << 20) - 4096, 8192),
                        Reason.MALFORMED),
                arguments("more content than there is", parts.memory(0, 1 << 20, 0, 12288), Reason.MALFORMED),
                arguments("less content than there is", parts.memory(0, 1 << 20, 0, 4096), Reason.MALFORMED),
                arguments(
                        "another digest of the content",
                        parts.memory(Forgery.memory(0, 1 << 20, 0, 8192, new byte[8192])),
                        Reason.ALTERED),
                arguments(
                        "memory that overlaps itself",
                        parts.memory(section("memory", 1, to -> to.list(
                                        List.of(0L, 4096L), (StateWriter each, Long start) -> each.u64(start)
                                                .u64(8192))
                                .text("")
                                .u32(0)
                                .u32(0)
                                .u32(0))),
                        Reason.MALFORMED),
                arguments(
                        "a base that is not there",
                        parts.memory(section("memory", 1, to -> to.list(
                                        List.of(0L), (StateWriter each, Long start) -> each.u64(start)
                                                .u64(8192))
                                .text("base")
                                .list(List.of(0L), (StateWriter each, Long start) -> each.u64(start)
                                        .u64(8192))
                                .u32(0)
                                .bytes(Digests.sha256(content())))),
                        Reason.PARENT),
                arguments(
                        "zeros in place of no base's pages",
                        parts.memory(section("memory", 1, to -> to.list(
                                        List.of(0L), (StateWriter each, Long start) -> each.u64(start)
                                                .u64(8192))
                                .text("")
                                .list(List.of(0L), (StateWriter each, Long start) -> each.u64(start)
                                        .u64(8192))
                                .list(List.of(0L), (StateWriter each, Long start) -> each.u64(start)
                                        .u64(8192))
                                .bytes(Digests.sha256(content())))),
                        Reason.MALFORMED),
                arguments("2^32-1 stretches", parts.memory(section("memory", 1, to -> to.u32(-1))), Reason.MALFORMED),
                arguments("no machine", parts.machine(_ -> {}), Reason.MALFORMED),
                arguments(
                        "more than a machine",
                        parts.machine(to -> {
                            saved.write(to);
                            to.flag(true);
                        }),
                        Reason.MALFORMED),
                arguments("a vCPU of a few bytes", parts.machine(vcpu(new byte[] {1, 2, 3}, 32)), Reason.MALFORMED),
                arguments(
                        "a vCPU of negative length",
                        parts.machine(vcpu(new byte[] {-1, -1, -1, -1}, 32)),
                        Reason.MALFORMED),
                arguments("an exception for an interrupt", parts.machine(vcpu(realVcpu(), 31)), Reason.MALFORMED),
                arguments("an interrupt that there is not", parts.machine(vcpu(realVcpu(), 256)), Reason.MALFORMED),
                arguments(
                        "a device of no kind",
                        parts.machine(to -> {
                            to.section("vcpus", 1, in -> in.u32(0));
                            to.section("devices", 1, in -> in.u32(1).text("TELEPRINTER"));
                        }),
                        Reason.MALFORMED),
                arguments(
                        "a later state of a device",
                        parts.machine(to -> {
                            to.section("vcpus", 1, in -> in.u32(0));
                            to.section(
                                    "devices", 1, in -> in.u32(1).text("RNG").section("rng", 2, rng -> rng.flag(true)));
                        }),
                        Reason.FORMAT_VERSION),
                arguments(
                        "a timer that has run out long ago",
                        parts.machine(to -> {
                            to.section("vcpus", 1, in -> in.u32(0));
                            to.section("devices", 1, in -> in.u32(0));
                            to.section("wake-timer", 1, in -> in.flag(true).u64(-1));
                        }),
                        Reason.MALFORMED),
                arguments(
                        "a truth value of 2",
                        parts.machine(to -> {
                            to.section("vcpus", 1, in -> in.u32(0));
                            to.section("devices", 1, in -> in.u32(0));
                            to.section("wake-timer", 1, in -> in.raw(new byte[] {2})
                                    .u64(1));
                        }),
                        Reason.MALFORMED));
    }

    private static Consumer<StateWriter> section(String name, int version, Consumer<StateWriter> content) {
        return to -> to.section(name, version, content);
    }

    private static HostTraits cpu(HostTraits here, byte[] cpu) {
        return new HostTraits(here.kind(), here.tscKhz(), GuestCpu.ofBytes(cpu));
    }

    private static byte[] otherVendor(byte[] cpu) {
        byte[] other = cpu.clone();
        other[Long.BYTES + Integer.BYTES] ^= 1;
        return other;
    }

    /// All bits that are set in any word, but for the counter and the first leaf, the vendor's.
    private static byte[] richest(byte[] cpu) {
        byte[] other = cpu.clone();
        Arrays.fill(other, Long.BYTES + 2 * 16, other.length, (byte) 0xff);
        return other;
    }

    private byte[] realVcpu() {
        return VcpuState.save(kvm, machine.vcpu(0)).toBytes();
    }

    private static Consumer<StateWriter> vcpu(byte[] state, int interrupt) {
        return to -> {
            to.section("vcpus", 1, in -> in.u32(1).bytes(state).flag(false).list(List.of(interrupt), StateWriter::u32));
            to.section("devices", 1, in -> in.u32(0));
            to.section("wake-timer", 1, in -> in.flag(false).u64(0));
        };
    }

    @ParameterizedTest(name = "{0}: {2}")
    @MethodSource("forgeries")
    void aFileThatSaysWhatCannotBeIsRefused(String what, Parts parts, Reason reason) throws IOException {
        assertThat(refusal(parts.file())).as(what).isEqualTo(reason);
    }
}
