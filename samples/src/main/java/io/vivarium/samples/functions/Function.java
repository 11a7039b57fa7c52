// SPDX-License-Identifier: Apache-2.0
package io.vivarium.samples.functions;

import io.vivarium.Memory;

/// What is called: a program in some language that reads its input from standard input and writes
/// its result to standard output.
final class Function {
    private final Kind kind;
    private final byte[] source;

    /// What sandboxes of functions are told apart by.
    ///
    /// @param memory of the sandbox, so the most that a call can use
    record Kind(Language language, Memory memory) {}

    /// @param source not to be changed any more
    Function(Kind kind, byte[] source) {
        this.kind = kind;
        this.source = source;
    }

    Kind kind() {
        return kind;
    }

    byte[] source() {
        return source;
    }
}
