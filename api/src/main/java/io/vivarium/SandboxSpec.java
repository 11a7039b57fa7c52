// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import io.vivarium.internal.CommandLimits;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;

/// What a sandbox is to be. Immutable and reusable; each `with…` gives a changed copy.
public final class SandboxSpec {
    /// 256 MiB.
    public static final Memory DEFAULT_MEMORY = Memory.mebibytes(256);

    /// 10 seconds.
    public static final Duration DEFAULT_LAUNCH_TIMEOUT = Duration.ofSeconds(10);

    /// The least that a guest can be given: 16 MiB.
    public static final Memory MIN_MEMORY = Memory.mebibytes(16);

    /// The most that a guest can be given: 63 GiB, as much as fits below the image.
    public static final Memory MAX_MEMORY = Memory.gibibytes(63);

    /// The most disks that a guest can have.
    public static final int MAX_DISKS = 8;

    /// What every program finds as its environment: `PATH`, with the directories where Linux keeps programs.
    public static final Map<String, String> DEFAULT_ENV =
            Map.of("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");

    private final Image image;
    private final Resources resources;
    private final Defaults defaults;
    private final List<Disk> disks;
    private final Map<String, String> env;

    /// What the machine has.
    private record Resources(
            Memory memory,
            int vcpus,
            @Nullable Duration maxLifetime,
            Duration launchTimeout,
            OptionalLong vsockBandwidth,
            OptionalLong vsockPacketRate) {
        Resources withMemory(Memory other) {
            return new Resources(other, vcpus, maxLifetime, launchTimeout, vsockBandwidth, vsockPacketRate);
        }

        Resources withMaxLifetime(Duration other) {
            return new Resources(memory, vcpus, other, launchTimeout, vsockBandwidth, vsockPacketRate);
        }

        Resources withLaunchTimeout(Duration other) {
            return new Resources(memory, vcpus, maxLifetime, other, vsockBandwidth, vsockPacketRate);
        }

        Resources withVsock(OptionalLong bandwidth, OptionalLong packetRate) {
            return new Resources(memory, vcpus, maxLifetime, launchTimeout, bandwidth, packetRate);
        }
    }

    /// What its programs have unless their command says otherwise: over what the image says, what was set here.
    private record Defaults(
            Map<String, String> env,
            @Nullable String workingDirectory,
            @Nullable User user) {}

    private SandboxSpec(Image image, Resources resources, Defaults defaults, List<Disk> disks) {
        this.image = image;
        this.resources = resources;
        this.defaults = defaults;
        this.disks = disks;
        this.env = CommandLimits.merge(
                CommandLimits.merge(DEFAULT_ENV, image.config().env()), defaults.env);
    }

    /// One vCPU, [#DEFAULT_MEMORY], no end of life; programs start as the image's [config][Image#config] says, over
    /// [#DEFAULT_ENV]: as root in `/` when it is only files.
    public static SandboxSpec of(Image image) {
        return new SandboxSpec(
                image,
                new Resources(
                        DEFAULT_MEMORY, 1, null, DEFAULT_LAUNCH_TIMEOUT, OptionalLong.empty(), OptionalLong.empty()),
                new Defaults(Map.of(), null, null),
                List.of());
    }

    /// Another root file system, and what its config says where nothing was set here.
    public SandboxSpec withImage(Image other) {
        return new SandboxSpec(other, resources, defaults, disks);
    }

    /// How much memory the guest has: for its kernel, its programs and what they write to files. The image is not part
    /// of it. The host provides it as the guest touches it.
    ///
    /// @param memory [#MIN_MEMORY] … [#MAX_MEMORY], a multiple of 2 MiB
    public SandboxSpec withMemory(Memory memory) {
        if (memory.compareTo(MIN_MEMORY) < 0 || memory.compareTo(MAX_MEMORY) > 0) {
            throw new IllegalArgumentException(
                    "a guest cannot have " + memory + " of memory: give it " + MIN_MEMORY + " … " + MAX_MEMORY);
        }
        if (memory.bytes() % (2 << 20) != 0) {
            throw new IllegalArgumentException("guest memory of " + memory + " is not a multiple of 2 MiB");
        }
        return new SandboxSpec(image, resources.withMemory(memory), defaults, disks);
    }

    /// How many processors the guest has.
    ///
    /// @param vcpus 1: the Substrate guest kernel uses one
    /// @throws IllegalArgumentException if it is not 1
    public SandboxSpec withVcpus(int vcpus) {
        if (vcpus != 1) {
            throw new IllegalArgumentException("%d vCPUs: the Substrate guest kernel runs on 1".formatted(vcpus));
        }
        return this;
    }

    /// Stops the sandbox when it has existed this long, with [LifetimeExceededException] for whoever uses it.
    ///
    /// @param limit more than zero
    public SandboxSpec withMaxLifetime(Duration limit) {
        checkPositive("lifetime", limit);
        return new SandboxSpec(image, resources.withMaxLifetime(limit), defaults, disks);
    }

