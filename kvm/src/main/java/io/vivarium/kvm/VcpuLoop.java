// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm;

import io.vivarium.kvm.internal.KvmExit;
import org.jspecify.annotations.Nullable;

/// Runs one vCPU on the calling thread: attends to what others want of it, enters the guest, serves its exits.
///
/// Port and MMIO exits allocate nothing.
final class VcpuLoop {
    private static final int EINTR = Errno.EINTR.value();

    private final Machine machine;
    private final Vcpu vcpu;
    private final KvmRun run;
    private final RunSection section;
    private final Mailbox mailbox;
    private final Bus<PortDevice> ports;
    private final Bus<MmioDevice> mmio;
    private final boolean interruptsOnlyWake;

    /// The guest has halted and not gone on since. Guarded by the run section.
    private boolean halted;

    /// @param interruptsOnlyWake whether an interrupt for a vCPU that has halted is dropped once it has woken it
    VcpuLoop(
            Machine machine,
            Vcpu vcpu,
            Mailbox mailbox,
            Bus<PortDevice> ports,
            Bus<MmioDevice> mmio,
            boolean interruptsOnlyWake) {
        this.machine = machine;
        this.vcpu = vcpu;
        this.run = vcpu.run();
        this.section = vcpu.section();
        this.mailbox = mailbox;
        this.ports = ports;
        this.mmio = mmio;
        this.interruptsOnlyWake = interruptsOnlyWake;
    }

    boolean isHalted() {
        return halted;
    }

    void setHalted(boolean halted) {
        this.halted = halted;
    }

    /// Runs until there is a reason to stop.
    VcpuStop run() {
        section.enter();
        try {
            return loop();
        } catch (Error e) {
            // Nothing is known of the guest's state any more.
            machine.end(new VcpuStop.Stopped());
            throw e;
        } finally {
            section.leave();
        }
    }

    private VcpuStop loop() {
        mailbox.running();
        VcpuStop stop = null;
        boolean incomplete = false;
        while (true) {
            section.absorb();
            if (stop == null) {
                stop = wanted();
            }
            // KVM completes a port or MMIO access at the next entry: before that, the state is not one to leave in.
            if (stop != null && !incomplete) {
                return stop;
            }
            if (stop == null) {
                if (halted && interruptsOnlyWake) {
                    mailbox.dropInterrupts();
                }
                halted = false;
                offerInterrupt();
            }
            run.immediateExit(stop != null);
            int result = vcpu.enter();
            if (result == -EINTR) {
                // A kick, or any other signal: the flags tell. KVM has completed what was incomplete.
                incomplete = false;
                continue;
            }
            if (result < 0) {
                return fail("KVM_RUN: " + explain(new Errno(-result)), null);
            }
            int reason = run.exitReason();
            VcpuStop end = null;
            switch (reason) {
                case KvmExit.KVM_EXIT_IO -> end = servePort();
                case KvmExit.KVM_EXIT_MMIO -> end = serveMmio();
                case KvmExit.KVM_EXIT_IRQ_WINDOW_OPEN, KvmExit.KVM_EXIT_INTR -> {}
                case KvmExit.KVM_EXIT_HLT -> end = halted();
                default -> end = serveRare(ExitDecoder.decode(run));
            }
            incomplete = reason == KvmExit.KVM_EXIT_IO || reason == KvmExit.KVM_EXIT_MMIO;
            if (end != null) {
                return end;
            }
        }
    }

    /// What others want, in the order of its weight.
    private @Nullable VcpuStop wanted() {
        VcpuStop end = machine.ending();
        if (end != null) {
            return end;
        }
        if (mailbox.takeKick()) {
            return new VcpuStop.Kicked();
        }
        if (mailbox.takeHalt()) {
            return new VcpuStop.Halted(true);
        }
        return null;
    }

    /// Hands a pending interrupt to the guest if it can take it now, or asks to be told when it can.
    private void offerInterrupt() {
        boolean known = !vcpu.takeWritten();
        if (known && mailbox.hasInterrupt() && run.readyForInterruptInjection() && run.ifFlag()) {
            vcpu.interrupt(mailbox.takeInterrupt());
        }
        run.requestInterruptWindow(mailbox.hasInterrupt());
    }

