// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm.testing;

/// How often tests repeat what is a matter of luck. On an emulated processor, where an exit of the
/// guest takes a hundred times as long, `-Dvivarium.test.effort=<percent>` has them try less.
public final class Effort {
    /// In percent of what a test asks for.
    public static final String PROPERTY = "vivarium.test.effort";

    private Effort() {}

    /// How often to try.
    ///
    /// @param full how often on a real processor, from 1
    /// @return how often here, from 1
    public static int times(int full) {
        return Math.max(1, (int) ((long) full * Integer.getInteger(PROPERTY, 100) / 100));
    }
}
