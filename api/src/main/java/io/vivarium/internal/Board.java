// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import io.vivarium.guestimages.boot.CommandLine;
import io.vivarium.kvm.Kvm;
import io.vivarium.kvm.Machine;
import io.vivarium.kvm.MmioDevice;
import io.vivarium.kvm.RegionSpec;
import io.vivarium.kvm.VcpuStop;
import io.vivarium.snapshot.SavedMachine;
import io.vivarium.virtio.ConsoleLog;
import io.vivarium.virtio.ConsolePort;
import io.vivarium.virtio.FaultPolicy;
import io.vivarium.virtio.VirtioConsole;
import io.vivarium.virtio.VirtioDevice;
import io.vivarium.virtio.VirtioMmioTransport;
import io.vivarium.virtio.VirtioVsock;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/// A machine and the devices that a sandbox needs: console with the agent's port, sockets, wake timer, reset
/// line.
///
/// It does not run by itself: whoever runs its vCPU is told when there is a reason to.
final class Board implements AutoCloseable {
    private static final String AGENT_PORT = "io.vivarium.agent.0";
    private static final int CONSOLE_BYTES = 64 << 10;
    private static final int MAX_CONNECTIONS = 1024;

    private final ConsoleLog consoleLog = new ConsoleLog(CONSOLE_BYTES);
    private final VirtioConsole console =
            VirtioConsole.builder().port(AGENT_PORT).build();
    private final VirtioVsock vsock = new VirtioVsock(VirtioVsock.FIRST_GUEST_CID, MAX_CONNECTIONS);
    private final WakeTimer wakeTimer = new WakeTimer(() -> interrupt(MachineMap.WAKE_TIMER_IRQ));
    private final Runnable wake;
    private final Machine machine;
    private final List<VirtioMmioTransport> transports;
    private volatile boolean closing;

    /// @param wake called after the vCPU was given an interrupt; by any thread, must not block
    Board(Kvm kvm, List<RegionSpec> regions, Runnable wake) {
        this.wake = wake;
        List<VirtioDevice> devices = devices();
        List<BehindBus> windows =
                Stream.generate(BehindBus::new).limit(devices.size()).toList();
        Machine.Builder builder = Machine.builder(kvm)
                .mmio(MachineMap.WAKE_TIMER, WakeTimer.WINDOW_SIZE, wakeTimer)
                .port(ResetPort.PORT, 1, new ResetPort(this::reset))
                .interruptsOnlyWake();
        for (int i = 0; i < windows.size(); i++) {
            builder.mmio(MachineMap.window(i), VirtioMmioTransport.WINDOW_SIZE, windows.get(i));
        }
        regions.forEach(builder::region);
        this.machine = builder.build();
        this.transports = new ArrayList<>();
        for (int i = 0; i < devices.size(); i++) {
            int irq = MachineMap.irq(i);
            VirtioMmioTransport transport = new VirtioMmioTransport(
                    devices.get(i), machine.memory(), () -> interrupt(irq), FaultPolicy.END_MACHINE);
            transports.add(transport);
            windows.get(i).device = transport;
        }
    }

    /// The virtio devices, in the order of their windows, interrupts and saved states.
    private List<VirtioDevice> devices() {
        return List.of(console, vsock);
    }

    /// What the guest kernel has to be told of the board.
    ///
    /// @param tscKhz frequency of the time-stamp counter
    CommandLine commandLine(int tscKhz) {
        return MachineMap.commandLine(tscKhz, transports.size());
    }

    /// Connects the console's text to its log.
    void connectConsole() {
        console.port(0).connect(consoleLog);
    }

    Machine machine() {
        return machine;
    }

    ConsolePort agentPort() {
        return console.port(AGENT_PORT);
    }

    VirtioVsock vsock() {
        return vsock;
    }

    /// The end of what the guest has written to its console.
    String consoleText() {
        return consoleLog.text();
    }

    /// Whether [#stop] or [#close] was called.
    boolean isClosing() {
        return closing;
    }

    /// Saves the machine, whose vCPU does not run.
    ///
    /// @throws IllegalStateException if the guest's wake timer is armed, which is not saved
    SavedMachine save(Kvm kvm) {
        if (wakeTimer.isArmed()) {
            throw new IllegalStateException("a machine whose wake timer is armed");
        }
        return SavedMachine.save("vivarium-guest", kvm, machine, transports);
    }

    /// Goes on where a saved one was. Connections that it had to the host are reset: their ends there are not this
    /// machine's. Programs that listen go on.
    void restore(SavedMachine saved) {
        saved.restore(machine, transports);
        if (!vsock.connections().isEmpty()) {
            vsock.resetTransport();
        }
    }

    private void interrupt(int irq) {
        try {
            machine.interrupt(0, MachineMap.vector(irq));
            wake.run();
        } catch (IllegalStateException e) {
            // The machine was closed meanwhile: nobody is left to be interrupted.
            if (!closing) {
                throw e;
            }
        }
    }

    private void reset() {
        machine.shutdown(VcpuStop.Shutdown.Cause.RESET);
    }

    /// Has the vCPU stop for good, soon.
    void stop() {
        wakeTimer.stop();
        machine.stop();
    }

    @Override
    public void close() {
        closing = true;
        wakeTimer.stop();
        vsock.close();
        machine.close();
    }

    /// A device that is made after the bus it sits on, because it needs the machine's memory.
    private static final class BehindBus implements MmioDevice {
        private MmioDevice device = new MmioDevice() {
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
