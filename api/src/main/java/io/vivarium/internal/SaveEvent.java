// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import io.vivarium.SandboxSpec;
import io.vivarium.kvm.PageMap;
import jdk.jfr.Category;
import jdk.jfr.DataAmount;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;
import jdk.jfr.Timespan;

/// A sandbox is saved, and goes on.
@Name("io.vivarium.Save")
@Label("Sandbox Save")
@Category("Vivarium")
@StackTrace(false)
final class SaveEvent extends Event {
    @Label("Sandbox")
    String sandbox = "";

    @Label("Standstill")
    @Description("How long the guest did not run")
    @Timespan(Timespan.NANOSECONDS)
    long standstill;

    @Label("Copied")
    @Description("Memory that was copied meanwhile")
    @DataAmount
    long copied;

    void report(SandboxSpec spec, long standstillNanos, long pages) {
        end();
        if (shouldCommit()) {
            sandbox = spec.toString();
            standstill = standstillNanos;
            copied = pages * PageMap.PAGE_SIZE;
            commit();
        }
    }
}
