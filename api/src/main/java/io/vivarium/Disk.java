// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// A disk that a sandbox is to have: `/dev/vda` is its first, `/dev/vdb` its second, up to [SandboxSpec#MAX_DISKS].
///
/// A disk's file is a regular file of the host, a multiple of [#SECTOR] bytes long, and is read and
/// written while the guest does so, never mapped: whatever happens to it, the guest sees an error,
/// and this process none but a [DiskError]. As long as a sandbox has it open for writing no other
/// one can open it, in this process or another one, and none can open it for writing while another
/// one has it open at all (flock(2)).
///
/// Immutable and reusable; each `with…` gives a changed copy. Equal disks have the same source, the
/// same limits, and the same listener.
public final class Disk {
    /// The unit of a disk's size: 512 bytes.
    public static final int SECTOR = 512;

    /// The most characters of a serial number.
    public static final int MAX_SERIAL = 20;

    /// What an overlay may hold in memory unless [#withOverlayMemory] says otherwise: 256 MiB.
    public static final Memory DEFAULT_OVERLAY_MEMORY = Memory.mebibytes(256);

    /// The most that a limit can be, in a second.
    public static final long MAX_RATE = 1L << 32;

    /// Where a disk's contents come from, and where what is written to it goes.
    public sealed interface Source {}

    /// A file that can only be read.
    ///
    /// @param file on the host
    public record ReadOnly(Path file) implements Source {}

    /// A file to which everything is written. What a program has written is in the host's page
    /// cache when its call returns, and on stable storage after `fsync`.
    ///
    /// @param file on the host
    public record Writable(Path file) implements Source {}

    /// A file that is not changed, and what is written instead, which is kept in memory and gone with the sandbox.
    ///
    /// @param base on the host
    /// @param memory how much may be kept; beyond that, writing fails
    public record Overlay(Path base, Memory memory) implements Source {}

    /// Zeros, and what is written, which is kept in memory and gone with the sandbox. What was not
    /// written, or was discarded, takes no memory.
    ///
    /// @param bytes its size
    public record Scratch(long bytes) implements Source {}

    private final Source source;
    private final String serial;
    private final Limits limits;
    private final @Nullable Consumer<DiskError> listener;

    private record Limits(OptionalLong bytesPerSecond, OptionalLong requestsPerSecond) {}

    private Disk(Source source, String serial, Limits limits, @Nullable Consumer<DiskError> listener) {
        this.source = source;
        this.serial = serial;
        this.limits = limits;
        this.listener = listener;
    }

    private static Disk of(Source source) {
        return new Disk(source, "", new Limits(OptionalLong.empty(), OptionalLong.empty()), null);
    }

    /// A file that the guest can only read. Any number of sandboxes can have it at the same time.
    public static Disk readOnly(Path file) {
        return of(new ReadOnly(file));
    }

    /// A file that the guest reads and writes.
    public static Disk writable(Path file) {
        return of(new Writable(file));
    }

    /// A file as it is now, to which the guest can write without changing it: what it writes is in
    /// memory, up to [#DEFAULT_OVERLAY_MEMORY], and gone with the sandbox. Any number of sandboxes
    /// can have the same file at the same time, and none sees what the others write.
    public static Disk overlay(Path base) {
        return of(new Overlay(base, DEFAULT_OVERLAY_MEMORY));
    }

    /// An empty disk in memory, gone with the sandbox.
    ///
    /// @param bytes a multiple of [#SECTOR], more than zero
    public static Disk scratch(long bytes) {
        if (bytes <= 0 || bytes % SECTOR != 0) {
            throw new IllegalArgumentException(
                    "a disk of %d bytes: give it a multiple of %d, and one sector at least".formatted(bytes, SECTOR));
        }
        return of(new Scratch(bytes));
    }

    /// How much an overlay may keep in memory; a program that writes more gets `EIO`. What the
    /// guest discards (`BLKDISCARD`) does not count any more.
    ///
    /// @param memory any amount
    /// @throws IllegalStateException if this disk is no overlay
    public Disk withOverlayMemory(Memory memory) {
        if (!(source instanceof Overlay(Path base, Memory _))) {
            throw new IllegalStateException("no overlay: " + this);
        }
        return new Disk(new Overlay(base, memory), serial, limits, listener);
    }

    /// What the guest is told as its serial number; nothing unless this is called.
    ///
    /// @param newSerial ASCII, at most [#MAX_SERIAL] characters
    public Disk withSerial(String newSerial) {
        if (newSerial.length() > MAX_SERIAL
                || !StandardCharsets.US_ASCII.newEncoder().canEncode(newSerial)) {
            throw new IllegalArgumentException(
                    "a serial number has at most %d ASCII characters: %s".formatted(MAX_SERIAL, newSerial));
        }
        return new Disk(source, newSerial, limits, listener);
    }

    /// How many bytes a second the guest may read and write, in all. A pause saves up what comes in a second, no more.
    ///
    /// @param bytesPerSecond 1 … [#MAX_RATE]
    public Disk withBandwidth(long bytesPerSecond) {
        checkRate(bytesPerSecond);
        return new Disk(
                source, serial, new Limits(OptionalLong.of(bytesPerSecond), limits.requestsPerSecond), listener);
    }

    /// How many requests a second the guest may make. A pause saves up what comes in a second, no
    /// more. A system call of a program makes one request for each 256 KiB.
    ///
    /// @param requestsPerSecond 1 … [#MAX_RATE]
    public Disk withRequestRate(long requestsPerSecond) {
        checkRate(requestsPerSecond);
        return new Disk(
                source, serial, new Limits(limits.bytesPerSecond, OptionalLong.of(requestsPerSecond)), listener);
    }

    static void checkRate(long perSecond) {
        if (perSecond < 1 || perSecond > MAX_RATE) {
            throw new IllegalArgumentException("a rate of %d a second: give 1 … %d".formatted(perSecond, MAX_RATE));
        }
    }

    /// Who hears of each [DiskError]; they are logged in any case, the first of each disk as a warning.
    ///
    /// @param newListener called by a thread that runs the guest: returns soon, and throws nothing
    public Disk withErrorListener(Consumer<DiskError> newListener) {
        return new Disk(source, serial, limits, newListener);
    }

    /// Where its contents come from.
    public Source source() {
        return source;
    }

    /// See [#withSerial].
    public String serial() {
        return serial;
    }

    /// See [#withBandwidth]; empty for no limit.
    public OptionalLong bytesPerSecond() {
        return limits.bytesPerSecond;
    }

    /// See [#withRequestRate]; empty for no limit.
    public OptionalLong requestsPerSecond() {
        return limits.requestsPerSecond;
    }

    /// See [#withErrorListener].
    public Optional<Consumer<DiskError>> errorListener() {
        return Optional.ofNullable(listener);
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Disk that
                && source.equals(that.source)
                && serial.equals(that.serial)
                && limits.equals(that.limits)
                && Objects.equals(listener, that.listener);
    }

    @Override
    public int hashCode() {
        return Objects.hash(source, serial, limits, listener);
    }

    @Override
    public String toString() {
        return source.toString();
    }
}
