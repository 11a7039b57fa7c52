// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;

/// A balloon under a hostile guest, which the host inflates and asks for statistics.
final class HostileBalloon implements HostileGuest.Host {
    /// u16 pages
    static final int TARGET = HostileGuest.HOST_0;
    /// No operands.
    static final int STATISTICS = HostileGuest.HOST_1;

    private final VirtioBalloon balloon = new VirtioBalloon(new BalloonListener() {}, true);

    @Override
    public VirtioDevice device() {
        return balloon;
    }

    @Override
    public int operandBytes(int step) {
        return step == TARGET ? 2 : 0;
    }

    @Override
    public void step(HostileGuest guest, int step, ByteBuffer operands) {
        switch (step) {
            case TARGET -> balloon.setTarget(HostileGuest.u16(operands));
            case STATISTICS -> balloon.requestStatistics();
            default -> {}
        }
    }

    @Override
    public void check(boolean failed) {
        assertThat(balloon.statistics().values()).hasSizeLessThanOrEqualTo(BalloonStatistics.Tag.values().length);
        if (failed) {
            assertThat(balloon.requestStatistics()).isFalse();
        }
    }
}
