// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import io.vivarium.kvm.DeviceFault;
import io.vivarium.kvm.GuestMemory;
import io.vivarium.kvm.MmioDevice;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/// A virtio device behind a window of memory-mapped registers (virtio 1.2 §4.2, register layout version 2).
///
/// The window is [#WINDOW_SIZE] bytes: control registers, accessed with aligned 32-bit reads and writes, and
/// from 0x100 the device's configuration space, accessed with any size. An access that the specification
/// forbids a driver and gives no answer to is refused, that is, reads zero or writes nothing, and is counted
/// under its name ([#refusals], [#lastRefusal]). What breaks the contract of the queues or of the device is a
/// [VirtioFault], followed by what the [FaultPolicy] says.
///
/// Thread-safe; everything happens under the [device's lock][VirtioDevice#lock].
public final class VirtioMmioTransport implements MmioDevice {
    /// Bytes of the window.
    public static final long WINDOW_SIZE = 0x200;

    /// `VendorID`: "VIVA", as a little-endian number.
    public static final int VENDOR_ID = 0x4156_4956;

    /// Why a register access was refused.
    public enum Refusal {
        /// A control register accessed with a size other than 4 bytes, or misaligned (§4.2.2.2).
        ACCESS_SIZE,
        /// No register there, a read of a write-only one, or a write to a read-only one (§4.2.2.2).
        NO_SUCH_REGISTER,
        /// Beyond the configuration space, or a write to a field that cannot be written.
        NO_SUCH_CONFIG,
        /// A status bit was cleared, without a reset (§2.1.1).
        STATUS_CLEARED,
        /// A status bit was set before those that precede it, or that only the device may set, or that there
        /// is not (§2.1).
        STATUS_ORDER,
        /// `FEATURES_OK` with a feature that was not offered, or without `VIRTIO_F_VERSION_1` (§2.2).
        FEATURES,
        /// `DriverFeatures` after `FEATURES_OK`, or outside of the driver's initialization (§3.1.1).
        FEATURES_ORDER,
        /// A queue set up before `FEATURES_OK`, or changed while it is ready (§3.1.1, §4.2.2.2).
        QUEUE_ORDER,
        /// `QueueReady` with a value other than 0 and 1.
        QUEUE_READY_VALUE,
        /// A queue that the device does not have.
        NO_SUCH_QUEUE,
        /// A notification before `DRIVER_OK`, or after the device or its driver has failed, or of a queue
        /// that is not ready.
        NOTIFY_ORDER
    }

    private static final int MAGIC = 0x7472_6976;
    private static final int VERSION = 2;

    private static final int MAGIC_VALUE = 0x000;
    private static final int VERSION_REGISTER = 0x004;
    private static final int DEVICE_ID = 0x008;
    private static final int VENDOR = 0x00c;
    private static final int DEVICE_FEATURES = 0x010;
    private static final int DEVICE_FEATURES_SEL = 0x014;
    private static final int DRIVER_FEATURES = 0x020;
    private static final int DRIVER_FEATURES_SEL = 0x024;
    private static final int QUEUE_SEL = 0x030;
    private static final int QUEUE_NUM_MAX = 0x034;
    private static final int QUEUE_NUM = 0x038;
    private static final int QUEUE_READY = 0x044;
    static final int QUEUE_NOTIFY = 0x050;
    private static final int INTERRUPT_STATUS = 0x060;
    private static final int INTERRUPT_ACK = 0x064;
    private static final int STATUS = 0x070;
    private static final int QUEUE_DESC_LOW = 0x080;
    private static final int QUEUE_DESC_HIGH = 0x084;
    private static final int QUEUE_DRIVER_LOW = 0x090;
    private static final int QUEUE_DRIVER_HIGH = 0x094;
    private static final int QUEUE_DEVICE_LOW = 0x0a0;
    private static final int QUEUE_DEVICE_HIGH = 0x0a4;
    private static final int SHM_SEL = 0x0ac;
    private static final int SHM_LEN_LOW = 0x0b0;
    private static final int SHM_LEN_HIGH = 0x0b4;
    private static final int SHM_BASE_LOW = 0x0b8;
    private static final int SHM_BASE_HIGH = 0x0bc;
    private static final int CONFIG_GENERATION = 0x0fc;
    private static final int CONFIG = 0x100;

