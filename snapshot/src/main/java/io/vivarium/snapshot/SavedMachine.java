// SPDX-License-Identifier: Apache-2.0
package io.vivarium.snapshot;

import io.vivarium.kvm.Kvm;
import io.vivarium.kvm.Machine;
import io.vivarium.kvm.x86.VcpuState;
import io.vivarium.virtio.VirtioMmioState;
import io.vivarium.virtio.VirtioMmioTransport;
import java.util.ArrayList;
import java.util.List;

/// A machine at rest, from which any number of others can go on: its memory, its vCPUs, and its devices.
///
/// What the host has at the other end of the devices is not part of it. Thread-safe.
public final class SavedMachine implements AutoCloseable {
    private final MemoryTemplate memory;
    private final List<SavedVcpu> vcpus;
    private final List<VirtioMmioState> devices;

    private SavedMachine(MemoryTemplate memory, List<SavedVcpu> vcpus, List<VirtioMmioState> devices) {
        this.memory = memory;
        this.vcpus = List.copyOf(vcpus);
        this.devices = List.copyOf(devices);
    }

    private record SavedVcpu(VcpuState state, boolean halted) {}

    /// Saves a machine, which can go on after that.
    ///
    /// @param name shown in `/proc/self/maps`
    /// @param kvm what the machine was made with
    /// @param machine of which no vCPU runs
    /// @param devices all of its virtio devices
    /// @throws io.vivarium.kvm.KvmException if the host has no memory for it
    public static SavedMachine save(String name, Kvm kvm, Machine machine, List<VirtioMmioTransport> devices) {
        List<SavedVcpu> vcpus = new ArrayList<>();
        for (int index = 0; index < machine.vcpus(); index++) {
            vcpus.add(new SavedVcpu(VcpuState.save(kvm, machine.vcpu(index)), machine.isHalted(index)));
        }
        List<VirtioMmioState> states =
                devices.stream().map(VirtioMmioTransport::save).toList();
        return new SavedMachine(MemoryTemplate.capture(name, machine.memory()), vcpus, states);
    }

    /// The memory, which a machine has to be built with to go on.
    public MemoryTemplate memory() {
        return memory;
    }

    /// Has another machine go on where the saved one was.
    ///
    /// @param machine built with [#memory], and as many vCPUs; none has run yet
    /// @param devices in the order in which they were saved, built as those were
    /// @throws IllegalArgumentException if the machine is not built like the saved one
    public void restore(Machine machine, List<VirtioMmioTransport> devices) {
        if (machine.vcpus() != vcpus.size() || devices.size() != this.devices.size()) {
            throw new IllegalArgumentException("a machine of %d vCPUs and %d devices for one of %d and %d"
                    .formatted(machine.vcpus(), devices.size(), vcpus.size(), this.devices.size()));
        }
        for (int index = 0; index < vcpus.size(); index++) {
            SavedVcpu vcpu = vcpus.get(index);
            vcpu.state().restore(machine.vcpu(index));
            machine.setHalted(index, vcpu.halted());
        }
        for (int i = 0; i < devices.size(); i++) {
            devices.get(i).restore(this.devices.get(i));
        }
    }

    /// Closes the memory: no more machines can go on from it, those that have are not affected. Idempotent.
    @Override
    public void close() {
        memory.close();
    }
}
