// SPDX-License-Identifier: Apache-2.0
package io.vivarium.snapshot;

import io.vivarium.kvm.Kvm;
import io.vivarium.kvm.Machine;
import io.vivarium.kvm.PageMap;
import io.vivarium.kvm.x86.IncompatibleCpuException;
import io.vivarium.kvm.x86.Translations;
import io.vivarium.kvm.x86.VcpuState;
import io.vivarium.snapshot.InvalidSnapshotFileException.Reason;
import io.vivarium.virtio.VirtioMmioState;
import io.vivarium.virtio.VirtioMmioTransport;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Supplier;

/// A machine at rest, from which any number of others can go on: its memory, its vCPUs, and its
/// devices.
///
/// What the host has at the other end of the devices is not part of it. Thread-safe.
public final class SavedMachine implements AutoCloseable {
    private static final int VCPUS_VERSION = 1;
    private static final int DEVICES_VERSION = 1;
    private static final int WAKE_TIMER_VERSION = 1;

    // Intel SDM 3A, 7.2: those before are exceptions.
    private static final int FIRST_VECTOR = 32;
    private static final int LAST_VECTOR = 255;

    private final MemoryTemplate memory;
    private final List<SavedVcpu> vcpus;
    private final List<VirtioMmioState> devices;
    private final Optional<Duration> wakeAfter;

    private SavedMachine(
            MemoryTemplate memory, List<SavedVcpu> vcpus, List<VirtioMmioState> devices, Optional<Duration> wakeAfter) {
        this.memory = memory;
        this.vcpus = List.copyOf(vcpus);
        this.devices = List.copyOf(devices);
        this.wakeAfter = wakeAfter;
    }

    /// @param interrupts vectors that it was given and has not taken
    private record SavedVcpu(VcpuState state, boolean halted, List<Integer> interrupts) {
        void write(StateWriter to) {
            to.bytes(state.toBytes()).flag(halted).list(interrupts, StateWriter::u32);
        }

        static SavedVcpu read(Kvm kvm, StateReader from) {
            try {
                return new SavedVcpu(
                        VcpuState.ofBytes(kvm, from.bytes()), from.flag(), from.list(SavedVcpu::readVector));
            } catch (IncompatibleCpuException e) {
                throw new InvalidSnapshotFileException(Reason.CPU, "a vCPU of this host lacks " + e.getMessage(), e);
            }
        }

        private static int readVector(StateReader from) {
            int vector = from.u32();
            if (vector < FIRST_VECTOR || vector > LAST_VECTOR) {
                throw StateReader.malformed("an interrupt with vector %d".formatted(vector));
            }
            return vector;
        }

        /// What of a vCPU is not in [VcpuState].
        void restoreRest(Machine machine, int index) {
            machine.setHalted(index, halted);
            interrupts.forEach(vector -> machine.interrupt(index, vector));
        }
    }

    /// A machine that was looked at, and can go on: what is left to do to have it saved needs it no more.
    public static final class Taken implements AutoCloseable {
        private final List<TakenVcpu> vcpus;
        private final List<VirtioMmioState> devices;
        private final Optional<Duration> wakeAfter;
        private final TakenMemory memory;

        private Taken(
                List<TakenVcpu> vcpus,
                List<VirtioMmioState> devices,
                Optional<Duration> wakeAfter,
                TakenMemory memory) {
            this.vcpus = vcpus;
            this.devices = devices;
            this.wakeAfter = wakeAfter;
            this.memory = memory;
        }

        /// The pages of memory that were copied while it stood still.
        public long pages() {
            return memory.pages();
        }

        /// Completes it. Any thread; once.
        ///
        /// @throws io.vivarium.kvm.KvmException if the host has no memory for it
        public SavedMachine finish() {
            MemoryTemplate template = memory.finish();
            try {
                return new SavedMachine(
                        template, vcpus.stream().map(TakenVcpu::finish).toList(), devices, wakeAfter);
            } catch (RuntimeException | Error e) {
                template.close();
                throw e;
            }
        }

        /// Lets go of it, if it was not finished.
        @Override
        public void close() {
            memory.close();
        }
    }

