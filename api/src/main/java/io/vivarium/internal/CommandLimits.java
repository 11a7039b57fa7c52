// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import java.nio.charset.StandardCharsets;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// What the guest can take of arguments and environment.
public final class CommandLimits {
    /// Most bytes of arguments and environment together, each with its NUL. They travel in one frame of 256 KiB with
    /// everything else that a SPAWN says.
    public static final int MAX_ARGUMENT_BYTES = 200 << 10;

    private CommandLimits() {}

    /// Refuses text that no program could receive.
    ///
    /// @throws IllegalArgumentException if there is a NUL in it
    public static void checkNoNul(String what, String text) {
        int nul = text.indexOf('\0');
        if (nul >= 0) {
            throw new IllegalArgumentException(what + " '" + text.replace("\0", "\\0") + "' has a NUL at " + nul
                    + ": no program could receive it");
        }
    }

    /// Refuses what cannot be a working directory.
    ///
    /// @throws IllegalArgumentException if it is not absolute, or has a NUL in it
    public static void checkDirectory(String directory) {
        checkNoNul("working directory", directory);
        if (!directory.startsWith("/")) {
            throw new IllegalArgumentException("working directory '" + directory + "' is not absolute");
        }
    }

    /// The first environment with the second over it, in the order given.
    ///
    /// @throws IllegalArgumentException if a name is empty or has `=` in it, or there is a NUL
    public static Map<String, String> merge(Map<String, String> base, Map<String, String> over) {
        over.forEach((String name, String value) -> {
            if (name.isEmpty() || name.indexOf('=') >= 0) {
                throw new IllegalArgumentException("'" + name + "' cannot be the name of an environment variable");
            }
            checkNoNul("environment variable", name);
            checkNoNul("environment variable " + name, value);
        });
        Map<String, String> merged = new LinkedHashMap<>(base);
        merged.putAll(over);
        return Collections.unmodifiableMap(merged);
    }

    /// @throws IllegalArgumentException if they are larger than a guest takes
    static void checkSize(List<byte[]> argv, List<byte[]> env) {
        long bytes = 0;
        for (byte[] argument : argv) {
            bytes += argument.length + 1;
        }
        long arguments = bytes;
        for (byte[] variable : env) {
            bytes += variable.length + 1;
        }
        if (bytes > MAX_ARGUMENT_BYTES) {
            throw new IllegalArgumentException(
                    "arguments (%d bytes) and environment (%d bytes) are larger than the %d bytes that a program can be given: pass them through standard input or a file"
                            .formatted(arguments, bytes - arguments, MAX_ARGUMENT_BYTES));
        }
    }

    static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }
}
