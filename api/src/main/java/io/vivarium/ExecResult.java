// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import java.time.Duration;
import java.util.List;

/// A program that ran to its end, and what it wrote.
///
/// @param command what was run
/// @param exit how it ended
/// @param stdout its standard output; with [Command#withMergedStderr] both streams, in the order written
/// @param stderr its standard error
public record ExecResult(Command command, Exit exit, CapturedOutput stdout, CapturedOutput stderr) {
    /// The exit code as a shell would have it: [Termination#exitCode].
    public int exitCode() {
        return exit.exitCode();
    }

    /// How it ended.
    public Termination termination() {
        return exit.termination();
    }

    /// From the request to the end, as seen from the host.
    public Duration duration() {
        return exit.duration();
    }

    /// What it used.
    public Usage usage() {
        return exit.usage();
    }

    /// The system calls that it made and the guest kernel does not have.
    public List<UnsupportedCall> unsupported() {
        return exit.unsupported();
    }

    /// Whether it ended by itself with exit code 0.
    public boolean succeeded() {
        return termination() instanceof Termination.Exited(int code) && code == 0;
    }

    /// This result if the program [succeeded].
    ///
    /// @throws ExecFailedException if not, with the end of what it wrote to standard error
    public ExecResult orThrow() {
        if (!succeeded()) {
            throw new ExecFailedException(this);
        }
        return this;
    }
}