    /// Memory that was copied as a whole, or as far as it differs from a template's.
    private sealed interface TakenMemory extends AutoCloseable {
        long pages();

        MemoryTemplate finish();

        @Override
        void close();

        record Whole(MemoryTemplate template, AtomicBoolean finished) implements TakenMemory {
            @Override
            public long pages() {
                return template.size() / PageMap.PAGE_SIZE;
            }

            @Override
            public MemoryTemplate finish() {
                finished.set(true);
                return template;
            }

            @Override
            public void close() {
                if (!finished.get()) {
                    template.close();
                }
            }
        }

        record Changes(MemoryTemplate.Capture capture) implements TakenMemory {
            @Override
            public long pages() {
                return capture.pages();
            }

            @Override
            public MemoryTemplate finish() {
                return capture.finish();
            }

            @Override
            public void close() {
                capture.close();
            }
        }
    }

    private record TakenVcpu(VcpuState.Reading state, boolean halted, List<Integer> interrupts) {
        static TakenVcpu of(Kvm kvm, Machine machine, int index) {
            return new TakenVcpu(
                    VcpuState.read(kvm, machine.vcpu(index)),
                    machine.isHalted(index),
                    Arrays.stream(machine.pendingInterrupts(index)).boxed().toList());
        }

        SavedVcpu finish() {
            return new SavedVcpu(state.finish(), halted, interrupts);
        }
    }

    /// Saves a machine, which can go on after that, at any moment between two runs of its vCPUs.
    ///
    /// @param name shown in `/proc/self/maps`
    /// @param kvm what the machine was made with
    /// @param machine of which no vCPU runs
    /// @param devices all of its virtio devices
    /// @param wakeAfter what was left of the guest's timer; empty if it had none running
    /// @throws io.vivarium.kvm.KvmException if the host has no memory for it
    public static SavedMachine save(
            String name, Kvm kvm, Machine machine, List<VirtioMmioTransport> devices, Optional<Duration> wakeAfter) {
        try (Taken taken = take(name, kvm, machine, devices, wakeAfter, Optional.empty())) {
            return taken.finish();
        }
    }

    /// The part of [#save] for which the machine has to stand still, as short as it can be.
    ///
    /// @param name shown in `/proc/self/maps`
    /// @param kvm what the machine was made with
    /// @param machine of which no vCPU runs
    /// @param devices all of its virtio devices
    /// @param wakeAfter what was left of the guest's timer; empty if it had none running
    /// @param origin from which the machine went on; empty if it booted. Only pages that differ
    ///     from it are copied now, unless it is closed
    /// @return to be finished, and closed
    /// @throws io.vivarium.kvm.KvmException if the host has no memory for it
    public static Taken take(
            String name,
            Kvm kvm,
            Machine machine,
            List<VirtioMmioTransport> devices,
            Optional<Duration> wakeAfter,
            Optional<SavedMachine> origin) {
        List<TakenVcpu> vcpus = new ArrayList<>();
        for (int index = 0; index < machine.vcpus(); index++) {
            vcpus.add(TakenVcpu.of(kvm, machine, index));
        }
        List<VirtioMmioState> states =
                devices.stream().map(VirtioMmioTransport::save).toList();
        TakenMemory memory = origin.flatMap(from -> from.memory.captureChanges(name, machine.memory()))
                .<TakenMemory>map(TakenMemory.Changes::new)
                .orElseGet(() ->
                        new TakenMemory.Whole(MemoryTemplate.capture(name, machine.memory()), new AtomicBoolean()));
        return new Taken(vcpus, states, wakeAfter, memory);
    }

    /// Writes all but the memory.
    void write(StateWriter to) {
        to.section(
                "vcpus",
                VCPUS_VERSION,
                section -> section.list(vcpus, (StateWriter each, SavedVcpu vcpu) -> vcpu.write(each)));
        to.section("devices", DEVICES_VERSION, section -> section.list(devices, DeviceStates::write));
        to.section("wake-timer", WAKE_TIMER_VERSION, section -> {
            section.flag(wakeAfter.isPresent());
            section.u64(wakeAfter.map(Duration::toNanos).orElse(0L));
        });
    }

