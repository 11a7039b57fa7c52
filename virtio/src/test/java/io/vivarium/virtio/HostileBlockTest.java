// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import java.io.ByteArrayOutputStream;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// What the fuzz test does, with chance in place of coverage, so that each build tries some hundred guests.
final class HostileBlockTest {
    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4})
    void anyBytes(long seed) {
        RandomGenerator random = RandomGeneratorFactory.of("L64X128MixRandom").create(seed);
        for (int i = 0; i < 200; i++) {
            byte[] program = new byte[random.nextInt(400)];
            random.nextBytes(program);
            HostileGuest.run(HostileBlock::new, program);
        }
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4})
    void plausibleSteps(long seed) {
        RandomGenerator random = RandomGeneratorFactory.of("L64X128MixRandom").create(seed);
        for (int i = 0; i < 200; i++) {
            HostileGuest.run(HostileBlock::new, plausible(random));
        }
    }

    private static byte[] plausible(RandomGenerator random) {
        ByteArrayOutputStream program = new ByteArrayOutputStream();
        step(program, HostileGuest.INITIALIZE, random.nextInt(256));
        for (int i = random.nextInt(100); i > 0; i--) {
            int type = new int[] {0, 1, 4, 8, random.nextInt(256)}[random.nextInt(5)];
            int length = random.nextInt(4) == 0 ? random.nextInt(0x2000) : 512 * random.nextInt(1, 9);
            int flags = type == 0 || type == 8 ? DriverQueue.F_WRITE : random.nextInt(30) == 0 ? 2 : 0;
            switch (random.nextInt(4)) {
                case 0 -> step(program, HostileBlock.WAIT, random.nextInt(100));
                case 1 ->
                    step(
                            program,
                            HostileBlock.SEGMENT,
                            random.nextBoolean() ? 11 : 13,
                            random.nextInt(70),
                            0,
                            random.nextInt(40),
                            0,
                            random.nextInt(10) == 0 ? 255 : 0);
                default ->
                    step(program, HostileBlock.REQUEST, type, random.nextInt(70), 0, flags, length & 0xff, length >> 8);
            }
        }
        return program.toByteArray();
    }

    private static void step(ByteArrayOutputStream program, int step, int... operands) {
        program.write(step);
        for (int operand : operands) {
            program.write(operand);
        }
    }
}
