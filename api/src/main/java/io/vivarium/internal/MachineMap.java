// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import io.vivarium.LaunchFailedException;
import io.vivarium.SandboxSpec;
import io.vivarium.guestimages.boot.BootParams;
import io.vivarium.guestimages.boot.BootParams.MemoryRange;
import io.vivarium.guestimages.boot.CommandLine;
import io.vivarium.kvm.RegionSpec;
import io.vivarium.snapshot.MemoryTemplate;
import io.vivarium.snapshot.SnapshotFile;
import java.util.ArrayList;
import java.util.List;

/// Where everything lies in the guest-physical memory of a machine, and what a kernel that boots on it finds
/// besides: of two machines with equal maps, either can go on where the other one has booted to.
///
/// | Address | What |
/// |---|---|
/// | 0 | RAM: boot tables, `boot_params`, command line, from 2 MiB the kernel; what the kernel has used
/// when it is ready is a [MemoryTemplate] |
/// | to 3 GiB | RAM |
/// | 0xD000 0000 | virtio-mmio windows of 4 KiB, one a device in the order of [Fittings]'s, interrupts from 5 |
/// | 0xD00F F000 | [WakeTimer] |
/// | from 4 GiB | the rest of the RAM |
/// | 64 GiB | the root image, read-only, in the memory map as persistent memory |
///
/// @param memory bytes of RAM, a multiple of 2 MiB
/// @param imageSize bytes of the root image
/// @param disks in the order in which the guest names them
record MachineMap(long memory, long imageSize, List<DiskShape> disks) {
    static final long WAKE_TIMER = 0xD00F_F000L;
    static final int WAKE_TIMER_IRQ = 4;

    static final long IMAGE = 0x10_0000_0000L;

    /// The most that the guest kernel's direct map reaches behind [#IMAGE]: 512 GiB in all.
    static final long MAX_IMAGE = (512L << 30) - IMAGE;

    private static final long LOW_END = 0xC000_0000L;
    private static final long HIGH_START = 0x1_0000_0000L;
    private static final long PAGE = 4096;
    private static final long FIRST_WINDOW = 0xD000_0000L;
    private static final int FIRST_DEVICE_IRQ = 5;

    // What a PC keeps free for its firmware below 1 MiB (Documentation/arch/x86/boot.rst, "Memory layout").
    private static final long CONVENTIONAL_END = 0x9_fc00;
    private static final long EXTENDED_START = 0x10_0000;

    /// First interrupt vector that is no exception's; interrupt n is this plus n.
    private static final int FIRST_VECTOR = 0x20;

    /// The map of a sandbox.
    ///
    /// @throws LaunchFailedException if the image is larger than a guest can have
    static MachineMap of(SandboxSpec spec, RootFile root, List<DiskShape> disks) {
        if (root.size() > MAX_IMAGE) {
            throw new LaunchFailedException(
                    "the image %s has %d bytes: a guest can have %d".formatted(spec.image(), root.size(), MAX_IMAGE));
        }
        return new MachineMap(spec.memory().bytes(), root.size(), disks);
    }

    /// Where the registers of a virtio device are.
    ///
    /// @param device from 0
    static long window(int device) {
        return FIRST_WINDOW + device * PAGE;
    }

    /// The interrupt of a virtio device.
    ///
    /// @param device from 0
    static int irq(int device) {
        return FIRST_DEVICE_IRQ + device;
    }

    static int vector(int irq) {
        return FIRST_VECTOR + irq;
    }

    /// The regions of memory of a machine that is to boot.
    ///
    /// @param image the root image
    List<RegionSpec> regions(RegionSpec image) {
        List<RegionSpec> regions = new ArrayList<>();
        addFresh(regions, 0, Math.min(memory, LOW_END));
        addFresh(regions, HIGH_START, highEnd());
        regions.add(image);
        return regions;
    }

    /// The regions of memory of a machine that goes on from another.
    ///
    /// @param template the memory of that, as far as it was used
    /// @param image the root image
    List<RegionSpec> regions(MemoryTemplate template, RegionSpec image) {
        List<RegionSpec> regions = new ArrayList<>(template.regions());
        addFresh(regions, template.coveredFrom(0), Math.min(memory, LOW_END));
        addFresh(regions, template.coveredFrom(HIGH_START), highEnd());
        regions.add(image);
        return regions;
    }

    /// Whether the memory of a snapshot is of such a machine.
    boolean covers(SnapshotFile snapshot) {
        return snapshot.liesWithin(new long[] {0, HIGH_START}, new long[] {Math.min(memory, LOW_END), highEnd()});
    }

    private long highEnd() {
        return HIGH_START + Math.max(memory - LOW_END, 0);
    }

    /// Fresh memory comes in pages of 2 MiB: with small ones the guest's first touch of each costs a fault.
    private static void addFresh(List<RegionSpec> regions, long start, long end) {
        if (end > start) {
            regions.add(RegionSpec.anonymousHuge(start, end - start));
        }
    }

    /// The memory map that the guest is told.
    List<MemoryRange> memoryMap() {
        List<MemoryRange> ranges = new ArrayList<>();
        ranges.add(new MemoryRange(0, CONVENTIONAL_END, BootParams.Type.RAM));
        ranges.add(new MemoryRange(EXTENDED_START, Math.min(memory, LOW_END) - EXTENDED_START, BootParams.Type.RAM));
        if (memory > LOW_END) {
            ranges.add(new MemoryRange(HIGH_START, memory - LOW_END, BootParams.Type.RAM));
        }
        ranges.add(new MemoryRange(IMAGE, Math.ceilDiv(imageSize, PAGE) * PAGE, BootParams.Type.PERSISTENT));
        return ranges;
    }

    /// What the kernel is told in words.
    ///
    /// @param tscKhz frequency of the time-stamp counter
    /// @param devices how many virtio devices there are
    static CommandLine commandLine(int tscKhz, int devices) {
        CommandLine line = CommandLine.empty().with("console", "hvc0");
        for (int device = 0; device < devices; device++) {
            line = line.withVirtioMmio(window(device), irq(device));
        }
        return line.with("tsc_early_khz", Integer.toString(tscKhz))
                .with("vivarium.wake_timer", "0x%x:%d".formatted(WAKE_TIMER, WAKE_TIMER_IRQ))
                .with("root", "pmem0")
                .with("rootfstype", "erofs");
    }
}
