// SPDX-License-Identifier: Apache-2.0
package io.vivarium.samples.functions;

import io.vivarium.Command;
import io.vivarium.Stdin;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Collectors;

/// What functions are written in. For each there is a worker, a program that waits for a function
/// on its standard input.
enum Language {
    /// Python 3.
    PYTHON3("worker.py", "/usr/bin/python3"),
    /// JavaScript, by Node.js.
    NODE("worker.js", "/usr/bin/node"),
    /// The shell.
    SH("worker.sh", "/bin/sh"),
    /// An ELF file that needs no libraries but the image's.
    PROGRAM("program.sh", "/bin/sh");

    private final String worker;
    private final String interpreter;

    Language(String worker, String interpreter) {
        this.worker = worker;
        this.interpreter = interpreter;
    }

    /// As in requests: `python3`.
    String label() {
        return name().toLowerCase(Locale.ROOT);
    }

    static Optional<Language> of(String label) {
        return Arrays.stream(values())
                .filter(each -> each.label().equals(label))
                .findFirst();
    }

    static String labels() {
        return Arrays.stream(values()).map(Language::label).collect(Collectors.joining(", "));
    }

    /// The resource that is the worker's source.
    String worker() {
        return worker;
    }

    /// Its interpreter, in the guest and on the host.
    Path interpreter() {
        return Path.of(interpreter);
    }

    /// Runs the worker in the guest, where [GuestRoot] has put it.
    Command command() {
        return Command.of(interpreter, GuestRoot.WORKERS + "/" + worker).withStdin(Stdin.pipe());
    }
}
