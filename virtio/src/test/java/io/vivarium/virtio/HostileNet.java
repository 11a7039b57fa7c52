// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;

/// A network device with rate limits under a hostile guest, which the host sends frames to.
final class HostileNet implements HostileGuest.Host {
    /// u16 length
    static final int FRAME = HostileGuest.HOST_0;
    /// u8 whether it is up
    static final int LINK = HostileGuest.HOST_1;
    /// u8 hundredths of a second: time passes
    static final int TIME = HostileGuest.HOST_2;

    private final ManualTimer timer = new ManualTimer();
    private final MemorySegment frame = MemorySegment.ofArray(new byte[0x1_0000]);
    private final VirtioNet net = VirtioNet.builder(MacAddress.parse("52:54:00:12:34:56"))
            .mtu(1500)
            .limits(RateLimit.none().withOperations(20, 20), RateLimit.none().withBytes(5000, 5000), timer)
            .build();

    HostileNet() {
        net.connect(new NetBackend() {
            @Override
            public void transmit(GuestBytes sent) {
                assertThat(sent.remaining()).isBetween(14L, (long) VirtioNet.MAX_FRAME);
                sent.read(new byte[100], 0, 100);
            }
        });
    }

    @Override
    public VirtioDevice device() {
        return net;
    }

    @Override
    public int operandBytes(int step) {
        return switch (step) {
            case FRAME -> 2;
            case LINK, TIME -> 1;
            default -> 0;
        };
    }

    @Override
    public void step(HostileGuest guest, int step, ByteBuffer operands) {
        switch (step) {
            case FRAME -> net.receive(frame, 0, HostileGuest.u16(operands));
            case LINK -> net.setLink((HostileGuest.u8(operands) & 1) != 0);
            case TIME -> timer.advance(10_000_000L * HostileGuest.u8(operands));
            default -> {}
        }
    }

    @Override
    public void check(boolean failed) {
        assertThat(timer.pending()).isLessThanOrEqualTo(2);
    }
}
