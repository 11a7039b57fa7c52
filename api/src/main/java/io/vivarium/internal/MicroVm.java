// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import io.vivarium.ExecInterruptedException;
import io.vivarium.LaunchFailedException;
import io.vivarium.SandboxException;
import io.vivarium.SandboxSpec;
import io.vivarium.kvm.Kvm;
import io.vivarium.kvm.KvmException;
import io.vivarium.kvm.MachineReport;
import io.vivarium.kvm.RegionSpec;
import io.vivarium.kvm.VcpuStop;
import io.vivarium.snapshot.SavedMachine;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;

/// A guest's time in a machine, from where a saved one was to its end: its vCPU runs when it has
/// to, and its agent is spoken to. The machine may outlive it ([Afterwards]).
final class MicroVm implements GuestHost {
    private final Board board;
    private final Fittings fittings;
    private final VcpuRunner runner;
    private final AgentSession agent;
    private final Guest guest;
    private final Afterwards afterwards;

    /// The machine is whole: before, devices that take over their state may want the guest to look
    /// at them.
    private volatile boolean started;

    /// The machine ended, or could not be run, while the guest was to have it.
    private volatile boolean broken;

    private volatile boolean discarded;
    private boolean closed;

    /// What becomes of a machine that its guest has left.
    interface Afterwards {
        /// Takes it over.
        ///
        /// @param board whose vCPU does not run
        /// @param intact whether the guest left it because the host wanted that
        void left(Board board, boolean intact);
    }

    /// How a machine comes to the guest.
    private interface Origin {
        Board board(Runnable wake);

        /// The last number of a process that was used before.
        int lastProcess();

        /// The programs that go on.
        List<SavedProcess> processes();

        void restore(Board board);
    }

    private MicroVm(Origin origin, Afterwards afterwards) {
        this.afterwards = afterwards;
        this.runner = new VcpuRunner(this::run, Carriers::execute, new Ending());
        this.board = origin.board(this::wake);
        this.fittings = board.fittings();
        AgentPort port = new AgentPort(fittings.agentPort(), fittings::isDisconnected);
        this.agent = new AgentSession(
                port, origin.lastProcess(), what -> guest().crash("the guest broke the agent protocol: " + what));
        this.guest = new Guest(this, agent, new VsockHost(fittings.vsock()), fittings.balloon());
        guest.adopt(origin.processes());
        try {
            origin.restore(board);
            fittings.connectConsole();
            port.connect(agent);
        } catch (RuntimeException | Error e) {
            board.close();
            throw e;
        }
    }

    /// Builds a machine whose agent waits to be greeted.
    static MicroVm assemble(SandboxSpec spec, RootFile root) {
        HostKvm host = HostKvm.get();
        DiskDrives disks = DiskDrives.open(spec.disks());
        try {
            return assemble(host, spec, root, disks);
        } catch (RuntimeException | Error e) {
            disks.close();
            throw e;
        }
    }

    private static MicroVm assemble(HostKvm host, SandboxSpec spec, RootFile root, DiskDrives disks) {
        MachineMap map = MachineMap.of(spec, root, disks.shapes());
        try {
            RegionSpec image = RegionSpec.readOnlyFile(MachineMap.IMAGE, root.file());
            return root.ready()
                    .with(
                            map,
                            () -> host.coldBoot().boot(map, image, spec.launchTimeout()),
                            booted -> new MicroVm(
                                    new NewMachine(
                                            host.kvm(),
                                            map.regions(booted.memory(), image),
                                            () -> disks,
                                            booted,
                                            0,
                                            List.of()),
                                    CLOSE));
        } catch (KvmException e) {
            throw new LaunchFailedException("the host refused to create a machine: " + e.getMessage(), e);
        } catch (IllegalStateException e) {
            throw root.isClosed() ? new LaunchFailedException("the image was closed: " + spec.image(), e) : e;
        }
    }

    /// A machine that the guest has for itself.
    static final Afterwards CLOSE = (board, _) -> board.close();

    /// Builds a machine that goes on from a checkpoint.
    ///
    /// @throws LaunchFailedException if the host refuses, or the image was closed
    static MicroVm in(Checkpoint checkpoint, Afterwards afterwards) {
        try {
            return new MicroVm(
                    new NewMachine(
                            HostKvm.get().kvm(),
                            checkpoint.regions(),
                            checkpoint::openDisks,
                            checkpoint.machine(),
                            checkpoint.lastProcess(),
                            checkpoint.processes()),
                    afterwards);
        } catch (KvmException | IllegalStateException e) {
            throw new LaunchFailedException("the host refused to create a machine: " + e.getMessage(), e);
        }
    }

    /// Has a machine that was made for a checkpoint, and whose guest has left it, go on from there
    /// once more. On a platform thread.
    ///
    /// @throws LaunchFailedException if that does not work; the machine is closed
    static MicroVm again(Board board, Checkpoint checkpoint, Afterwards afterwards) {
        try {
            return new MicroVm(new UsedMachine(board, checkpoint), afterwards);
        } catch (KvmException | IllegalStateException e) {
            throw new LaunchFailedException("a machine could not be put back: " + e.getMessage(), e);
        }
    }