    private static final int ACKNOWLEDGE = 1;
    private static final int DRIVER = 2;
    private static final int DRIVER_OK = 4;
    private static final int FEATURES_OK = 8;
    private static final int DEVICE_NEEDS_RESET = 64;
    private static final int FAILED = 128;

    private static final int USED_BUFFER = 1;
    private static final int CONFIG_CHANGE = 2;

    private static final AtomicLong NUMBERS = new AtomicLong();

    private final long number = NUMBERS.incrementAndGet();
    private final VirtioDevice device;
    private final DeviceLock lock;
    private final GuestMemory memory;
    private final GuestRegions regions;
    private final FaultPolicy policy;
    private final Link link = new Link();
    private final long offeredFeatures;

    // All that changes, guarded by the lock.
    private int status;
    private long driverFeatures;
    private int deviceFeaturesSel;
    private int driverFeaturesSel;
    private int queueSel;
    private int interruptStatus;
    private long continueQueues;
    private final QueueRegisters[] queueRegisters;
    private final @Nullable VirtQueue[] queues;
    private final QueueCounters[] counters;
    private @Nullable VirtioFault fault;
    private long refusals;
    private @Nullable Refusal lastRefusal;

    /// Puts a device behind registers; after a fault it needs a reset ([FaultPolicy#NEEDS_RESET]).
    ///
    /// @param device has no other transport
    /// @param memory the guest's memory
    /// @param interrupt notifies the driver of used buffers and of changes of the configuration; any thread
    ///     calls it, without holding a lock; may be called in vain
    public VirtioMmioTransport(VirtioDevice device, GuestMemory memory, Runnable interrupt) {
        this(device, memory, interrupt, FaultPolicy.NEEDS_RESET);
    }

    /// Puts a device behind registers.
    ///
    /// @param device has no other transport
    /// @param memory the guest's memory
    /// @param interrupt notifies the driver of used buffers and of changes of the configuration; any thread
    ///     calls it, without holding a lock; may be called in vain
    /// @param policy what follows a fault
    public VirtioMmioTransport(VirtioDevice device, GuestMemory memory, Runnable interrupt, FaultPolicy policy) {
        if (device.queueCount() > Long.SIZE) {
            throw new IllegalArgumentException(
                    "a device of %d queues; 64 are supported".formatted(device.queueCount()));
        }
        if (device.configLength() > WINDOW_SIZE - CONFIG) {
            throw new IllegalArgumentException("a configuration space of %d bytes; %d are supported"
                    .formatted(device.configLength(), WINDOW_SIZE - CONFIG));
        }
        this.device = device;
        this.lock = device.lock();
        this.memory = memory;
        this.regions = new GuestRegions(memory);
        this.policy = policy;
        this.offeredFeatures = device.features()
                | VirtioFeature.VERSION_1.mask()
                | VirtioFeature.INDIRECT_DESC.mask()
                | VirtioFeature.EVENT_IDX.mask();
        this.queues = new @Nullable VirtQueue[device.queueCount()];
        this.queueRegisters = new QueueRegisters[device.queueCount()];
        this.counters = new QueueCounters[device.queueCount()];
        for (int i = 0; i < queueRegisters.length; i++) {
            queueRegisters[i] = new QueueRegisters();
            counters[i] = new QueueCounters();
        }
        lock.interruptWith(interrupt);
        QueueSampler.watch(this, queues.length);
    }

    /// By which events tell it from others.
    long number() {
        return number;
    }

    /// Which type of device it has.
    int deviceType() {
        return device.deviceId();
    }

    /// Why the device needs a reset; null while it does not. Any thread.
    public @Nullable VirtioFault fault() {
        lock.acquire();
        try {
            return fault;
        } finally {
            lock.release();
        }
    }

    /// How many register accesses were refused so far. Any thread.
    public long refusals() {
        lock.acquire();
        try {
            return refusals;
        } finally {
            lock.release();
        }
    }

    /// Why the last one of them was; null when none was. Any thread.
    public @Nullable Refusal lastRefusal() {
        lock.acquire();
        try {
            return lastRefusal;
        } finally {
            lock.release();
        }
    }

