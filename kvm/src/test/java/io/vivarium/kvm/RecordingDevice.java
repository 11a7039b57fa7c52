// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm;

import java.util.ArrayList;
import java.util.List;
import java.util.function.LongUnaryOperator;

/// Remembers what the guest wrote, and answers reads.
final class RecordingDevice implements MmioDevice, PortDevice {
    record Write(long offset, int size, long value) {}

    final List<Write> writes = new ArrayList<>();
    final List<Integer> readSizes = new ArrayList<>();
    private final LongUnaryOperator answers;

    RecordingDevice() {
        this(_ -> 0);
    }

    /// @param answers the value at an offset
    RecordingDevice(LongUnaryOperator answers) {
        this.answers = answers;
    }

    @Override
    public long read(long offset, int size) {
        readSizes.add(size);
        return answers.applyAsLong(offset);
    }

    @Override
    public void write(long offset, int size, long value) {
        writes.add(new Write(offset, size, value));
    }

    @Override
    public int read(int offset, int size) {
        return (int) read((long) offset, size);
    }

    @Override
    public void write(int offset, int size, int value) {
        write((long) offset, size, Integer.toUnsignedLong(value));
    }
}