    /// How long the guest may take to be ready for programs.
    ///
    /// @param limit more than zero
    public SandboxSpec withLaunchTimeout(Duration limit) {
        checkPositive("launch timeout", limit);
        return new SandboxSpec(image, resources.withLaunchTimeout(limit), defaults, disks);
    }

    private static void checkPositive(String what, Duration limit) {
        if (limit.isNegative() || limit.isZero()) {
            throw new IllegalArgumentException(what + " must be more than zero: " + limit);
        }
    }

    /// Adds to the environment of every program, or replaces what has that name.
    ///
    /// @param name not empty, without `=` and NUL
    /// @param value without NUL
    public SandboxSpec withEnv(String name, String value) {
        return withEnv(Map.of(name, value));
    }

    /// As [#withEnv(String, String)], for several.
    public SandboxSpec withEnv(Map<String, String> variables) {
        Map<String, String> merged = CommandLimits.merge(defaults.env, variables);
        return new SandboxSpec(image, resources, new Defaults(merged, defaults.workingDirectory, defaults.user), disks);
    }

    /// Where programs start.
    ///
    /// @param directory in the guest, absolute
    public SandboxSpec withWorkingDirectory(String directory) {
        CommandLimits.checkDirectory(directory);
        return new SandboxSpec(image, resources, new Defaults(defaults.env, directory, defaults.user), disks);
    }

    /// Whom programs run as.
    public SandboxSpec withUser(long uid, long gid) {
        return new SandboxSpec(
                image, resources, new Defaults(defaults.env, defaults.workingDirectory, new User(uid, gid)), disks);
    }

    /// Adds a disk. Sandboxes of one specification have each the same disks: a [Disk#writable] one
    /// can be only one sandbox's at a time.
    ///
    /// @throws IllegalArgumentException if there are [#MAX_DISKS] already
    public SandboxSpec withDisk(Disk disk) {
        if (disks.size() == MAX_DISKS) {
            throw new IllegalArgumentException("a guest has at most %d disks".formatted(MAX_DISKS));
        }
        List<Disk> more = new ArrayList<>(disks);
        more.add(disk);
        return new SandboxSpec(image, resources, defaults, List.copyOf(more));
    }

    /// How many bytes a second its programs and the host may send each other by
    /// [Sandbox#connect(int)] and [Sandbox#listen], in each direction, all connections together. A
    /// pause saves up what comes in a second, no more.
    ///
    /// @param bytesPerSecond 1 … [Disk#MAX_RATE]; headers of 44 bytes a packet count too
    public SandboxSpec withVsockBandwidth(long bytesPerSecond) {
        Disk.checkRate(bytesPerSecond);
        return new SandboxSpec(
                image,
                resources.withVsock(OptionalLong.of(bytesPerSecond), resources.vsockPacketRate),
                defaults,
                disks);
    }

    /// How many packets a second may go the same ways: each carries up to 64 KiB, or asks for, answers or ends a
    /// connection.
    ///
    /// @param packetsPerSecond 1 … [Disk#MAX_RATE]
    public SandboxSpec withVsockPacketRate(long packetsPerSecond) {
        Disk.checkRate(packetsPerSecond);
        return new SandboxSpec(
                image,
                resources.withVsock(resources.vsockBandwidth, OptionalLong.of(packetsPerSecond)),
                defaults,
                disks);
    }

    /// The root file system.
    public Image image() {
        return image;
    }

    /// See [#withMemory].
    public Memory memory() {
        return resources.memory;
    }

    /// See [#withVcpus].
    public int vcpus() {
        return resources.vcpus;
    }

    /// See [#withMaxLifetime]; empty for no end.
    public Optional<Duration> maxLifetime() {
        return Optional.ofNullable(resources.maxLifetime);
    }

    /// See [#withLaunchTimeout].
    public Duration launchTimeout() {
        return resources.launchTimeout;
    }

    /// See [#withDisk]; the first is `/dev/vda`.
    public List<Disk> disks() {
        return disks;
    }

    /// See [#withVsockBandwidth]; empty for no limit.
    public OptionalLong vsockBandwidth() {
        return resources.vsockBandwidth;
    }

    /// See [#withVsockPacketRate]; empty for no limit.
    public OptionalLong vsockPacketRate() {
        return resources.vsockPacketRate;
    }

    /// See [#withEnv(String, String)].
    public Map<String, String> env() {
        return env;
    }

    /// See [#withWorkingDirectory].
    public String workingDirectory() {
        return Objects.requireNonNullElse(
                defaults.workingDirectory, image.config().workingDirectory());
    }

    /// See [#withUser].
    public User user() {
        return Objects.requireNonNullElse(defaults.user, image.config().user());
    }

    /// The same image (the same object), the same resources, the same defaults, the same disks.
    @Override
    public boolean equals(Object other) {
        return other instanceof SandboxSpec that
                && image.equals(that.image)
                && resources.equals(that.resources)
                && defaults.equals(that.defaults)
                && disks.equals(that.disks);
    }

    @Override
    public int hashCode() {
        return Objects.hash(image, resources, defaults, disks);
    }

    @Override
    public String toString() {
        return "%s, %s, %d vCPU".formatted(image, resources.memory, resources.vcpus);
    }
}