    /// The driver has notified of a queue in another way than by an access to `QueueNotify` that came here, as
    /// through an [EventDoorbell]. Any thread. A fault that is found is treated as on an access; with
    /// [FaultPolicy#END_MACHINE] the next access ends the machine.
    ///
    /// @param queue its index
    public void notified(int queue) {
        lock.acquire();
        try {
            notifyQueue(queue);
        } catch (VirtioFault e) {
            link.fail(e);
        } finally {
            lock.release();
        }
    }

    /// What went through a queue. Any thread.
    ///
    /// @param queue below [VirtioDevice#queueCount]
    public QueueStatistics statistics(int queue) {
        lock.acquire();
        try {
            return counters[queue].statistics();
        } finally {
            lock.release();
        }
    }

    /// @throws DeviceFault after a fault, with [FaultPolicy#END_MACHINE]
    @Override
    public long read(long offset, int size) {
        long value;
        lock.acquire();
        try {
            if (offset >= CONFIG) {
                value = readConfig(offset - CONFIG, size);
            } else if (size != 4 || (offset & 3) != 0) {
                value = refuse(Refusal.ACCESS_SIZE);
            } else {
                value = Integer.toUnsignedLong(readRegister((int) offset));
            }
        } finally {
            lock.release();
        }
        endMachineIfFailed();
        return value;
    }

    /// @throws DeviceFault after a fault, with [FaultPolicy#END_MACHINE]
    @Override
    public void write(long offset, int size, long value) {
        lock.acquire();
        try {
            if (offset >= CONFIG) {
                writeConfig(offset - CONFIG, size, value);
            } else if (size != 4 || (offset & 3) != 0) {
                refuse(Refusal.ACCESS_SIZE);
            } else {
                writeRegister((int) offset, (int) value);
            }
        } catch (VirtioFault e) {
            link.fail(e);
        } finally {
            lock.release();
        }
        endMachineIfFailed();
    }

    /// What the device and its transport are at, apart from the guest's memory. For consistency with
    /// that, no vCPU of the guest may run meanwhile.
    public VirtioMmioState save() {
        lock.acquire();
        try {
            List<QueueState> states = new ArrayList<>();
            for (int i = 0; i < queues.length; i++) {
                states.add(QueueState.of(queueRegisters[i], queues[i]));
            }
            return new VirtioMmioState(
                    status,
                    driverFeatures,
                    deviceFeaturesSel,
                    driverFeaturesSel,
                    queueSel,
                    interruptStatus,
                    continueQueues,
                    states,
                    fault == null ? null : new VirtioMmioState.FaultState(fault.kind(), fault.detail()),
                    device.save());
        } finally {
            lock.release();
        }
    }

    /// Goes on where another transport was, before any vCPU of the guest runs. What the driver was
    /// interrupted for and has not acknowledged, it is interrupted for again.
    ///
    /// @param state of a transport of the same kind of device, on the same content of memory
    /// @throws IllegalArgumentException if the state does not fit the device, or the guest's memory
    /// @throws IllegalStateException if the driver has already been at the device
    public void restore(VirtioMmioState state) {
        lock.acquire();
        try {
            if (status != 0) {
                throw new IllegalStateException("restore of device %d in use".formatted(device.deviceId()));
            }
            checkFits(state);
            status = state.status();
            driverFeatures = state.driverFeatures();
            deviceFeaturesSel = state.deviceFeaturesSel();
            driverFeaturesSel = state.driverFeaturesSel();
            queueSel = state.queueSel();
            interruptStatus = state.interruptStatus();
            continueQueues = state.continueQueues();
            VirtioMmioState.FaultState failed = state.fault();
            fault = failed == null ? null : new VirtioFault(failed.kind(), failed.detail());
            for (int i = 0; i < queues.length; i++) {
                restoreQueue(i, state.queues().get(i));
            }
            device.restore(state.device(), (status & DRIVER_OK) != 0 ? link : null);
            if (interruptStatus != 0) {
                lock.interrupt();
            }
        } catch (VirtioFault e) {
            throw new IllegalArgumentException("the state does not fit the guest's memory: " + e.getMessage(), e);
        } finally {
            lock.release();
        }
    }

