// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// What the fuzz tests do, with chance in place of coverage, so that each build tries some thousand guests.
final class HostileGuestTest {
    private static RandomGenerator random(long seed) {
        return RandomGeneratorFactory.of("L64X128MixRandom").create(seed);
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4})
    void anyBytes(long seed) {
        RandomGenerator random = random(seed);
        for (int i = 0; i < 500; i++) {
            byte[] program = new byte[random.nextInt(400)];
            random.nextBytes(program);
            HostileGuest.run(HostileConsole::new, program);
        }
    }

    /// Steps that get somewhere: initialized devices, buffers in low memory, control messages that are almost
    /// right.
    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4})
    void plausibleSteps(long seed) {
        RandomGenerator random = random(seed);
        for (int i = 0; i < 500; i++) {
            HostileGuest.run(HostileConsole::new, plausible(random));
        }
    }

    private static byte[] plausible(RandomGenerator random) {
        ByteArrayOutputStream program = new ByteArrayOutputStream();
        step(program, random.nextBoolean() ? HostileConsole.COME_UP : HostileGuest.INITIALIZE, 1, random.nextInt(256));
        for (int i = random.nextInt(100); i > 0; i--) {
            switch (random.nextInt(12)) {
                case 0 -> step(program, HostileGuest.POKE, 2, random.nextInt(0x10000), 8, random.nextLong());
                case 1 -> step(program, HostileGuest.POKE, 2, control(random), 8, message(random));
                case 2, 3, 4 -> step(program, HostileGuest.NOTIFY, 1, random.nextInt(6));
                case 5 -> step(program, HostileConsole.HOST_WRITE, 1, random.nextInt(2), 1, random.nextInt(256));
                case 6 -> step(program, HostileConsole.HOST_RESUME, 1, random.nextInt(2), 2, random.nextInt(0x10000));
                case 7 -> step(program, HostileConsole.HOST_RESIZE, 1, random.nextInt(256), 1, random.nextInt(256));
                case 8 ->
                    step(
                            program,
                            HostileGuest.WRITE_REGISTER,
                            2,
                            4L * random.nextInt(0x40),
                            1,
                            2,
                            8,
                            random.nextInt(16));
                default -> {
                    int queue = random.nextInt(6);
                    int flags = queue % 2 == 0 ? DriverQueue.F_WRITE : 0;
                    if (random.nextInt(20) == 0) {
                        flags = random.nextInt(256);
                    }
                    int length = queue == 3 && random.nextInt(20) != 0 ? 8 : 1 + random.nextInt(200);
                    step(program, HostileGuest.ADD_BUFFER, 1, queue, 1, flags, 2, control(random), 2, length);
                }
            }
        }
        return program.toByteArray();
    }

    /// Where control messages lie.
    private static int control(RandomGenerator random) {
        return 0x100 + 8 * random.nextInt(8);
    }

    private static long message(RandomGenerator random) {
        long event = new long[] {0, 3, 6, random.nextInt(9)}[random.nextInt(4)];
        return (long) random.nextInt(2) << 48 | event << 32 | random.nextInt(random.nextInt(10) == 0 ? 5 : 2);
    }

    /// Appends a step: its operands as pairs of their length in bytes and their value.
    private static void step(ByteArrayOutputStream program, int step, long... operands) {
        program.write(step);
        for (int i = 0; i < operands.length; i += 2) {
            byte[] value = ByteBuffer.allocate(8)
                    .order(ByteOrder.LITTLE_ENDIAN)
                    .putLong(operands[i + 1])
                    .array();
            program.write(value, 0, (int) operands[i]);
        }
    }
}