    private record NewMachine(
            Kvm kvm,
            List<RegionSpec> regions,
            Supplier<DiskDrives> disks,
            SavedMachine from,
            int lastProcess,
            List<SavedProcess> processes)
            implements Origin {
        @Override
        public Board board(Runnable wake) {
            DiskDrives open = disks.get();
            try {
                return new Board(kvm, regions, open, wake);
            } catch (RuntimeException | Error e) {
                open.close();
                throw e;
            }
        }

        @Override
        public void restore(Board board) {
            board.restore(from);
        }
    }

    private record UsedMachine(Board board, Checkpoint checkpoint) implements Origin {
        @Override
        public Board board(Runnable wake) {
            try {
                board.refit(checkpoint.openDisks(), wake);
            } catch (RuntimeException | Error e) {
                board.close();
                throw e;
            }
            return board;
        }

        @Override
        public int lastProcess() {
            return checkpoint.lastProcess();
        }

        @Override
        public List<SavedProcess> processes() {
            return checkpoint.processes();
        }

        @Override
        public void restore(Board board) {
            board.reset(checkpoint.machine());
        }
    }

    Guest guest() {
        return guest;
    }

    /// Greets the guest's agent, and lets the guest run.
    ///
    /// @return completes when the agent is ready
    CompletableFuture<AgentSession.GuestHello> start(Instant now) {
        // On the thread that runs the guest, which is not closed meanwhile.
        CompletableFuture<AgentSession.GuestHello> ready = agent.open(now).whenComplete((_, thrown) -> {
            if (thrown == null) {
                board.observe();
            }
        });
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
    public Checkpoint save(SandboxSpec spec, RootFile root, List<Execution> goOn) {
        SaveEvent event = new SaveEvent();
        event.begin();
        try (Taken taken = take(Timers.nanos(spec.launchTimeout()), goOn)) {
            Checkpoint saved = new Checkpoint(
                    MachineMap.of(spec, root, taken.disks),
                    root,
                    spec.disks(),
                    taken.machine.finish(),
                    taken.lastProcess,
                    taken.processes);
            event.report(spec, taken.stoodStill, taken.machine.pages());
            return saved;
        } catch (KvmException e) {
            throw new SandboxException("the host has no room for a saved sandbox: " + e.getMessage(), e);
        }
    }

    /// What a guest was at one moment, after which it has gone on.
    ///
    /// @param stoodStill nanoseconds
    private record Taken(
            SavedMachine.Taken machine,
            List<DiskShape> disks,
            int lastProcess,
            List<SavedProcess> processes,
            long stoodStill)
            implements AutoCloseable {
        @Override
        public void close() {
            machine.close();
        }
    }

    /// @param limit nanoseconds until the programs wait that are to go on
    private Taken take(long limit, List<Execution> goOn) {
        long start = System.nanoTime();
        while (true) {
            Optional<Taken> taken = takeNow(goOn);
            if (taken.isPresent()) {
                return taken.get();
            }
            long left = limit - (System.nanoTime() - start);
            if (left <= 0) {
                throw new IllegalStateException(
                        "a sandbox is saved when its programs wait, and these did not within %s: %s"
                                .formatted(
                                        Duration.ofNanos(limit),
                                        goOn.stream().map(Execution::command).toList()));
            }
            awaitRest(left);
        }
    }

    private void awaitRest(long nanos) {
        try {
            if (runner.awaitRest(nanos)) {
                // It may rest, and somebody of the host's not have finished what he says to it.
                TimeUnit.MICROSECONDS.sleep(100);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new ExecInterruptedException("interrupted while waiting for programs that are to be saved", e);
        }
    }

    /// @return empty if frames are on their way, or a program that is to go on does not wait
    private Optional<Taken> takeNow(List<Execution> goOn) {
        long start = System.nanoTime();
        runner.pause(fittings::kick);
        try {
            agent.hold();
            try {
                guest.requireAlive();
                if (agent.running() > goOn.size()) {
                    throw new IllegalStateException("a sandbox is saved between programs: %d of it run"
                            .formatted(agent.running() - goOn.size()));
                }
                if (!agent.isQuiet() || (!goOn.isEmpty() && !runner.rests())) {
                    return Optional.empty();
                }
                List<SavedProcess> processes = new ArrayList<>();
                for (Execution each : goOn) {
                    each.save().ifPresent(processes::add);
                }
                // What was sent until now would be missing in what they know of their streams.
                if (processes.size() < goOn.size() || !agent.isQuiet()) {
                    return Optional.empty();
                }
                SavedMachine.Taken machine = board.take(HostKvm.get().kvm());
                return Optional.of(
                        new Taken(machine, fittings.disks(), agent.lastId(), processes, System.nanoTime() - start));
            } finally {
                agent.release();
            }
        } finally {
            runner.resume();
        }
    }

    @Override
    public void stop() {
        fittings.stop();
    }

    @Override
    public synchronized void close() {
        if (!closed) {
            closed = true;
            runner.pause(fittings::stop);
            fittings.disconnect();
            (discarded ? CLOSE : afterwards).left(board, !broken);
        }
    }

    /// Closes the guest, and its machine with it, whatever was to become of that.
    void discard() {
        discarded = true;
        guest.close();
    }

    @Override
    public String console() {
        return fittings.consoleText();
    }

    /// Tells the guest's end.
    private final class Ending implements VcpuRunner.End {
        @Override
        public void stopped(VcpuStop stop) {
            broken = !(stop instanceof VcpuStop.Stopped);
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
            broken = true;
            if (!fittings.isDisconnected()) {
                guest.end(() -> new SandboxException("the machine cannot be run: " + thrown, thrown));
            }
        }
    }
}