    /// Takes the device out of its machine: it uses no queue any more, and so no memory of the guest's, and interrupts
    /// nobody. Any thread, while no vCPU of the guest runs. Idempotent.
    public void detach() {
        lock.acquire();
        try {
            lock.interruptWith(() -> {});
            reset();
        } finally {
            lock.release();
        }
    }

    private void checkFits(VirtioMmioState state) {
        boolean statusPossible = precedesAll(state.status())
                && (state.status() & ~(ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK | FAILED | DEVICE_NEEDS_RESET))
                        == 0
                && (state.fault() != null) == ((state.status() & DEVICE_NEEDS_RESET) != 0);
        boolean featuresPossible = (state.driverFeatures() & ~offeredFeatures) == 0;
        if (!statusPossible || !featuresPossible || state.queues().size() != queues.length) {
            throw new IllegalArgumentException("not the state of a device %d with %d queues and features 0x%x: %s"
                    .formatted(device.deviceId(), queues.length, offeredFeatures, state));
        }
    }

    private void restoreQueue(int index, QueueState state) {
        state.into(queueRegisters[index]);
        QueueState.Progress progress = state.progress();
        if (progress != null) {
            VirtQueue queue = newQueue(index);
            queue.resumeAt(progress);
            queues[index] = queue;
        }
    }

    private VirtQueue newQueue(int index) {
        return new VirtQueue(
                index,
                device.maxQueueSize(index),
                queueRegisters[index],
                memory,
                regions,
                driverFeatures,
                counters[index]);
    }

    private long readConfig(long offset, int size) {
        if (offset > device.configLength() - size) {
            return refuse(Refusal.NO_SUCH_CONFIG);
        }
        return device.readConfig((int) offset, size);
    }

    private void writeConfig(long offset, int size, long value) {
        if (offset > device.configLength() - size || !device.writeConfig((int) offset, size, value)) {
            refuse(Refusal.NO_SUCH_CONFIG);
        }
    }

    private int readRegister(int offset) {
        return switch (offset) {
            case MAGIC_VALUE -> MAGIC;
            case VERSION_REGISTER -> VERSION;
            case DEVICE_ID -> device.deviceId();
            case VENDOR -> VENDOR_ID;
            case DEVICE_FEATURES ->
                switch (deviceFeaturesSel) {
                    case 0 -> (int) offeredFeatures;
                    case 1 -> (int) (offeredFeatures >>> 32);
                    default -> 0;
                };
            case QUEUE_NUM_MAX -> hasSelectedQueue() ? device.maxQueueSize(queueSel) : 0;
            case QUEUE_READY -> hasSelectedQueue() && queues[queueSel] != null ? 1 : 0;
            case INTERRUPT_STATUS -> interruptStatus;
            case STATUS -> status;
            // There is no shared memory: each region's length and base read as -1 (§4.2.2).
            case SHM_LEN_LOW, SHM_LEN_HIGH, SHM_BASE_LOW, SHM_BASE_HIGH -> -1;
            case CONFIG_GENERATION -> device.configGeneration();
            default -> refuse(Refusal.NO_SUCH_REGISTER);
        };
    }

    private void writeRegister(int offset, int value) {
        switch (offset) {
            case DEVICE_FEATURES_SEL -> deviceFeaturesSel = value;
            case DRIVER_FEATURES_SEL -> driverFeaturesSel = value;
            case DRIVER_FEATURES -> writeDriverFeatures(value);
            case QUEUE_SEL -> queueSel = value;
            case QUEUE_NUM,
                    QUEUE_DESC_LOW,
                    QUEUE_DESC_HIGH,
                    QUEUE_DRIVER_LOW,
                    QUEUE_DRIVER_HIGH,
                    QUEUE_DEVICE_LOW,
                    QUEUE_DEVICE_HIGH -> writeQueueRegister(offset, value);
            case QUEUE_READY -> writeQueueReady(value);
            case QUEUE_NOTIFY -> notifyQueue(value);
            case INTERRUPT_ACK -> acknowledge(value);
            case STATUS -> writeStatus(value);
            case SHM_SEL -> {} // There is none to select.
            default -> refuse(Refusal.NO_SUCH_REGISTER);
        }
    }

