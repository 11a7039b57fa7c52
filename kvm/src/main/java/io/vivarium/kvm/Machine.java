// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm;

import io.vivarium.kvm.x86.PowerOn;
import io.vivarium.kvm.x86.VcpuDump;
import java.lang.foreign.Arena;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// A virtual machine: memory, devices on a port and an MMIO bus, and vCPUs. It owns no thread: whoever wants a vCPU to
/// run calls [#run].
///
/// There is no interrupt controller in the kernel: [#interrupt] puts a vector straight to a vCPU, and
/// `hlt` returns from [#run]. A machine that is built [with one][Builder#interruptController] is
/// interrupted by [Vm#irqfd] instead, and a vCPU that halts stays in [#run].
///
/// May be used from any thread. After [#close] every method but [#stop] and [#close] throws [IllegalStateException], as
/// does every access to the memory.
public final class Machine implements AutoCloseable {
    /// APIC ids have 8 bits, of which 255 means all (Intel SDM 3A, 11.6.1).
    private static final int MOST_VCPUS = 255;

    private static final int VECTORS = 256;
    private static final int PORTS = 0x10000;

    private final Arena arena;
    private final GuestMemory memory;
    private final Vm vm;
    private final List<Vcpu> vcpus;
    private final List<Mailbox> mailboxes;
    private final List<VcpuLoop> loops;
    private final @Nullable Supplier<List<String>> consoleLines;
    private final AtomicReference<@Nullable VcpuStop> ending = new AtomicReference<>();
    private final ReentrantLock closing = new ReentrantLock();
    private volatile boolean closed;

    private Machine(Builder builder, Arena arena, Vm vm) {
        this.arena = arena;
        this.vm = vm;
        this.consoleLines = builder.consoleLines;
        Bus<PortDevice> ports = new Bus<>(builder.ports);
        Bus<MmioDevice> mmio = new Bus<>(builder.mmio);
        this.memory = GuestMemory.map(arena, builder.regions);
        requireApart(memory, mmio);
        List<MemoryRegion> regions = memory.regions();
        for (int slot = 0; slot < regions.size(); slot++) {
            vm.setUserMemoryRegion(slot, regions.get(slot));
        }
        if (builder.interruptController) {
            vm.createInterruptController();
        }
        this.vcpus = new ArrayList<>();
        this.mailboxes = new ArrayList<>();
        this.loops = new ArrayList<>();
        try {
            for (int index = 0; index < builder.vcpus; index++) {
                Vcpu vcpu = vm.createVcpu(arena, index);
                vcpus.add(vcpu);
                PowerOn.apply(vcpu, builder.vcpus, builder.interruptController);
                Mailbox mailbox = new Mailbox();
                mailboxes.add(mailbox);
                loops.add(new VcpuLoop(this, vcpu, mailbox, ports, mmio, builder.interruptsOnlyWake));
            }
        } catch (RuntimeException e) {
            closeVcpus();
            throw e;
        }
    }

    private void closeVcpus() {
        for (Vcpu vcpu : vcpus) {
            vcpu.close();
        }
    }

    private static void requireApart(GuestMemory memory, Bus<MmioDevice> mmio) {
        for (MemoryRegion region : memory.regions()) {
            for (Bus.Window<MmioDevice> window : mmio.windows()) {
                if (window.first() < region.end() && region.guestPhysicalAddress() < window.end()) {
                    throw new IllegalArgumentException(
                            "a device at 0x%x lies in memory: %s".formatted(window.first(), region.spec()));
                }
            }
        }
    }

    /// Starts the description of a machine.
    public static Builder builder(Kvm kvm) {
        return new Builder(kvm);
    }

    /// The guest-physical memory.
    public GuestMemory memory() {
        return memory;
    }

    /// The VM under the machine, for what its vCPUs share.
    public Vm vm() {
        requireOpen();
        return vm;
    }

    /// Number of vCPUs.
    public int vcpus() {
        return vcpus.size();
    }

    /// A vCPU, whose state may be read and written while it does not run.
    ///
    /// @param index from 0
    public Vcpu vcpu(int index) {
        requireOpen();
        return vcpus.get(index);
    }

    /// Whether a vCPU has executed `hlt` and not been run since: a part of its state that KVM does not keep.
    ///
    /// @param index from 0
    public boolean isHalted(int index) {
        vcpu(index).section().requireNoOtherThread();
        return loops.get(index).isHalted();
    }

    /// Has a vCPU that takes over the state of another be halted, or not, as that is.
    ///
    /// @param index from 0
    public void setHalted(int index, boolean halted) {
        vcpu(index).section().requireNoOtherThread();
        loops.get(index).setHalted(halted);
    }

