// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import io.vivarium.LaunchFailedException;
import io.vivarium.guestimages.ImageException;
import io.vivarium.guestimages.boot.BootParams;
import io.vivarium.guestimages.boot.KernelImage;
import io.vivarium.kvm.GuestMemory;
import io.vivarium.kvm.Kvm;
import io.vivarium.kvm.KvmException;
import io.vivarium.kvm.MachineReport;
import io.vivarium.kvm.RegionSpec;
import io.vivarium.kvm.VcpuStop;
import io.vivarium.kvm.x86.LinuxBoot;
import io.vivarium.snapshot.SavedMachine;
import io.vivarium.virtio.GuestBytes;
import io.vivarium.virtio.PortListener;
import java.lang.foreign.MemorySegment;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;

/// Boots a kernel once, to the moment at which its agent waits for the host to greet it. From there on
/// every sandbox goes on by itself.
///
/// @param tscKhz frequency of every machine's time-stamp counter
record ColdBoot(Kvm kvm, KernelImage kernel, int tscKhz) {
    private static final long HUGE_PAGE = 2 << 20;
    private static final SecureRandom RANDOM = new SecureRandom();

    /// @param image the root image
    /// @param limit how long the kernel may take
    /// @throws LaunchFailedException if it does not get there
    /// @throws KvmException if the host refuses
    SavedMachine boot(MachineMap map, RegionSpec image, Duration limit) {
        try (Board board = new Board(kvm, map.regions(image), DiskDrives.shaped(map.disks()), () -> {})) {
            LinuxBoot boot = new LinuxBoot(kernel.entry(), BootParams.ADDRESS);
            load(boot, board.machine().memory(), new BootParams(board.commandLine(tscKhz), map.memoryMap()));
            boot.enter(board.machine().vcpu(0));
            Fittings fittings = board.fittings();
            fittings.connectConsole();
            fittings.agentPort().connect(new NobodySpeaksYet());
            AtomicBoolean late = new AtomicBoolean();
            Future<?> timer = Timers.after(limit, () -> {
                late.set(true);
                fittings.stop();
            });
            VcpuStop stop = Carriers.call(() -> runUntilReady(board));
            timer.cancel(false);
            if (late.get()) {
                throw failed("was not ready within " + limit, board);
            }
            return switch (stop) {
                case VcpuStop.Halted(boolean interruptible) when interruptible -> save(board);
                case VcpuStop.Halted _ -> throw failed("halted with interrupts off", board);
                case VcpuStop.Shutdown(VcpuStop.Shutdown.Cause cause) ->
                    throw failed("ended the machine: " + cause, board);
                case VcpuStop.Failed(MachineReport report) -> throw failed("failed: " + report, board);
                case VcpuStop.Stopped _, VcpuStop.Kicked _ -> throw failed("was stopped", board);
            };
        }
    }

    private SavedMachine save(Board board) {
        try (SavedMachine.Taken taken = board.take(kvm)) {
            return taken.finish();
        }
    }

    private static LaunchFailedException failed(String what, Board board) {
        return new LaunchFailedException("the guest kernel " + what + "; its console:\n"
                + board.fittings().consoleText().stripTrailing());
    }

    private void load(LinuxBoot boot, GuestMemory memory, BootParams params) {
        MemorySegment all = memory.writableSlice(0, Math.ceilDiv(kernel.end(), HUGE_PAGE) * HUGE_PAGE);
        try {
            kernel.load(all);
        } catch (ImageException e) {
            throw new IllegalStateException("the memory was made for this kernel", e);
        }
        boot.writeTables(memory);
        params.write(all);
        byte[] seed = new byte[BootParams.SEED_BYTES];
        RANDOM.nextBytes(seed);
        BootParams.writeSeed(all, seed);
    }

    /// Until the guest waits for the host, with the agent's port open.
    private static VcpuStop runUntilReady(Board board) throws InterruptedException {
        while (true) {
            VcpuStop stop = board.machine().run(0);
            boolean waits = stop instanceof VcpuStop.Halted(boolean interruptible) && interruptible;
            if (!waits || board.fittings().agentPort().isGuestOpen()) {
                return stop;
            }
            // Whatever the guest waits for comes from its devices, or the limit is reached.
            board.machine().await(0, Duration.ofDays(1));
        }
    }

    /// The agent has nothing to say before it is greeted.
    private static final class NobodySpeaksYet implements PortListener {
        @Override
        public void received(GuestBytes bytes) {
            throw new IllegalStateException("the agent spoke before it was greeted");
        }
    }
}
