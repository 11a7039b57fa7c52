// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import io.vivarium.guestimages.boot.CommandLine;
import io.vivarium.kvm.Kvm;
import io.vivarium.kvm.Machine;
import io.vivarium.kvm.MmioDevice;
import io.vivarium.kvm.RegionSpec;
import io.vivarium.snapshot.SavedMachine;
import io.vivarium.virtio.VirtioMmioTransport;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// A machine and what a guest finds in it: the [Fittings] that it has now.
///
/// It does not run by itself: whoever runs its vCPU is told when there is a reason to.
final class Board implements AutoCloseable {
    private final Window wakeTimer = new Window();
    private final List<Window> windows;
    private final Machine machine;
    private volatile Fittings fittings;

    /// From which its guest went on; null for one that boots. Written while no vCPU runs.
    private volatile @Nullable SavedMachine origin;

    /// @param disks closed with it
    /// @param wake called after the vCPU was given an interrupt; by any thread, must not block
    Board(Kvm kvm, List<RegionSpec> regions, DiskDrives disks, Runnable wake) {
        windows = Stream.generate(Window::new).limit(Fittings.count(disks)).toList();
        Machine.Builder builder = Machine.builder(kvm)
                .mmio(MachineMap.WAKE_TIMER, WakeTimer.WINDOW_SIZE, wakeTimer)
                .port(ResetPort.PORT, 1, new ResetPort(() -> fittings().reset()))
                .interruptsOnlyWake();
        for (int i = 0; i < windows.size(); i++) {
            builder.mmio(MachineMap.window(i), VirtioMmioTransport.WINDOW_SIZE, windows.get(i));
        }
        regions.forEach(builder::region);
        this.machine = builder.build();
        this.fittings = fit(disks, wake);
    }

    private Fittings fit(DiskDrives disks, Runnable wake) {
        Fittings made = new Fittings(machine, disks, wake);
        wakeTimer.device = made.wakeTimer();
        for (int i = 0; i < windows.size(); i++) {
            windows.get(i).device = made.transports().get(i);
        }
        return made;
    }

    /// Takes the devices out, and puts new ones in, for a guest that is to come.
    ///
    /// @param disks as many as it had
    /// @param wake as for the constructor
    void refit(DiskDrives disks, Runnable wake) {
        fittings.remove();
        fittings = fit(disks, wake);
    }

    /// The devices that are in it.
    Fittings fittings() {
        return fittings;
    }

    /// What the guest kernel has to be told of the board.
    ///
    /// @param tscKhz frequency of the time-stamp counter
    CommandLine commandLine(int tscKhz) {
        return MachineMap.commandLine(tscKhz, windows.size());
    }

    Machine machine() {
        return machine;
    }

    /// Takes what is needed to save the machine, whose vCPU does not run.
    ///
    /// @return to be finished, when the vCPU may run again
    SavedMachine.Taken take(Kvm kvm) {
        return SavedMachine.take(
                "vivarium-guest",
                kvm,
                machine,
                fittings.transports(),
                fittings.wakeTimer().remaining(),
                Optional.ofNullable(origin));
    }

    /// Goes on where a saved one was, in a machine that has not run.
    void restore(SavedMachine saved) {
        origin = saved;
        saved.restore(machine, fittings.transports());
        fittings.restored(saved.wakeAfter());
    }

    /// Its guest has done what all guests do that have just gone on.
    void observe() {
        SavedMachine from = origin;
        if (from != null) {
            from.memory().observe(HostKvm.pageMap(), machine.memory());
        }
    }

    /// Goes on where a saved one was from which a guest went on in this machine before; the devices are [new]
    /// [#refit]. On a platform thread.
    ///
    /// @throws IllegalStateException if that does not work: the board is to be closed
    void reset(SavedMachine saved) {
        origin = saved;
        saved.reset(HostKvm.forgetting(), HostKvm.pageMap(), machine, fittings.transports());
        fittings.restored(saved.wakeAfter());
    }

    @Override
    public void close() {
        fittings.stop();
        fittings.disconnect();
        machine.close();
    }

    /// A place on the bus for a device that changes with the guest.
    private static final class Window implements MmioDevice {
        /// Written while no vCPU runs.
        private volatile MmioDevice device = new MmioDevice() {
            @Override
            public long read(long offset, int size) {
                throw new IllegalStateException("the device is not there yet");
            }

            @Override
            public void write(long offset, int size, long value) {
                throw new IllegalStateException("the device is not there yet");
            }
        };

        @Override
        public long read(long offset, int size) {
            return device.read(offset, size);
        }

        @Override
        public void write(long offset, int size, long value) {
            device.write(offset, size, value);
        }
    }
}
