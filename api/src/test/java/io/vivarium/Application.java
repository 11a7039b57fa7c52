// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import java.util.List;

/// A program of Debian packages and what it is to do, both on the host and in a guest.
///
/// @param packages that it needs
/// @param argv a resource of `applications` as `/opt/applications/<name>`
/// @param exitCode as the script has it
/// @param masks what may differ
record Application(String name, List<String> packages, List<String> argv, int exitCode, List<Mask> masks) {
    /// The part of the output that no two runs have in common, on whatever machine.
    ///
    /// @param what a regular expression
    /// @param replacement as in [String#replaceAll]
    /// @param reason why it differs
    record Mask(String what, String replacement, String reason) {}

    static Application of(String name, String packages, int exitCode, String... argv) {
        return new Application(name, List.of(packages.split(" ", -1)), List.of(argv), exitCode, List.of());
    }

    Application masking(String what, String replacement, String reason) {
        return new Application(name, packages, argv, exitCode, List.of(new Mask(what, replacement, reason)));
    }

    String masked(String text) {
        String result = text;
        for (Mask mask : masks) {
            result = result.replaceAll(mask.what, mask.replacement);
        }
        return result;
    }

    @Override
    public String toString() {
        return name;
    }
}
