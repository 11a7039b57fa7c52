// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm;

import io.vivarium.kvm.internal.Syscalls;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;

/// What the kernel says of a thread (proc(5), `/proc/pid/task/tid/status`).
final class ThreadStatus {
    private ThreadStatus() {}

    static String ofCurrent(String field) {
        try {
            return Files.readAllLines(Path.of("/proc/self/task/" + Syscalls.gettid() + "/status")).stream()
                    .filter(line -> line.startsWith(field + ":"))
                    .map(line -> line.substring(field.length() + 1).strip())
                    .findFirst()
                    .orElseThrow();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
