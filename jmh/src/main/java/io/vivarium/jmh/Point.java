// SPDX-License-Identifier: Apache-2.0
package io.vivarium.jmh;

import org.jspecify.annotations.NullMarked;

/// A point up to which the life of a machine is measured.
@NullMarked
enum Point {
    /// From a booted template until the guest's agent has greeted.
    LAUNCH("launch"),
    /// From a booted template until the first output of the program is there.
    LAUNCH_OUTPUT("launch-output"),
    /// From a booted template until the program has ended and the machine is gone again.
    LAUNCH_EXEC_CLOSE("launch-exec-close"),
    /// In a machine that is there and idle: from asking for the program until it has ended.
    EXEC("exec"),
    /// A machine in which a program ran, from there until its next guest can be greeted.
    RESET("reset"),
    /// From a machine that its guest has left until a program of its next guest has ended.
    RESET_EXEC("reset-exec");

    private final String label;

    Point(String label) {
        this.label = label;
    }

    /// Its name in output.
    String label() {
        return label;
    }
}
