// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

/// How much a terminal shows. A program may ask for it, and is told of changes by `SIGWINCH`
/// (tty_ioctl(4), `TIOCGWINSZ`).
///
/// @param columns characters in a line, 0 … 65,535; 0 for not known
/// @param rows lines, 0 … 65,535; 0 for not known
public record TerminalSize(int columns, int rows) {
    /// What a terminal has that nobody has set: 80 columns, 24 rows, as the DEC VT100 had.
    public static final TerminalSize DEFAULT = new TerminalSize(80, 24);

    private static final int MOST = 0xffff;

    /// Checks the ranges.
    ///
    /// @throws IllegalArgumentException if one of both is out of its range
    public TerminalSize {
        if (columns < 0 || columns > MOST || rows < 0 || rows > MOST) {
            throw new IllegalArgumentException(
                    "a terminal of %d columns and %d rows: each is 0 … %d".formatted(columns, rows, MOST));
        }
    }
}