    private int refuse(Refusal refusal) {
        refusals++;
        lastRefusal = refusal;
        return 0;
    }

    private void writeStatus(int value) {
        if (value == 0) {
            reset();
            return;
        }
        int added = value & ~status;
        if ((status & ~value & ~DEVICE_NEEDS_RESET) != 0) {
            // A driver that has not yet seen DEVICE_NEEDS_RESET writes the status without it.
            refuse(Refusal.STATUS_CLEARED);
        } else if (added == FAILED) {
            giveUp();
        } else if ((added & ~(ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK)) != 0
                || ((status & (FAILED | DEVICE_NEEDS_RESET)) != 0 && added != 0)
                || !precedesAll(value)) {
            refuse(Refusal.STATUS_ORDER);
        } else {
            advance(added);
        }
    }

    /// The driver has given up on the device, which so has no driver any more.
    private void giveUp() {
        boolean wasLive = isLive();
        status |= FAILED;
        continueQueues = 0;
        if (wasLive) {
            device.reset();
        }
    }

    /// Whether no bit of a status is set without all those that come before it (§3.1.1).
    private static boolean precedesAll(int status) {
        int expected = 0;
        for (int bit : new int[] {ACKNOWLEDGE, DRIVER, FEATURES_OK, DRIVER_OK}) {
            if ((status & bit) != 0 && (status & expected) != expected) {
                return false;
            }
            expected |= bit;
        }
        return true;
    }

    private void advance(int added) {
        if ((added & FEATURES_OK) != 0 && !featuresAcceptable()) {
            status |= added & (ACKNOWLEDGE | DRIVER);
            refuse(Refusal.FEATURES);
            return;
        }
        status |= added;
        if ((added & DRIVER_OK) != 0) {
            device.activate(link);
            for (int i = 0; i < queues.length; i++) {
                notifyDevice(i);
            }
        }
    }

    private boolean featuresAcceptable() {
        return (driverFeatures & ~offeredFeatures) == 0 && VirtioFeature.VERSION_1.in(driverFeatures);
    }

    private void reset() {
        boolean wasActive = (status & DRIVER_OK) != 0;
        status = 0;
        driverFeatures = 0;
        deviceFeaturesSel = 0;
        driverFeaturesSel = 0;
        queueSel = 0;
        interruptStatus = 0;
        continueQueues = 0;
        fault = null;
        for (int i = 0; i < queues.length; i++) {
            queues[i] = null;
            queueRegisters[i].reset();
        }
        lock.cancelInterrupt();
        if (wasActive) {
            device.reset();
        }
    }

    private void writeDriverFeatures(int value) {
        if ((status & (DRIVER | FEATURES_OK)) != DRIVER) {
            refuse(Refusal.FEATURES_ORDER);
            return;
        }
        long word = Integer.toUnsignedLong(value);
        switch (driverFeaturesSel) {
            case 0 -> driverFeatures = (driverFeatures & 0xffff_ffff_0000_0000L) | word;
            case 1 -> driverFeatures = (driverFeatures & 0xffff_ffffL) | (word << 32);
            default -> {
                // There are no features beyond 63: to accept one is refused, to accept none is nothing.
                if (value != 0) {
                    refuse(Refusal.FEATURES);
                }
            }
        }
    }

    private boolean hasSelectedQueue() {
        return queueSel >= 0 && queueSel < queues.length;
    }

    private void writeQueueRegister(int offset, int value) {
        if (!hasSelectedQueue()) {
            refuse(Refusal.NO_SUCH_QUEUE);
            return;
        }
        if (!mayConfigureQueues() || queues[queueSel] != null) {
            refuse(Refusal.QUEUE_ORDER);
            return;
        }
        QueueRegisters registers = queueRegisters[queueSel];
        switch (offset) {
            case QUEUE_NUM -> registers.size = value;
            case QUEUE_DESC_LOW -> registers.descriptorArea = withLow(registers.descriptorArea, value);
            case QUEUE_DESC_HIGH -> registers.descriptorArea = withHigh(registers.descriptorArea, value);
            case QUEUE_DRIVER_LOW -> registers.driverArea = withLow(registers.driverArea, value);
            case QUEUE_DRIVER_HIGH -> registers.driverArea = withHigh(registers.driverArea, value);
            case QUEUE_DEVICE_LOW -> registers.deviceArea = withLow(registers.deviceArea, value);
            case QUEUE_DEVICE_HIGH -> registers.deviceArea = withHigh(registers.deviceArea, value);
            default -> throw new AssertionError(offset);
        }
    }

