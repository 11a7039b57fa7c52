// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;

/// An entropy device with a rate limit under a hostile guest.
final class HostileRng implements HostileGuest.Host {
    /// u8 hundredths of a second: time passes
    static final int TIME = HostileGuest.HOST_0;

    private final ManualTimer timer = new ManualTimer();
    private final RandomGenerator source =
            RandomGeneratorFactory.of("L64X128MixRandom").create(1);
    private final VirtioRng rng = new VirtioRng(source, RateLimit.none().withBytes(1000, 1000), timer);

    @Override
    public VirtioDevice device() {
        return rng;
    }

    @Override
    public int operandBytes(int step) {
        return step == TIME ? 1 : 0;
    }

    @Override
    public void step(HostileGuest guest, int step, ByteBuffer operands) {
        if (step == TIME) {
            timer.advance(10_000_000L * HostileGuest.u8(operands));
        }
    }

    @Override
    public void check(boolean failed) {
        assertThat(timer.pending()).isLessThanOrEqualTo(1);
    }
}