    /// The interrupts that a vCPU was [given][#interrupt] and has not taken yet: a part of its state that KVM does not
    /// keep.
    ///
    /// @param index from 0
    /// @return vectors, ascending
    public int[] pendingInterrupts(int index) {
        requireOpen();
        return mailboxes.get(index).pendingInterrupts();
    }

    /// Undoes the end of the machine, if it has ended, and forgets interrupts and kicks that are pending: for a guest
    /// that goes on from a saved state, in a machine that another had. What its vCPUs and its memory hold stays.
    ///
    /// Nobody who had to do with the other guest may interrupt, kick or stop the machine any more.
    ///
    /// @throws IllegalStateException if the machine is closed, or a vCPU is being run
    public void revive() {
        for (int index = 0; index < vcpus.size(); index++) {
            vcpu(index).section().requireNobody();
            mailboxes.get(index).clear();
            loops.get(index).setHalted(false);
        }
        ending.set(null);
    }

    /// Enters a vCPU on the calling platform thread and serves its exits there until it stops.
    ///
    /// @param index from 0
    /// @throws IllegalStateException if the machine is closed, another thread runs this vCPU, or this thread is
    /// virtual
    public VcpuStop run(int index) {
        return loops.get(index).run();
    }

    /// Gives a vCPU an external interrupt as soon as it can take it. A vCPU that runs is interrupted in its work; one
    /// that has halted has to be [run][#run] again, see [#await].
    ///
    /// @param index of the vCPU, from 0
    /// @param vector 0 to 255; of several that are pending, the guest gets the highest first, each once
    /// @throws IllegalStateException if the machine is closed, or has an interrupt controller in the kernel
    public void interrupt(int index, int vector) {
        requireOpen();
        if (vm.hasInterruptController()) {
            throw new IllegalStateException("a machine with an interrupt controller is interrupted by Vm.irqfd");
        }
        if (vector < 0 || vector >= VECTORS) {
            throw new IllegalArgumentException("interrupt vector " + vector);
        }
        mailboxes.get(index).interrupt(vector);
        signal(index);
    }

    /// Makes [#run] of a vCPU return [VcpuStop.Kicked]: the one that is under way, or else the next one. Kicks do not
    /// add up.
    ///
    /// @param index of the vCPU, from 0
    public void kick(int index) {
        requireOpen();
        mailboxes.get(index).kick();
        signal(index);
    }

    /// Makes [#run] of a vCPU return [VcpuStop.Halted] once the access under way is complete, unless an interrupt is
    /// pending. For devices, while the guest is in them.
    ///
    /// @param index of the vCPU, from 0
    public void halt(int index) {
        requireOpen();
        mailboxes.get(index).halt();
        signal(index);
    }

    /// Waits, without a vCPU thread, until there is a reason to run a vCPU that has halted: an interrupt it can take, a
    /// kick, or the end of the machine.
    ///
    /// @param index of the vCPU, from 0
    /// @param timeout how long at most
    /// @return false if there was none in that time
    /// @throws InterruptedException if the thread is interrupted
    public boolean await(int index, Duration timeout) throws InterruptedException {
        requireOpen();
        return mailboxes.get(index).await(timeout.toNanos());
    }

    /// Ends the machine: every [#run], under way or to come, returns [VcpuStop.Stopped]. Does not wait for that.
    public void stop() {
        end(new VcpuStop.Stopped());
    }

    /// Ends the machine on the guest's behalf: every [#run], under way or to come, returns this. For devices.
    public void shutdown(VcpuStop.Shutdown.Cause cause) {
        end(new VcpuStop.Shutdown(cause));
    }

    /// Ends the machine, unless it has ended.
    ///
    /// @return how it has ended
    VcpuStop end(VcpuStop stop) {
        ending.compareAndSet(null, stop);
        for (int index = 0; index < mailboxes.size(); index++) {
            mailboxes.get(index).end();
            signal(index);
        }
        VcpuStop end = ending.get();
        return end == null ? stop : end;
    }

    /// How the machine has ended, or null while it has not.
    @Nullable
    VcpuStop ending() {
        return ending.get();
    }

    private void signal(int index) {
        vcpus.get(index).section().signal();
    }

    private void requireOpen() {
        if (closed) {
            throw new IllegalStateException("the machine is closed");
        }
    }

    /// Describes what a vCPU, which the calling thread runs, is at.
    MachineReport report(Vcpu vcpu, String reason, @Nullable Throwable cause) {
        return new MachineReport(
                vcpu.index(),
                reason,
                orWhyNot(() -> VcpuDump.registers(vcpu)),
                orWhyNot(() -> VcpuDump.instruction(vcpu, memory)),
                consoleLines == null ? List.of() : consoleLines.get(),
                cause);
    }

