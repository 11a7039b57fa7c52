// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import io.vivarium.SandboxSpec;
import jdk.jfr.Category;
import jdk.jfr.DataAmount;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;

/// A sandbox that came up.
@Name("io.vivarium.Launch")
@Label("Launch")
@Category("Vivarium")
@Description("A sandbox was launched and is ready for programs")
@StackTrace(false)
@SuppressWarnings("UnusedVariable") // The flight recorder reads the fields.
final class LaunchEvent extends Event {
    @Label("Image")
    private String image = "";

    @Label("Memory")
    @DataAmount
    private long memory;

    void report(SandboxSpec spec) {
        if (shouldCommit()) {
            image = spec.image().toString();
            memory = spec.memory().bytes();
            commit();
        }
    }
}
