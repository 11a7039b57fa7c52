// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

/// The machine ended by itself while it should have run: the guest kernel gave up, broke a device's contract or the
/// agent protocol, or did not react any more. Programs that crash are a [Termination.Killed] and no exception.
public final class GuestCrashedException extends SandboxException {
    private static final long serialVersionUID = 1L;

    private final String console;
    private final String report;

    /// @param reason one line
    /// @param report the machine's state: registers, exit; empty where there is none
    /// @param console the end of the console text
    public GuestCrashedException(String reason, String report, String console) {
        super(reason
                + (report.isEmpty() ? "" : "\n" + report.stripTrailing())
                + (console.isEmpty() ? "\n(nothing on the console)" : "\nconsole:\n" + console.stripTrailing()));
        this.report = report;
        this.console = console;
    }

    /// The machine's state when it ended, in words; empty where there is none.
    public String report() {
        return report;
    }

    /// The end of what the guest kernel wrote to its console.
    public String console() {
        return console;
    }
}