    private static String orWhyNot(Supplier<String> text) {
        try {
            return text.get();
        } catch (KvmException e) {
            return "not known: " + e.getMessage();
        }
    }

    /// Stops the machine, waits until no thread is in a vCPU, and gives everything back to the host. Idempotent.
    ///
    /// A device that a vCPU is in has to return first.
    ///
    /// @throws IllegalStateException if the calling thread is in a vCPU, that is, in a device: it would wait for
    /// itself
    @Override
    public void close() {
        for (Vcpu vcpu : vcpus) {
            if (vcpu.section().isInside()) {
                throw new IllegalStateException("close() inside a device of the machine: call stop()");
            }
        }
        closing.lock();
        try {
            if (closed) {
                return;
            }
            stop();
            for (Vcpu vcpu : vcpus) {
                vcpu.section().close();
            }
            closed = true;
            closeVcpus();
            vm.close();
            arena.close();
        } finally {
            closing.unlock();
        }
    }

    /// Describes a machine. Not safe for use by several threads at a time.
    public static final class Builder {
        private final Kvm kvm;
        private final List<RegionSpec> regions = new ArrayList<>();
        private final List<Bus.Window<PortDevice>> ports = new ArrayList<>();
        private final List<Bus.Window<MmioDevice>> mmio = new ArrayList<>();
        private int vcpus = 1;
        private boolean interruptsOnlyWake;
        private boolean interruptController;
        private @Nullable Supplier<List<String>> consoleLines;

        private Builder(Kvm kvm) {
            this.kvm = kvm;
        }

        /// Adds a region of memory.
        public Builder region(RegionSpec spec) {
            regions.add(spec);
            return this;
        }

        /// Adds a device on the MMIO bus.
        ///
        /// @param base guest-physical address of its window, outside memory
        /// @param length bytes of the window, more than zero
        public Builder mmio(long base, long length, MmioDevice device) {
            if (base < 0 || length <= 0 || Long.MAX_VALUE - base < length) {
                throw new IllegalArgumentException("an MMIO window at 0x%x of 0x%x bytes".formatted(base, length));
            }
            mmio.add(new Bus.Window<>(base, length, device));
            return this;
        }

        /// Adds a device on the port bus.
        ///
        /// @param first its first port
        /// @param count number of ports, more than zero
        public Builder port(int first, int count, PortDevice device) {
            if (first < 0 || count <= 0 || count > PORTS - first) {
                throw new IllegalArgumentException("ports 0x%x, %d of them".formatted(first, count));
            }
            ports.add(new Bus.Window<>(first, count, device));
            return this;
        }

        /// Sets the number of vCPUs, which is 1 otherwise.
        ///
        /// @param count 1 to 255
        public Builder vcpus(int count) {
            if (count < 1 || count > MOST_VCPUS) {
                throw new IllegalArgumentException(count + " vCPUs: 1 to " + MOST_VCPUS);
            }
            vcpus = count;
            return this;
        }

        /// Spares a vCPU that has halted the interrupt that wakes it, for a kernel that looks at all
        /// its devices and at the time whenever it comes out of `hlt`. A vCPU that runs is interrupted
        /// as ever.
        public Builder interruptsOnlyWake() {
            interruptsOnlyWake = true;
            return this;
        }

        /// Gives the machine the interrupt controllers that the kernel has (`KVM_CREATE_IRQCHIP`), for a kernel that
        /// counts on those of a PC. Its state is not one that can be saved.
        public Builder interruptController() {
            interruptController = true;
            return this;
        }

        /// Sets where [MachineReport#lastConsoleLines] comes from. Called on the thread of the vCPU that failed.
        public Builder consoleLines(Supplier<List<String>> lines) {
            consoleLines = lines;
            return this;
        }

        /// Creates the machine: memory first, because KVM takes long to add a slot to a VM that has more, then the
        /// vCPUs.
        ///
        /// @throws KvmException if the host refuses
        /// @throws IllegalArgumentException if parts of it overlap, or it has no memory
        /// @throws UnsupportedOperationException if KVM lacks something that a region needs The machine closes
        /// the arena.
        @SuppressWarnings("MustBeClosedChecker")
        public Machine build() {
            Arena arena = Arena.ofShared();
            Vm vm = null;
            try {
                vm = kvm.createVm();
                return new Machine(this, arena, vm);
            } catch (RuntimeException e) {
                if (vm != null) {
                    vm.close();
                }
                arena.close();
                throw e;
            }
        }
    }
}