    private static long withLow(long address, int low) {
        return (address & 0xffff_ffff_0000_0000L) | Integer.toUnsignedLong(low);
    }

    private static long withHigh(long address, int high) {
        return (address & 0xffff_ffffL) | ((long) high << 32);
    }

    private boolean mayConfigureQueues() {
        return (status & (FEATURES_OK | FAILED | DEVICE_NEEDS_RESET)) == FEATURES_OK;
    }

    private void writeQueueReady(int value) {
        if (!hasSelectedQueue()) {
            refuse(Refusal.NO_SUCH_QUEUE);
        } else if (value == 0) {
            stopQueue(queueSel);
        } else if (value != 1) {
            refuse(Refusal.QUEUE_READY_VALUE);
        } else if (!mayConfigureQueues()) {
            refuse(Refusal.QUEUE_ORDER);
        } else if (queues[queueSel] == null) {
            queues[queueSel] = newQueue(queueSel);
        }
    }

    private void stopQueue(int index) {
        if (queues[index] != null) {
            queues[index] = null;
            continueQueues &= ~(1L << index);
            if ((status & DRIVER_OK) != 0) {
                device.stopped(index);
            }
        }
    }

    private void notifyQueue(int index) {
        if (index < 0 || index >= queues.length) {
            refuse(Refusal.NO_SUCH_QUEUE);
        } else if (!isLive() || queues[index] == null) {
            refuse(Refusal.NOTIFY_ORDER);
        } else {
            counters[index].notificationsReceived++;
            notifyDevice(index);
        }
    }

    private void notifyDevice(int index) {
        VirtQueue queue = link.queue(index);
        if (queue != null) {
            try {
                device.notified(queue);
            } catch (VirtioFault e) {
                counters[index].errors++;
                throw e;
            }
        }
    }

    private void acknowledge(int value) {
        interruptStatus &= ~value;
        long due = continueQueues;
        continueQueues = 0;
        while (due != 0) {
            notifyDevice(Long.numberOfTrailingZeros(due));
            due &= due - 1;
        }
    }

    private boolean isLive() {
        return (status & (DRIVER_OK | DEVICE_NEEDS_RESET | FAILED)) == DRIVER_OK;
    }

    private void endMachineIfFailed() {
        if (policy == FaultPolicy.END_MACHINE) {
            VirtioFault reason = fault();
            if (reason != null) {
                throw new DeviceFault("virtio device " + device.deviceId() + ": " + reason.getMessage(), reason);
            }
        }
    }

    /// The device's side of the transport.
    private final class Link implements VirtioTransport {
        @Override
        public long negotiatedFeatures() {
            return driverFeatures;
        }

        @Override
        public GuestMemory memory() {
            return memory;
        }

        @Override
        public @Nullable VirtQueue queue(int index) {
            return isLive() ? queues[index] : null;
        }

        @Override
        public void notifyUsed(VirtQueue queue) {
            if (queue.needsNotification()) {
                interrupt(USED_BUFFER);
            }
        }

        @Override
        public void notifyConfigChange() {
            if (isLive()) {
                interrupt(CONFIG_CHANGE);
            }
        }

        @Override
        public void continueLater(VirtQueue queue) {
            continueQueues |= 1L << queue.index();
            interrupt(USED_BUFFER);
        }

        @Override
        public void fail(VirtioFault newFault) {
            if ((status & DEVICE_NEEDS_RESET) != 0) {
                return;
            }
            boolean wasActive = (status & DRIVER_OK) != 0;
            fault = newFault;
            new FaultEvent(number, device.deviceId(), newFault).commit();
            status |= DEVICE_NEEDS_RESET;
            continueQueues = 0;
            if (wasActive) {
                interrupt(CONFIG_CHANGE);
                device.failed(newFault);
            }
        }

        private void interrupt(int event) {
            interruptStatus |= event;
            lock.interrupt();
        }
    }
}
