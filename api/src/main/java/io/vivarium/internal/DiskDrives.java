// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import io.vivarium.Disk;
import io.vivarium.InvalidDiskException;
import io.vivarium.Memory;
import io.vivarium.kvm.HostFile;
import io.vivarium.kvm.KvmException;
import io.vivarium.virtio.BlockBackend;
import io.vivarium.virtio.FileBackend;
import io.vivarium.virtio.OverlayBackend;
import io.vivarium.virtio.RateLimit;
import io.vivarium.virtio.VirtioBlock;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/// The open disks of a machine, in the order in which the guest names them.
final class DiskDrives implements AutoCloseable {
    private final List<VirtioBlock> devices = new ArrayList<>();
    private final List<DiskShape> shapes = new ArrayList<>();

    private DiskDrives() {}

    /// Opens the files of disks.
    ///
    /// @throws InvalidDiskException if one of them cannot be such a disk
    static DiskDrives open(List<Disk> disks) {
        DiskDrives drives = new DiskDrives();
        try {
            for (Disk disk : disks) {
                drives.add(disk);
            }
        } catch (RuntimeException | Error e) {
            drives.close();
            throw e;
        }
        return drives;
    }

    /// Disks that have a shape and no contents.
    static DiskDrives shaped(List<DiskShape> shapes) {
        DiskDrives drives = new DiskDrives();
        for (DiskShape shape : shapes) {
            drives.devices.add(new VirtioBlock(new BootDisk(shape), "", _ -> {}, RateLimit.none(), HostClock.INSTANCE));
            drives.shapes.add(shape);
        }
        return drives;
    }

    private void add(Disk disk) {
        String name = name(devices.size());
        BlockBackend backend = backend(name, disk);
        shapes.add(DiskShape.of(backend));
        devices.add(new VirtioBlock(
                backend,
                disk.serial(),
                new DiskErrors(name, disk.errorListener()),
                RateLimits.of(disk.bytesPerSecond(), disk.requestsPerSecond()),
                HostClock.INSTANCE));
    }

    /// As Linux names it.
    private static String name(int index) {
        return "vd" + (char) ('a' + index);
    }

    private static BlockBackend backend(String name, Disk disk) {
        return switch (disk.source()) {
            case Disk.ReadOnly(Path file) -> file(name, file, true);
            case Disk.Writable(Path file) -> file(name, file, false);
            case Disk.Overlay(Path base, Memory memory) -> new OverlayBackend(file(name, base, true), memory.bytes());
            case Disk.Scratch(long bytes) -> new FileBackend(HostFile.inMemory("vivarium-" + name, bytes), false);
        };
    }

    private static FileBackend file(String name, Path path, boolean readOnly) {
        if (!Files.exists(path)) {
            throw new InvalidDiskException("%s: there is no %s".formatted(name, path));
        }
        if (!Files.isRegularFile(path)) {
            throw new InvalidDiskException("%s: %s is no regular file".formatted(name, path));
        }
        HostFile file;
        try {
            file = HostFile.open(path, !readOnly);
        } catch (KvmException e) {
            throw new InvalidDiskException(
                    "%s: %s cannot be opened for %s: %s"
                            .formatted(name, path, readOnly ? "reading" : "reading and writing", e.errno()),
                    e);
        }
        try {
            if (!file.tryLock(!readOnly)) {
                throw new InvalidDiskException(
                        readOnly
                                ? "%s: %s is written by another sandbox".formatted(name, path)
                                : "%s: %s is in use by another sandbox".formatted(name, path));
            }
            return new FileBackend(file, readOnly);
        } catch (IllegalArgumentException e) {
            file.close();
            throw new InvalidDiskException("%s: %s".formatted(name, e.getMessage()), e);
        } catch (RuntimeException | Error e) {
            file.close();
            throw e;
        }
    }

    /// The devices.
    List<VirtioBlock> devices() {
        return devices;
    }

    /// What a kernel that has booted must have found of them.
    List<DiskShape> shapes() {
        return List.copyOf(shapes);
    }

    /// Has all requests fail from now on. Does not wait.
    void stop() {
        devices.forEach(VirtioBlock::stop);
    }

    /// Closes the files, once no request is under way.
    @Override
    public void close() {
        devices.forEach(VirtioBlock::close);
    }
}
