// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import io.vivarium.Disk;
import io.vivarium.InvalidDiskException;
import io.vivarium.kvm.RegionSpec;
import io.vivarium.snapshot.SavedMachine;
import java.util.List;

/// A guest that was saved while its agent waited for the host, and from which any number of others go on. Thread-safe.
public final class Checkpoint implements AutoCloseable {
    private final MachineMap map;
    private final RootFile root;
    private final SavedMachine machine;
    private final List<Disk> disks;
    private final int lastProcess;
    private final List<SavedProcess> processes;

    /// @param root the image that it has mapped
    /// @param disks that every guest that goes on from it is to have, each for itself
    /// @param lastProcess the last number of a process that its host has used
    /// @param processes that were started by its host and go on
    Checkpoint(
            MachineMap map,
            RootFile root,
            List<Disk> disks,
            SavedMachine machine,
            int lastProcess,
            List<SavedProcess> processes) {
        this.map = map;
        this.root = root;
        this.disks = disks;
        this.machine = machine;
        this.lastProcess = lastProcess;
        this.processes = List.copyOf(processes);
    }

    /// The memory of a machine that is to go on from it.
    ///
    /// @throws IllegalStateException if it, or the image, is closed
    List<RegionSpec> regions() {
        return map.regions(machine.memory(), RegionSpec.readOnlyFile(MachineMap.IMAGE, root.file()));
    }

    /// Opens the disks of a guest that is to go on from it.
    ///
    /// @throws InvalidDiskException if one of them cannot be what it is to be, or is not of the
    ///     size any more that the guest knows
    DiskDrives openDisks() {
        DiskDrives drives = DiskDrives.open(disks);
        if (!drives.shapes().equals(map.disks())) {
            drives.close();
            throw new InvalidDiskException(
                    "the saved sandbox had disks %s, which now are %s".formatted(map.disks(), drives.shapes()));
        }
        return drives;
    }

    SavedMachine machine() {
        return machine;
    }

    int lastProcess() {
        return lastProcess;
    }

    List<SavedProcess> processes() {
        return processes;
    }

    /// Bytes of memory that it holds, of which pages without content take none.
    public long size() {
        return machine.memory().size();
    }

    /// No more guests can go on from it; those that have go on. Idempotent.
    @Override
    public void close() {
        machine.close();
    }
}
