// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import io.vivarium.kvm.PortDevice;

/// The one thing of a PC's keyboard controller (8042) that kernels use when there is no keyboard: its line to the
/// processor's reset pin.
final class ResetPort implements PortDevice {
    /// Its command port.
    static final int PORT = 0x64;

    /// "Pulse output line 0": reset.
    private static final int PULSE_RESET = 0xfe;

    private final Runnable reset;

    ResetPort(Runnable reset) {
        this.reset = reset;
    }

    @Override
    public int read(int offset, int size) {
        return 0; // Its status: no byte waits, in either direction.
    }

    @Override
    public void write(int offset, int size, int value) {
        if ((value & 0xff) == PULSE_RESET) {
            reset.run();
        }
    }
}