    /// Reads what [#write] has written.
    ///
    /// @param memory gives its memory, once the rest was read
    /// @throws InvalidSnapshotFileException if that makes no machine, or none of this host
    static SavedMachine read(Kvm kvm, StateReader from, Supplier<MemoryTemplate> memory) {
        List<SavedVcpu> vcpus =
                from.section("vcpus", VCPUS_VERSION, section -> section.list(each -> SavedVcpu.read(kvm, each)));
        List<VirtioMmioState> devices =
                from.section("devices", DEVICES_VERSION, section -> section.list(DeviceStates::read));
        Optional<Duration> wakeAfter = from.section("wake-timer", WAKE_TIMER_VERSION, section -> {
            boolean running = section.flag();
            Duration left = Duration.ofNanos(section.u64("nanoseconds", Long.MAX_VALUE));
            return running ? Optional.of(left) : Optional.<Duration>empty();
        });
        return new SavedMachine(memory.get(), vcpus, devices, wakeAfter);
    }

    /// The memory, which a machine has to be built with to go on.
    public MemoryTemplate memory() {
        return memory;
    }

    /// How long after it has gone on the guest's timer is to wake it; empty if it was not running.
    public Optional<Duration> wakeAfter() {
        return wakeAfter;
    }

    /// Has another machine go on where the saved one was.
    ///
    /// @param machine built with [#memory], and as many vCPUs; none has run yet
    /// @param devices in the order in which they were saved, built as those were
    /// @throws IllegalArgumentException if the machine is not built like the saved one
    public void restore(Machine machine, List<VirtioMmioTransport> devices) {
        requireAlike(machine, devices);
        memory.prepare(machine.memory());
        for (int index = 0; index < vcpus.size(); index++) {
            SavedVcpu vcpu = vcpus.get(index);
            vcpu.state().restore(machine.vcpu(index));
            vcpu.restoreRest(machine, index);
        }
        restore(devices);
    }

    /// Has a machine in which another guest went on from this one go on from it again: nothing of
    /// that guest is left, not in memory, the vCPUs, or KVM. The devices are to be new ones.
    ///
    /// @param way how this host forgets what it knows of the guest's page tables; not `NONE`
    /// @param pageMap of this process
    /// @param machine that was built with [#memory] and went on from this; no vCPU runs, and
    ///     whoever had to do with the other guest has let go of it
    /// @param devices that nobody has used
    /// @throws IllegalStateException if the machine did not do what was expected of it: close it;
    ///     also on a virtual thread
    public void reset(Translations.Way way, PageMap pageMap, Machine machine, List<VirtioMmioTransport> devices) {
        requireAlike(machine, devices);
        machine.revive();
        for (int index = 0; index < vcpus.size(); index++) {
            vcpus.get(index).state().overwrite(machine.vcpu(index));
        }
        Translations.forget(way, machine, memory.putBack(pageMap, machine.memory()));
        if (way == Translations.Way.EMULATED_WRITES) {
            memory.putBack(machine.memory(), Translations.SCRATCH, Translations.SCRATCH_END - Translations.SCRATCH);
        }
        for (int index = 0; index < vcpus.size(); index++) {
            vcpus.get(index).state().enter(machine.vcpu(index));
            vcpus.get(index).restoreRest(machine, index);
        }
        restore(devices);
    }

    private void requireAlike(Machine machine, List<VirtioMmioTransport> devices) {
        if (machine.vcpus() != vcpus.size() || devices.size() != this.devices.size()) {
            throw new IllegalArgumentException("a machine of %d vCPUs and %d devices for one of %d and %d"
                    .formatted(machine.vcpus(), devices.size(), vcpus.size(), this.devices.size()));
        }
    }

    private void restore(List<VirtioMmioTransport> devices) {
        for (int i = 0; i < devices.size(); i++) {
            devices.get(i).restore(this.devices.get(i));
        }
    }

    /// Closes the memory: no more machines can go on from it, those that have are not affected.
    /// Idempotent.
    @Override
    public void close() {
        memory.close();
    }
}
