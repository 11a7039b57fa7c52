// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import java.time.Duration;
import java.util.List;

/// The end of a program.
///
/// @param termination how it ended
/// @param duration from the request to the end, as seen from the host
/// @param usage what it used
/// @param unsupported the system calls that it made and the guest kernel does not have, in the order of their numbers
public record Exit(Termination termination, Duration duration, Usage usage, List<UnsupportedCall> unsupported) {
    /// Keeps its own copy of the list.
    public Exit {
        unsupported = List.copyOf(unsupported);
    }

    /// [Termination#exitCode].
    public int exitCode() {
        return termination.exitCode();
    }
}
