// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import io.vivarium.Command;
import io.vivarium.Exit;
import jdk.jfr.Category;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;

/// A program that ran to its end.
@Name("io.vivarium.Exec")
@Label("Exec")
@Category("Vivarium")
@Description("A program ran in a sandbox to its end")
@StackTrace(false)
@SuppressWarnings("UnusedVariable") // The flight recorder reads the fields.
final class ExecEvent extends Event {
    @Label("Program")
    private String program = "";

    @Label("Exit Code")
    private int exitCode;

    void report(Command command, Exit exit) {
        if (shouldCommit()) {
            program = command.argv().getFirst();
            exitCode = exit.exitCode();
            commit();
        }
    }
}
