// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import io.vivarium.TerminalSize;
import io.vivarium.User;
import java.util.List;
import java.util.Optional;

/// What the agent is asked to run.
///
/// @param argv at least one
/// @param env `NAME=value` each
/// @param workingDirectory absolute
/// @param user whom it runs as
/// @param stdin whether it has a standard input stream; `/dev/null` if not
/// @param mergeStderr whether standard error goes into the stream of standard output
/// @param terminal the size of the one that it has; empty for none
/// @param traceWindow first credit for trace records; 0 when there are to be none
record SpawnRequest(
        List<byte[]> argv,
        List<byte[]> env,
        String workingDirectory,
        User user,
        boolean stdin,
        boolean mergeStderr,
        Optional<TerminalSize> terminal,
        int traceWindow) {}
