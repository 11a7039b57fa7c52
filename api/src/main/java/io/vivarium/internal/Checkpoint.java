// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import io.vivarium.Disk;
import io.vivarium.InvalidDiskException;
import io.vivarium.InvalidSnapshotException;
import io.vivarium.SandboxSpec;
import io.vivarium.kvm.RegionSpec;
import io.vivarium.snapshot.InvalidSnapshotFileException;
import io.vivarium.snapshot.InvalidSnapshotFileException.Reason;
import io.vivarium.snapshot.SavedMachine;
import io.vivarium.snapshot.SnapshotFile;
import io.vivarium.snapshot.StateReader;
import io.vivarium.snapshot.StateWriter;
import java.io.IOException;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// A guest that was saved while its agent waited for the host, and from which any number of others go on. Thread-safe.
public final class Checkpoint implements AutoCloseable {
    private static final String SECTION = "sandbox";
    private static final int SECTION_VERSION = 1;
    private static final String PROCESSES = "processes";
    private static final int PROCESSES_VERSION = 1;

    private final MachineMap map;
    private final RootFile root;
    private final SavedMachine machine;
    private final List<Disk> disks;
    private final int lastProcess;
    private final List<SavedProcess> processes;

    /// Of the file that has it; null while none has.
    private volatile @Nullable String file;

    /// One in which no program goes on.
    Checkpoint(MachineMap map, RootFile root, List<Disk> disks, SavedMachine machine, int lastProcess) {
        this(map, root, disks, machine, lastProcess, List.of());
    }

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

    /// Writes it to a file, in the place of one that may be there.
    ///
    /// @param base of which the file is to hold only the differences, and which is in a file itself
    /// @throws IllegalStateException if this one or the base is closed, or the base is in no file
    public void writeTo(Path path, Optional<Checkpoint> base) throws IOException {
        StateWriter about = new StateWriter();
        about.section(SECTION, SECTION_VERSION, section -> section.u64(map.memory())
                .text(root.digest())
                .list(map.disks(), (StateWriter each, DiskShape disk) -> each.u64(disk.capacity())
                        .flag(disk.readOnly()))
                .u32(lastProcess));
        about.section(
                PROCESSES,
                PROCESSES_VERSION,
                section -> section.list(processes, (StateWriter each, SavedProcess process) -> process.write(each)));
        file = SnapshotFile.write(path, HostKvm.get().kvm(), machine, about.toBytes(), base.map(Checkpoint::asBase));
    }

    private SnapshotFile.Base asBase() {
        String id = file;
        if (id == null) {
            throw new IllegalStateException("it is in no file, so that nothing else can be that is to build on it");
        }
        return new SnapshotFile.Base(id, machine.memory());
    }

    /// Reads one from a file.
    ///
    /// @param spec what its guests are to be
    /// @param root of the image that they are to have
    /// @param base which has what the file leaves out, if it does
    /// @throws InvalidSnapshotException if they cannot go on from it
    public static Checkpoint open(Path path, SandboxSpec spec, RootFile root, Optional<Checkpoint> base)
            throws IOException {
        try (SnapshotFile file = SnapshotFile.open(path)) {
            StateReader about = new StateReader(file.about());
            Saved saved = about.section(SECTION, SECTION_VERSION, Saved::read);
            List<SavedProcess> processes =
                    about.section(PROCESSES, PROCESSES_VERSION, section -> section.list(SavedProcess::read));
            about.end();
            saved.requireFits(path, spec, root);
            saved.requireDistinct(processes);
            MachineMap map = MachineMap.of(spec, root, saved.disks);
            if (!map.covers(file)) {
                throw new InvalidSnapshotFileException(
                        Reason.MALFORMED, path + ": its memory is not where its guest has any");
            }
            SavedMachine machine = file.machine(HostKvm.get().kvm(), base.map(Checkpoint::asBase));
            Checkpoint opened = new Checkpoint(map, root, spec.disks(), machine, saved.lastProcess, processes);
            opened.file = file.id();
            return opened;
        } catch (InvalidSnapshotFileException e) {
            throw new InvalidSnapshotException(
                    InvalidSnapshotException.Reason.valueOf(e.reason().name()), String.valueOf(e.getMessage()), e);
        }
    }

    /// What a file says of the guest, besides its machine.
    private record Saved(long memory, String image, List<DiskShape> disks, int lastProcess) {
        static Saved read(StateReader from) {
            return new Saved(
                    from.u64(),
                    from.text(),
                    from.list(disk -> new DiskShape(disk.u64("capacity", Long.MAX_VALUE), disk.flag())),
                    from.u32());
        }

        /// Numbers of programs that were used, each by one of them.
        void requireDistinct(List<SavedProcess> processes) {
            Set<Integer> ids = new HashSet<>();
            for (SavedProcess process : processes) {
                if (process.id() > lastProcess || !ids.add(process.id())) {
                    throw StateReader.malformed("process %d, of %d, or twice".formatted(process.id(), lastProcess));
                }
            }
        }

        void requireFits(Path path, SandboxSpec spec, RootFile root) {
            if (!image.equals(root.digest())) {
                throw new InvalidSnapshotFileException(
                        Reason.IMAGE,
                        "%s: the guest has the image with SHA-256 %s, %s has %s"
                                .formatted(path, image, spec.image(), root.digest()));
            }
            if (memory != spec.memory().bytes()) {
                throw new InvalidSnapshotFileException(
                        Reason.MACHINE,
                        "%s: the guest has %d bytes of memory, not %d"
                                .formatted(path, memory, spec.memory().bytes()));
            }
            if (disks.size() != spec.disks().size()) {
                throw new InvalidSnapshotFileException(
                        Reason.MACHINE, "%s: the guest has disks %s, not %s".formatted(path, disks, spec.disks()));
            }
        }
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
