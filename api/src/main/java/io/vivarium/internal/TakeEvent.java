// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import jdk.jfr.Category;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;

/// A sandbox that was taken from a pool, or was not to be had.
@Name("io.vivarium.Take")
@Label("Take")
@Category("Vivarium")
@Description("A caller asked a pool for a sandbox")
@StackTrace(false)
@SuppressWarnings("UnusedVariable") // The flight recorder reads the fields.
public final class TakeEvent extends Event {
    @Label("Given")
    private boolean given;

    /// Ends the event.
    public void report(boolean wasGiven) {
        if (shouldCommit()) {
            given = wasGiven;
            commit();
        }
    }
}
