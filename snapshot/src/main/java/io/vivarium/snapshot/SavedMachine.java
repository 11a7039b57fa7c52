// SPDX-License-Identifier: Apache-2.0
package io.vivarium.snapshot;

import io.vivarium.kvm.Kvm;
import io.vivarium.kvm.Machine;
import io.vivarium.kvm.PageMap;
import io.vivarium.kvm.x86.Translations;
import io.vivarium.kvm.x86.VcpuState;
import io.vivarium.virtio.VirtioMmioState;
import io.vivarium.virtio.VirtioMmioTransport;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/// A machine at rest, from which any number of others can go on: its memory, its vCPUs, and its
/// devices.
///
/// What the host has at the other end of the devices is not part of it. Thread-safe.
public final class SavedMachine implements AutoCloseable {
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
        static SavedVcpu of(Kvm kvm, Machine machine, int index) {
            return new SavedVcpu(
                    VcpuState.save(kvm, machine.vcpu(index)),
                    machine.isHalted(index),
                    Arrays.stream(machine.pendingInterrupts(index)).boxed().toList());
        }

        /// What of a vCPU is not in [VcpuState].
        void restoreRest(Machine machine, int index) {
            machine.setHalted(index, halted);
            interrupts.forEach(vector -> machine.interrupt(index, vector));
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
        List<SavedVcpu> vcpus = new ArrayList<>();
        for (int index = 0; index < machine.vcpus(); index++) {
            vcpus.add(SavedVcpu.of(kvm, machine, index));
        }
        List<VirtioMmioState> states =
                devices.stream().map(VirtioMmioTransport::save).toList();
        return new SavedMachine(MemoryTemplate.capture(name, machine.memory()), vcpus, states, wakeAfter);
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
