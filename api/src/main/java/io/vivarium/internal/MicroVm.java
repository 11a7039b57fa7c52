// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import io.vivarium.LaunchFailedException;
import io.vivarium.SandboxException;
import io.vivarium.SandboxSpec;
import io.vivarium.kvm.Kvm;
import io.vivarium.kvm.KvmException;
import io.vivarium.kvm.MachineReport;
import io.vivarium.kvm.RegionSpec;
import io.vivarium.kvm.VcpuStop;
import io.vivarium.snapshot.SavedMachine;
import java.time.Instant;
import java.util.List;
import java.util.concurrent.Future;

/// A machine that has gone on from a booted one: its vCPU runs when it has to, and its agent is spoken to.
final class MicroVm implements GuestHost {
    private final Board board;
    private final VcpuRunner runner;
    private final AgentSession agent;
    private final Guest guest;

    /// The machine is whole: before, devices that take over their state may want the guest to look at them.
    private volatile boolean started;

    private MicroVm(Kvm kvm, List<RegionSpec> regions, SavedMachine booted) {
        this.runner = new VcpuRunner(this::run, Carriers::execute, new Ending());
        this.board = new Board(kvm, regions, this::wake);
        AgentPort port = new AgentPort(board.agentPort(), board::isClosing);
        this.agent = new AgentSession(port, what -> guest().crash("the guest broke the agent protocol: " + what));
        this.guest = new Guest(this, agent, new VsockHost(board.vsock()));
        try {
            board.restore(booted);
            board.connectConsole();
            port.connect(agent);
        } catch (RuntimeException e) {
            board.close();
            throw e;
        }
    }

    /// Builds a machine whose agent waits to be greeted.
    static MicroVm assemble(SandboxSpec spec, RootFile root) {
        if (root.size() > MachineMap.MAX_IMAGE) {
            throw new LaunchFailedException("the image %s has %d bytes: a guest can have %d"
                    .formatted(spec.image(), root.size(), MachineMap.MAX_IMAGE));
        }
        MachineMap map = new MachineMap(spec.memory().bytes(), root.size());
        HostKvm host = HostKvm.get();
        try {
            RegionSpec image = RegionSpec.readOnlyFile(MachineMap.IMAGE, root.file());
            return root.ready()
                    .with(
                            map,
                            () -> host.coldBoot().boot(map, image, spec.launchTimeout()),
                            booted -> new MicroVm(host.kvm(), map.regions(booted.memory(), image), booted));
        } catch (KvmException e) {
            throw new LaunchFailedException("the host refused to create a machine: " + e.getMessage(), e);
        } catch (IllegalStateException e) {
            throw root.isClosed() ? new LaunchFailedException("the image was closed: " + spec.image(), e) : e;
        }
    }

    Guest guest() {
        return guest;
    }

    /// Greets the guest's agent, and lets the guest run.
    ///
    /// @return completes when the agent is ready
    Future<AgentSession.GuestHello> start(Instant now) {
        Future<AgentSession.GuestHello> ready = agent.open(now);
        started = true;
        runner.wake();
        return ready;
    }

    private void wake() {
        if (started) {
            runner.wake();
        }
    }

    private VcpuStop run() {
        return board.machine().run(0);
    }

    @Override
    public void stop() {
        board.stop();
    }

    @Override
    public void close() {
        board.close();
    }

    @Override
    public String console() {
        return board.consoleText();
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
            if (!board.isClosing()) {
                guest.end(() -> new SandboxException("the machine cannot be run: " + thrown, thrown));
            }
        }
    }
}
