// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.vivarium.kvm.DeviceFault;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class WakeTimerTest {
    private static final long HOUR = TimeUnit.HOURS.toNanos(1);

    private final Semaphore interrupts = new Semaphore(0);
    private final WakeTimer timer = new WakeTimer(interrupts::release);

    @Test
    void interruptsOnce() throws InterruptedException {
        timer.write(0, 8, 1);
        interrupts.acquire();
        timer.write(0, 8, 1_000_000);
        interrupts.acquire();
        assertThat(interrupts.availablePermits()).isZero();
    }

    @Test
    void theLastWriteCounts() throws InterruptedException {
        timer.write(0, 8, HOUR);
        assertThat(timer.read(0, 8)).isEqualTo(1);
        timer.write(0, 8, 0);
        assertThat(timer.read(0, 8)).isZero();
        timer.write(0, 8, -1);
        assertThat(timer.read(0, 8)).isEqualTo(1);
        timer.write(0, 8, 1);
        interrupts.acquire();
    }

    @Test
    void stoppedItStaysSilent() {
        timer.write(0, 8, HOUR);
        timer.stop();
        assertThat(timer.read(0, 8)).isZero();
        timer.write(0, 8, HOUR);
        assertThat(timer.read(0, 8)).isZero();
    }

    @Test
    void otherAccessesAreFaults() {
        assertThatThrownBy(() -> timer.write(0, 4, 1)).isInstanceOf(DeviceFault.class);
        assertThatThrownBy(() -> timer.write(8, 8, 1)).isInstanceOf(DeviceFault.class);
        assertThatThrownBy(() -> timer.read(4, 4)).isInstanceOf(DeviceFault.class);
    }
}
