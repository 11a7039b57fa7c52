// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal.strace;

import org.jspecify.annotations.Nullable;

/// How one kind of argument is printed.
///
/// @param late whether it can be printed only when the call has returned
/// @param printer what prints it
record ArgumentType(boolean late, Printer printer) {
    /// Prints an argument.
    @FunctionalInterface
    interface Printer {
        /// The argument as text; null when strace does not show it.
        @Nullable
        String print(Call call, int index);
    }

    static ArgumentType early(Printer printer) {
        return new ArgumentType(false, printer);
    }

    static ArgumentType late(Printer printer) {
        return new ArgumentType(true, printer);
    }
}
