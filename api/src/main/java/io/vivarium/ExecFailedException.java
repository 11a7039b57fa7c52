// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

/// A program did not end with exit code 0, and [ExecResult#orThrow] was asked.
public final class ExecFailedException extends SandboxException {
    private static final long serialVersionUID = 1L;

    private static final int TAIL = 2000;

    private final transient ExecResult result;

    /// @param result of the program
    public ExecFailedException(ExecResult result) {
        super(describe(result));
        this.result = result;
    }

    /// What the program did; not kept when the exception is serialized.
    public ExecResult result() {
        return result;
    }

    private static String describe(ExecResult result) {
        String how =
                switch (result.termination()) {
                    case Termination.Exited exited -> "ended with exit code " + exited.code();
                    case Termination.Killed killed -> "was killed by " + killed.signalName() + ": " + killed.detail();
                    case Termination.TimedOut timedOut -> "did not end within " + timedOut.limit();
                };
        String errors = result.stderr().text().strip();
        String tail = errors.length() > TAIL ? "…" + errors.substring(errors.length() - TAIL) : errors;
        return result.command() + " " + how + (tail.isEmpty() ? "" : "\n" + tail);
    }
}
