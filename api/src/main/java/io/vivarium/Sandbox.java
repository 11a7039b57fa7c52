// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import io.vivarium.internal.Checkpoint;
import io.vivarium.internal.Execution;
import io.vivarium.internal.Guest;
import io.vivarium.internal.Launcher;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.stream.Stream;

/// A microVM with a root file system of its own, in which programs run.
///
/// Programs of one sandbox share its files and memory; sandboxes share nothing. What programs write to files is gone
/// with the sandbox.
///
/// Thread-safe. An idle sandbox holds memory and a few file descriptors, but no thread.
public final class Sandbox implements AutoCloseable {
    private final SandboxSpec spec;
    private final Guest guest;
    private final List<GuestProcess> readyMade;

    Sandbox(SandboxSpec spec, Guest guest) {
        this.spec = spec;
        this.guest = guest;
        this.readyMade = guest.readyMade().stream().map(GuestProcess::new).toList();
        guest.vsock().limit(spec.vsockBandwidth(), spec.vsockPacketRate());
    }

    /// Launches a sandbox with the defaults of [SandboxSpec#of].
    ///
    /// @throws HostUnavailableException if this host runs no sandboxes
    /// @throws LaunchFailedException if the guest does not come up
    /// @throws ExecInterruptedException if this thread is interrupted
    public static Sandbox launch(Image image) {
        return launch(SandboxSpec.of(image));
    }

    /// Launches a sandbox; returns when the guest is ready for programs.
    ///
    /// @throws HostUnavailableException if this host runs no sandboxes
    /// @throws InvalidDiskException if one of the disks cannot be what it is to be
    /// @throws LaunchFailedException if the guest does not come up
    /// @throws ExecInterruptedException if this thread is interrupted
    public static Sandbox launch(SandboxSpec spec) {
        return new Sandbox(spec, Launcher.launch(spec, spec.image().root()));
    }

    /// Runs a program to its end.
    ///
    /// @param argv the program, as a path or as a name to be found through `PATH`, and its arguments
    /// @throws ProgramNotFoundException if there is no such program
    /// @throws ExecRefusedException if the guest cannot run it
    /// @throws ExecInterruptedException if this thread is interrupted; the program is killed
    /// @throws SandboxException if the sandbox ends first, or is closed
    public ExecResult exec(String... argv) {
        return exec(Command.of(argv));
    }

    /// Runs a program to its end. An exit code other than 0, a crash or a timeout is a result, not an exception.
    ///
    /// @throws ProgramNotFoundException if there is no such program
    /// @throws ExecRefusedException if the guest cannot run it
    /// @throws IllegalArgumentException if arguments and environment are larger than 200 KiB, or
    ///     standard input is a [Stdin#pipe]
    /// @throws ExecInterruptedException if this thread is interrupted; the program is killed
    /// @throws SandboxException if the sandbox ends first, or is closed
    public ExecResult exec(Command command) {
        return Execution.run(guest, spec, command);
    }

    /// Starts a program; returns when the guest has loaded it.
    ///
    /// @throws ProgramNotFoundException if there is no such program
    /// @throws ExecRefusedException if the guest cannot run it
    /// @throws IllegalArgumentException if arguments and environment are larger than 200 KiB, or the command has
    ///     consumers for its output: [GuestProcess] has streams
    /// @throws ExecInterruptedException if this thread is interrupted; the program is killed
    /// @throws SandboxException if the sandbox ends first, or is closed
    public GuestProcess start(Command command) {
        return new GuestProcess(Execution.start(guest, spec, command));
    }

    /// As [#start(Command)].
    public GuestProcess start(String... argv) {
        return start(Command.of(argv));
    }

    /// Connects to a program in the sandbox that listens on a port of the family `AF_VSOCK`
    /// (vsock(7)); returns when the program's kernel has accepted. Does not wait for a program to
    /// listen.
    ///
    /// @param port not negative
    /// @throws VsockConnectException if no program listens there
    /// @throws java.nio.channels.ClosedByInterruptException if this thread is interrupted
    /// @throws java.net.SocketException if the sandbox has 1,024 connections already
    /// @throws SandboxException if the sandbox has ended
    /// @throws IOException if it ends meanwhile; its cause says why
    public VsockChannel connect(int port) throws IOException {
        return new VsockChannel(guest.vsock().connect(port, null));
    }

