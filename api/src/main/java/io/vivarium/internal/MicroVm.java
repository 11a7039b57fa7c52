// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import io.vivarium.LaunchFailedException;
import io.vivarium.SandboxException;
import io.vivarium.SandboxSpec;
import io.vivarium.guestimages.boot.BootParams;
import io.vivarium.kvm.Kvm;
import io.vivarium.kvm.KvmException;
import io.vivarium.kvm.Machine;
import io.vivarium.kvm.MachineReport;
import io.vivarium.kvm.MmioDevice;
import io.vivarium.kvm.RegionSpec;
import io.vivarium.kvm.VcpuStop;
import io.vivarium.virtio.ConsoleLog;
import io.vivarium.virtio.ConsolePort;
import io.vivarium.virtio.FaultPolicy;
import io.vivarium.virtio.VirtioConsole;
import io.vivarium.virtio.VirtioMmioTransport;
import java.security.SecureRandom;
import java.time.Instant;
import java.util.concurrent.Future;

/// A machine with what a sandbox needs: console, agent port, wake timer, and a vCPU that runs when it has to.
final class MicroVm implements GuestHost {
    private static final String AGENT_PORT = "io.vivarium.agent.0";
    private static final int CONSOLE_BYTES = 64 << 10;

    private static final SecureRandom RANDOM = new SecureRandom();

    private final ConsoleLog console = new ConsoleLog(CONSOLE_BYTES);
    private final WakeTimer wakeTimer = new WakeTimer(() -> interrupt(MachineMap.WAKE_TIMER_IRQ));
    private final BootTemplates templates;
    private final Machine machine;
    private final VcpuRunner runner;
    private final ConsolePort agentPort;
    private final AgentSession agent;
    private final Guest guest;
    private volatile boolean closing;

    private MicroVm(Kvm kvm, BootTemplates templates, MachineMap map, RegionSpec image) {
        VirtioConsole virtioConsole = VirtioConsole.builder().port(AGENT_PORT).build();
        BehindBus consoleWindow = new BehindBus();
        this.templates = templates;
        this.machine = templates.with(map, template -> {
            Machine.Builder builder = Machine.builder(kvm)
                    .mmio(MachineMap.CONSOLE, VirtioMmioTransport.WINDOW_SIZE, consoleWindow)
                    .mmio(MachineMap.WAKE_TIMER, WakeTimer.WINDOW_SIZE, wakeTimer)
                    .port(ResetPort.PORT, 1, new ResetPort(this::reset));
            map.regions(template, image).forEach(builder::region);
            return builder.build();
        });
        consoleWindow.device = new VirtioMmioTransport(
                virtioConsole, machine.memory(), () -> interrupt(MachineMap.CONSOLE_IRQ), FaultPolicy.END_MACHINE);
        this.runner = new VcpuRunner(() -> machine.run(0), Carriers::execute, new Ending());
        this.agentPort = virtioConsole.port(AGENT_PORT);
        AgentPort port = new AgentPort(agentPort, () -> closing);
        this.agent = new AgentSession(port, what -> guest().crash("the guest broke the agent protocol: " + what));
        this.guest = new Guest(this, agent);
        virtioConsole.port(0).connect(console);
        port.connect(agent);
    }

    /// Builds a machine that is ready to boot.
    static MicroVm assemble(SandboxSpec spec, RootFile root) {
        if (root.size() > MachineMap.MAX_IMAGE) {
            throw new LaunchFailedException("the image %s has %d bytes: a guest can have %d"
                    .formatted(spec.image(), root.size(), MachineMap.MAX_IMAGE));
        }
        MachineMap map = new MachineMap(spec.memory().bytes(), root.size());
        HostKvm host = HostKvm.get();
        try {
            return new MicroVm(
                    host.kvm(), host.templates(), map, RegionSpec.readOnlyFile(MachineMap.IMAGE, root.file()));
        } catch (KvmException e) {
            throw new LaunchFailedException("the host refused to create a machine: " + e.getMessage(), e);
        } catch (IllegalStateException e) {
            throw new LaunchFailedException("the image was closed: " + spec.image(), e);
        }
    }

    Guest guest() {
        return guest;
    }

    /// Lets the guest run, and greets its agent.
    ///
    /// @return completes when the agent is ready
    Future<AgentSession.GuestHello> boot(Instant now) {
        byte[] seed = new byte[BootParams.SEED_BYTES];
        RANDOM.nextBytes(seed);
        // The seed lies in the template's part of the memory, which this machine has copied on write.
        BootParams.writeSeed(machine.memory().writableSlice(0, BootParams.SETUP_DATA_ADDRESS + 4096), seed);
        templates.boot().enter(machine.vcpu(0));
        Future<AgentSession.GuestHello> ready = agent.open(now);
        runner.wake();
        return ready;
    }

    private void interrupt(int irq) {
        try {
            machine.interrupt(0, MachineMap.vector(irq));
            runner.wake();
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

    @Override
    public void stop() {
        wakeTimer.stop();
        machine.stop();
    }

    @Override
    public void close() {
        closing = true;
        wakeTimer.stop();
        machine.close();
    }

    @Override
    public String console() {
        return console.text();
    }

    /// Tells the guest's end.
    private final class Ending implements VcpuRunner.End {
        @Override
        public void stopped(VcpuStop stop) {
            switch (stop) {
                case VcpuStop.Stopped _ -> guest.crash("the machine was stopped");
                case VcpuStop.Shutdown(VcpuStop.Shutdown.Cause cause) ->
                    guest.crash("the guest kernel ended the machine (" + cause + ")");
                case VcpuStop.Failed(MachineReport report) -> guest.crash(report.reason(), report.toString());
                case VcpuStop.Halted _ -> guest.crash("the guest kernel halted with interrupts off");
                case VcpuStop.Kicked _ -> throw new IllegalStateException("a kick is no end");
            }
        }

        @Override
        public void threw(Throwable thrown) {
            if (!closing) {
                guest.end(() -> new SandboxException("the machine cannot be run: " + thrown, thrown));
            }
        }
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
