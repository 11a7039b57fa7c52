// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages;

import java.util.Arrays;
import java.util.Random;

/// Damaged variants of good bytes, the same ones every time.
public final class Mutations {
    /// Numbers that parsers get wrong.
    private static final int[] INTERESTING = {0, 1, -1, 0x7F, 0x80, 0x7FFF, 0x8000, 0x7FFF_FFFF, 0x8000_0000, 4095, 4097
    };

    private Mutations() {}

    /// Takes damaged bytes.
    public interface Target {
        void accept(byte[] damaged) throws Exception;
    }

    /// Calls `target` with `count` variants of `good`, of which only the first `interestingBytes` are changed;
    /// some are cut.
    public static void of(byte[] good, int interestingBytes, int count, Target target) throws Exception {
        Random random = new Random(good.length);
        for (int i = 0; i < count; i++) {
            byte[] damaged = good.clone();
            for (int changes = 1 + random.nextInt(4); changes > 0; changes--) {
                int at = random.nextInt(interestingBytes);
                int value = random.nextBoolean() ? random.nextInt() : INTERESTING[random.nextInt(INTERESTING.length)];
                for (int end = Math.min(at + (1 << random.nextInt(4)), damaged.length); at < end; at++, value >>= 8) {
                    damaged[at] = (byte) value;
                }
            }
            if (random.nextInt(10) == 0) {
                damaged = Arrays.copyOf(damaged, random.nextInt(damaged.length));
            }
            target.accept(damaged);
        }
    }
}