    private @Nullable VcpuStop halted() {
        boolean interruptible = run.ifFlag();
        halted = true;
        return mailbox.wakes(interruptible) ? null : new VcpuStop.Halted(interruptible);
    }

    /// A port that no device claims reads as all ones and takes writes without effect, as on a bus with nobody on it.
    private @Nullable VcpuStop servePort() {
        int port = run.ioPort();
        int size = run.ioSize();
        int count = run.ioCount();
        boolean out = run.ioDirection() == KvmExit.KVM_EXIT_IO_OUT;
        int window = ports.find(port, size);
        if (window < 0) {
            for (int i = 0; i < count && !out; i++) {
                run.ioData(i, -1);
            }
            return null;
        }
        PortDevice device = ports.device(window);
        int offset = (int) (port - ports.first(window));
        try {
            for (int i = 0; i < count; i++) {
                if (out) {
                    device.write(offset, size, run.ioData(i));
                } else {
                    run.ioData(i, device.read(offset, size));
                }
            }
            return null;
        } catch (RuntimeException e) {
            return fail("port 0x%x: %s".formatted(port, e), e);
        }
    }

    private @Nullable VcpuStop serveMmio() {
        long address = run.mmioPhysAddr();
        int size = run.mmioLen();
        int window = mmio.find(address, size);
        if (window < 0) {
            return fail(nobody(address), null);
        }
        if (Integer.bitCount(size) != 1) {
            return fail(ExitDecoder.decode(run).describe() + ": not 1, 2, 4 or 8 bytes", null);
        }
        MmioDevice device = mmio.device(window);
        long offset = address - mmio.first(window);
        try {
            if (run.mmioIsWrite()) {
                device.write(offset, size, run.mmioData());
            } else {
                run.mmioData(device.read(offset, size));
            }
            return null;
        } catch (RuntimeException e) {
            return fail("MMIO 0x%x: %s".formatted(address, e), e);
        }
    }

    private String nobody(long address) {
        String access = ExitDecoder.decode(run).describe();
        for (MemoryRegion region : machine.memory().regions()) {
            if (address >= region.guestPhysicalAddress() && address < region.end()) {
                return access + ", which is read-only memory";
            }
        }
        return access + ", where neither memory nor a device is";
    }

    private @Nullable VcpuStop serveRare(VcpuExit exit) {
        return switch (exit) {
            case VcpuExit.Shutdown _ -> end(VcpuStop.Shutdown.Cause.TRIPLE_FAULT);
            case VcpuExit.SystemEvent event ->
                switch (event.type()) {
                    case KvmExit.KVM_SYSTEM_EVENT_SHUTDOWN -> end(VcpuStop.Shutdown.Cause.POWER_OFF);
                    case KvmExit.KVM_SYSTEM_EVENT_RESET -> end(VcpuStop.Shutdown.Cause.RESET);
                    case KvmExit.KVM_SYSTEM_EVENT_CRASH -> end(VcpuStop.Shutdown.Cause.CRASH);
                    default -> fail(exit.describe(), null);
                };
            case VcpuExit.Nmi _, VcpuExit.Intr _, VcpuExit.IrqWindowOpen _ -> null;
            case VcpuExit.Hlt _ -> halted();
            case VcpuExit.Io _ -> servePort();
            case VcpuExit.Mmio _ -> serveMmio();
            case VcpuExit.BusLock _,
                    VcpuExit.Debug _,
                    VcpuExit.FailEntry _,
                    VcpuExit.GuestException _,
                    VcpuExit.Hypercall _,
                    VcpuExit.KvmInternalError _,
                    VcpuExit.Msr _,
                    VcpuExit.Notify _,
                    VcpuExit.Unknown _,
                    VcpuExit.UnknownHardware _ -> fail(exit.describe(), null);
        };
    }

    private VcpuStop end(VcpuStop.Shutdown.Cause cause) {
        return machine.end(new VcpuStop.Shutdown(cause));
    }

    private VcpuStop fail(String reason, @Nullable Throwable cause) {
        return machine.end(new VcpuStop.Failed(machine.report(vcpu, reason, cause)));
    }

    private static String explain(Errno errno) {
        return errno.equals(Errno.EFAULT)
                ? errno + ": the host has no page for guest memory (out of memory, or the file behind it was shortened)"
                : errno.toString();
    }
}
