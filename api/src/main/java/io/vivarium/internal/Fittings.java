// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import io.vivarium.kvm.Machine;
import io.vivarium.kvm.VcpuStop;
import io.vivarium.virtio.ConsoleLog;
import io.vivarium.virtio.ConsolePort;
import io.vivarium.virtio.FaultPolicy;
import io.vivarium.virtio.RateLimit;
import io.vivarium.virtio.VirtioConsole;
import io.vivarium.virtio.VirtioDevice;
import io.vivarium.virtio.VirtioMmioTransport;
import io.vivarium.virtio.VirtioRng;
import io.vivarium.virtio.VirtioVsock;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// The devices that one guest has: console with the agent's port, sockets, randomness, balloon, disks,
/// wake timer, reset line. A guest that has the machine after it gets others, so that nothing in them
/// is left of the first.
///
/// Thread-safe.
final class Fittings {
    private static final String AGENT_PORT = "io.vivarium.agent.0";
    private static final int CONSOLE_BYTES = 64 << 10;
    private static final int MAX_CONNECTIONS = 1024;

    /// Devices that every guest has: console, sockets, randomness, balloon.
    private static final int FIXED = 4;

    private static final SecureRandom RANDOM = new SecureRandom();

    private final Machine machine;
    private final DiskDrives disks;
    private final Runnable wake;
    private final ConsoleLog consoleLog = new ConsoleLog(CONSOLE_BYTES);
    private final VirtioConsole console =
            VirtioConsole.builder().port(AGENT_PORT).build();
    private final VirtioVsock vsock = new VirtioVsock(VirtioVsock.FIRST_GUEST_CID, MAX_CONNECTIONS, HostClock.INSTANCE);
    private final BalloonHost balloon = new BalloonHost();
    private final WakeTimer wakeTimer = new WakeTimer(() -> interrupt(MachineMap.WAKE_TIMER_IRQ));
    private final List<VirtioMmioTransport> transports = new ArrayList<>();

    /// Written under this object's lock.
    private volatile boolean disconnected;

    /// @param disks closed when it is disconnected
    /// @param wake called after the vCPU was given an interrupt; by any thread, must not block
    Fittings(Machine machine, DiskDrives disks, Runnable wake) {
        this.machine = machine;
        this.disks = disks;
        this.wake = wake;
        add(console);
        add(vsock);
        add(new VirtioRng(RANDOM, RateLimit.none(), HostClock.INSTANCE));
        add(balloon.device());
        // Last, because their number differs.
        disks.devices().forEach(this::add);
    }

    private void add(VirtioDevice device) {
        int irq = MachineMap.irq(transports.size());
        transports.add(
                new VirtioMmioTransport(device, machine.memory(), () -> interrupt(irq), FaultPolicy.END_MACHINE));
    }

    /// How many virtio devices a guest with these disks has.
    static int count(DiskDrives disks) {
        return FIXED + disks.devices().size();
    }

    /// They have taken over what others were at. Connections that those had to the host are reset, as their ends there
    /// are not this guest's; programs that listen go on.
    ///
    /// @param wakeAfter what was left of the wake timer; empty if it had not been running
    void restored(Optional<Duration> wakeAfter) {
        wakeTimer.restore(wakeAfter);
        if (!vsock.connections().isEmpty()) {
            vsock.resetTransport();
        }
    }

    VirtioVsock vsock() {
        return vsock;
    }

    BalloonHost balloon() {
        return balloon;
    }

    /// What a kernel that has booted must have found of the disks.
    List<DiskShape> disks() {
        return disks.shapes();
    }

    WakeTimer wakeTimer() {
        return wakeTimer;
    }

    /// The virtio devices behind their registers, in the order of their windows, interrupts and saved states.
    List<VirtioMmioTransport> transports() {
        return transports;
    }

    ConsolePort agentPort() {
        return console.port(AGENT_PORT);
    }

    /// Connects the console's text to its log.
    void connectConsole() {
        console.port(0).connect(consoleLog);
    }

    /// The end of what the guest has written to its console; also when they were removed.
    String consoleText() {
        return consoleLog.text();
    }

    private void interrupt(int irq) {
        synchronized (this) {
            if (disconnected) {
                return;
            }
            machine.interrupt(0, MachineMap.vector(irq));
        }
        wake.run();
    }

    /// The guest resets the machine. On the thread that runs the vCPU.
    void reset() {
        machine.shutdown(VcpuStop.Shutdown.Cause.RESET);
    }

    /// Has the vCPU stop for good, soon, unless the machine is not theirs any more.
    void stop() {
        wakeTimer.stop();
        disks.stop();
        synchronized (this) {
            if (!disconnected) {
                machine.stop();
            }
        }
    }

    /// Has the vCPU leave the guest for a moment.
    void kick() {
        synchronized (this) {
            if (!disconnected) {
                machine.kick(0);
            }
        }
    }

    /// From now on they do not interrupt or stop the machine, and disks are not read or written. Idempotent.
    void disconnect() {
        synchronized (this) {
            disconnected = true;
        }
        wakeTimer.stop();
        vsock.close();
        balloon.device().close();
        disks.close();
    }

    /// Whether they were [disconnected][#disconnect].
    boolean isDisconnected() {
        return disconnected;
    }

    /// Takes them out of the machine, of which no vCPU runs: from now on they do not interrupt it, or stop it, or touch
    /// its memory. Idempotent.
    void remove() {
        disconnect();
        transports.forEach(VirtioMmioTransport::detach);
    }
}
