// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import java.util.ArrayList;
import java.util.List;

/// Programs of the host that begin with the default action for every signal, as programs in a guest do.
///
/// What a process ignores its children ignore (execve(2)), and tests may run under nohup(1), or in the background of a
/// shell that has no job control.
final class HostSignals {
    private HostSignals() {}

    /// @param argv the program as a path
    static List<String> byDefault(List<String> argv) {
        List<String> command = new ArrayList<>(List.of("/usr/bin/env", "--default-signal"));
        command.addAll(argv);
        return command;
    }

    /// @param argv the program as a path
    static List<String> byDefault(String... argv) {
        return byDefault(List.of(argv));
    }
}
