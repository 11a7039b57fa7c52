// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// A device that writes down what its transport tells it. Two queues of up to 8 entries; 6 bytes of
/// configuration space, of which the first can be written.
final class FakeDevice implements VirtioDevice {
    static final long FEATURE_0 = 1;

    final List<String> calls = new ArrayList<>();
    final DeviceLock lock = new DeviceLock(events -> {});
    final byte[] config;
    int queueCount = 2;
    int generation;

    @Nullable
    VirtioTransport transport;

    @Nullable
    RuntimeException thrownWhenNotified;

    Runnable whenNotified = () -> {};

    FakeDevice() {
        this(6);
    }

    FakeDevice(int configLength) {
        config = new byte[configLength];
        for (int i = 0; i < configLength; i++) {
            config[i] = (byte) (i + 1);
        }
    }

    @Override
    public int deviceId() {
        return 42;
    }

    @Override
    public long features() {
        return FEATURE_0 | 1L << 50;
    }

    @Override
    public int queueCount() {
        return queueCount;
    }

    @Override
    public int maxQueueSize(int queue) {
        return 8;
    }

    @Override
    public int configLength() {
        return config.length;
    }

    @Override
    public long readConfig(int offset, int size) {
        long value = 0;
        for (int i = size - 1; i >= 0; i--) {
            value = value << 8 | config[offset + i];
        }
        return value;
    }

    @Override
    public boolean writeConfig(int offset, int size, long value) {
        if (offset != 0 || size != 1) {
            return false;
        }
        config[0] = (byte) value;
        return true;
    }

    @Override
    public int configGeneration() {
        return generation;
    }

    @Override
    public DeviceLock lock() {
        return lock;
    }

    @Override
    public void activate(VirtioTransport newTransport) {
        transport = newTransport;
        calls.add("activate");
    }

    @Override
    public void notified(VirtQueue queue) {
        calls.add("notified " + queue.index());
        whenNotified.run();
        if (thrownWhenNotified != null) {
            throw thrownWhenNotified;
        }
    }

    @Override
    public void stopped(int queue) {
        calls.add("stopped " + queue);
    }

    @Override
    public void failed(VirtioFault fault) {
        calls.add("failed " + fault.kind());
    }

    @Override
    public DeviceState save() {
        throw new UnsupportedOperationException("a fake device is not saved");
    }

    @Override
    public void restore(DeviceState state, @Nullable VirtioTransport newTransport) {
        throw new UnsupportedOperationException("a fake device is not restored");
    }

    @Override
    public void reset() {
        transport = null;
        calls.add("reset");
    }
}
