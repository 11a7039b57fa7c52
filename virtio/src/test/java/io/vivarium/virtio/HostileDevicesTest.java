// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import java.io.ByteArrayOutputStream;
import java.util.function.Supplier;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/// What the fuzz tests of the devices do, with chance in place of coverage.
final class HostileDevicesTest {
    static Stream<Arguments> guests() {
        return Stream.<Supplier<HostileGuest.Host>>of(HostileRng::new, HostileBalloon::new, HostileNet::new)
                .flatMap(host -> LongStream.rangeClosed(1, 4).mapToObj(seed -> Arguments.of(host, seed)));
    }

    @ParameterizedTest
    @MethodSource("guests")
    void anyBytes(Supplier<HostileGuest.Host> host, long seed) {
        RandomGenerator random = RandomGeneratorFactory.of("L64X128MixRandom").create(seed);
        for (int i = 0; i < 200; i++) {
            byte[] program = new byte[random.nextInt(400)];
            random.nextBytes(program);
            HostileGuest.run(host, program);
        }
    }

    /// Steps that get somewhere: an initialized device, and buffers that are mostly as they should be.
    @ParameterizedTest
    @MethodSource("guests")
    void plausibleSteps(Supplier<HostileGuest.Host> host, long seed) {
        RandomGenerator random = RandomGeneratorFactory.of("L64X128MixRandom").create(seed);
        for (int i = 0; i < 200; i++) {
            HostileGuest.run(host, plausible(host.get(), random));
        }
    }

    private static byte[] plausible(HostileGuest.Host host, RandomGenerator random) {
        ByteArrayOutputStream program = new ByteArrayOutputStream();
        program.write(HostileGuest.INITIALIZE);
        program.write(random.nextInt(256));
        int queues = host.device().queueCount();
        int[] hostSteps = {HostileGuest.HOST_0, HostileGuest.HOST_1, HostileGuest.HOST_2, HostileGuest.HOST_3};
        for (int i = random.nextInt(100); i > 0; i--) {
            switch (random.nextInt(6)) {
                case 0 -> {
                    int step = hostSteps[random.nextInt(hostSteps.length)];
                    program.write(step);
                    for (int operand = host.operandBytes(step); operand > 0; operand--) {
                        program.write(random.nextInt(operand == 1 ? 4 : 256));
                    }
                }
                case 1 -> {
                    program.write(HostileGuest.POKE);
                    program.write(0);
                    program.write(random.nextInt(16));
                    for (int b = 0; b < 8; b++) {
                        program.write(random.nextInt(3) == 0 ? random.nextInt(256) : 0);
                    }
                }
                case 2, 3 -> {
                    program.write(HostileGuest.NOTIFY);
                    program.write(random.nextInt(queues));
                }
                default -> {
                    program.write(HostileGuest.ADD_BUFFER);
                    program.write(random.nextInt(queues));
                    program.write(random.nextInt(5) == 0 ? random.nextInt(8) : 2 * random.nextInt(2));
                    program.write(0);
                    program.write(random.nextInt(16));
                    program.write(4 * random.nextInt(16));
                    program.write(random.nextInt(3) == 0 ? random.nextInt(16) : 0);
                }
            }
        }
        return program.toByteArray();
    }
}
