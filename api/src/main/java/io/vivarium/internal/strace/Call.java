// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal.strace;

import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// A system call as far as it is known: entered, and perhaps left.
///
/// @param left null while it has not returned
record Call(TraceRecord.Entered entered, TraceRecord.@Nullable Left left) {
    long argument(int index) {
        return entered.arguments().get(index);
    }

    int integer(int index) {
        return (int) argument(index);
    }

    String name() {
        return entered.name();
    }

    /// What it returned, or the negative errno.
    long result() {
        return left == null ? 0 : left.result();
    }

    boolean failed() {
        return left != null && left.result() < 0 && left.result() >= -4095;
    }

    List<TraceRecord.Piece> before(int index) {
        return of(entered.pieces(), index);
    }

    List<TraceRecord.Piece> after(int index) {
        return left == null ? List.of() : of(left.pieces(), index);
    }

    /// The first piece of an argument with at least so many bytes.
    Optional<TraceRecord.Piece> before(int index, int bytes) {
        return first(before(index), bytes);
    }

    Optional<TraceRecord.Piece> after(int index, int bytes) {
        return first(after(index), bytes);
    }

    private static List<TraceRecord.Piece> of(List<TraceRecord.Piece> pieces, int index) {
        return pieces.stream().filter(piece -> piece.argument() == index).toList();
    }

    private static Optional<TraceRecord.Piece> first(List<TraceRecord.Piece> pieces, int bytes) {
        return pieces.stream()
                .limit(1)
                .filter(piece -> !piece.faulted() && piece.bytes().remaining() >= bytes)
                .findFirst();
    }
}