    /// Connects as [#connect(int)] does, within a time.
    ///
    /// @param limit how long at most
    /// @throws java.net.SocketTimeoutException if the guest has not answered by then
    public VsockChannel connect(int port, Duration limit) throws IOException {
        return new VsockChannel(guest.vsock().connect(port, limit));
    }

    /// Takes connections that programs in the sandbox make to a port of the host: to `VMADDR_CID_HOST`, with sockets of
    /// the family `AF_VSOCK` (vsock(7)). Without a listener they are refused.
    ///
    /// @param port not negative; 0 for one that is free, see [VsockListener#port]
    /// @throws java.net.BindException if there is a listener on that port
    /// @throws SandboxException if the sandbox has ended
    /// @throws IOException if the port cannot be had
    public VsockListener listen(int port) throws IOException {
        return new VsockListener(guest.vsock().listen(port));
    }

    /// The processes of the template that this sandbox started from, each in the middle of what it waited for
    /// when the template was made, in the order in which they were [added][Template#withProcess(Command)].
    /// None, for a sandbox of an image. They have streams of their own here, and are used like any from
    /// [#start].
    public List<GuestProcess> readyMade() {
        return readyMade;
    }

    /// How much of its memory it uses: its guest kernel is asked.
    ///
    /// @throws ExecInterruptedException if this thread is interrupted
    /// @throws SandboxException if the sandbox has ended, or does not answer
    public MemoryUsage memoryUsage() {
        return guest.balloon().usage();
    }

    /// Has it give the host the memory that its programs used and do not use any more; it stays theirs to use, and
    /// the host provides it anew then. For a sandbox that is kept while it has nothing to do. Its programs wait
    /// meanwhile: about a tenth of a second for each GiB. Without it, a sandbox gives memory back by itself:
    /// 16 MiB or more, when they have been free for two seconds.
    ///
    /// @return how many bytes went back to the host since the last call, by itself or because of it
    /// @throws ExecInterruptedException if this thread is interrupted
    /// @throws SandboxException if the sandbox has ended, or does not answer
    public long reclaimMemory() {
        return guest.balloon().reclaim(spec.memory().bytes());
    }

    /// Saves it as it is, and goes on: the template has its files, its memory and its processes,
    /// each at the instruction that it was at. It stands still while the memory is copied that it
    /// has written to since it was launched; how long that was, and how much, tells the event
    /// `io.vivarium.Save` of the flight recorder.
    ///
    /// Connections of its programs to the host, and the host's to them, are reset in the sandboxes
    /// that go on from the template, as those have a host's side of their own; in this one they
    /// stay.
    ///
    /// Processes that are [#readyMade] go on too, and it waits until they wait.
    ///
    /// @throws IllegalStateException if another program runs that the host has started; descendants of one may run;
    ///     also if a ready-made process has ended, or does not come to rest
    /// @throws ExecInterruptedException if this thread is interrupted
    /// @throws SandboxException if it has ended, or the host has no memory for the template
    public Template save() {
        return Template.saved(this);
    }

    /// Another sandbox that goes on from where this one is: [#save], and [Template#launch] without the template.
    ///
    /// @throws IllegalStateException if a program runs that the host has started; descendants of one may run
    /// @throws LaunchFailedException if the guest does not come up
    /// @throws SandboxException if this one has ended, or the host has no memory for the other
    /// @throws ExecInterruptedException if this thread is interrupted
    public Sandbox branch() {
        try (Template template = save()) {
            return template.launch();
        }
    }

    Checkpoint checkpoint() {
        return checkpoint(readyMade);
    }

    /// Saves it with another process that goes on.
    Checkpoint checkpoint(GuestProcess another) {
        return checkpoint(Stream.concat(readyMade.stream(), Stream.of(another)).toList());
    }

    private Checkpoint checkpoint(List<GuestProcess> goOn) {
        return guest.save(
                spec,
                spec.image().root(),
                goOn.stream().map(GuestProcess::execution).toList());
    }

    /// What it was launched as.
    public SandboxSpec spec() {
        return spec;
    }

    /// Whether it can run programs: it was not closed, did not crash, and has life left.
    public boolean isAlive() {
        return guest.isAlive();
    }

    /// The end of what the guest kernel wrote to its console, at most 64 KiB; also after the end.
    public String console() {
        return guest.console();
    }

    /// Ends the sandbox and everything in it: waiting calls end with [SandboxClosedException], files and memory are
    /// gone. Waits until no thread is inside the machine. Idempotent; any thread.
    @Override
    public void close() {
        guest.close();
    }

    @Override
    public String toString() {
        return "sandbox of " + spec;
    }
}
