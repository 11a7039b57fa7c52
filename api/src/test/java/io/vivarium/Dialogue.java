// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;

/// Somebody at a terminal, who types, and waits for what is shown.
final class Dialogue {
    private final InputStream shown;
    private final OutputStream typed;
    private final StringBuilder transcript = new StringBuilder();
    private int seen;

    Dialogue(InputStream shown, OutputStream typed) {
        this.shown = shown;
        this.typed = typed;
    }

    /// Types, and waits until what is shown after that ends so.
    Dialogue type(String text, String untilShown) throws IOException {
        typed.write(text.getBytes(ISO_8859_1));
        typed.flush();
        return await(untilShown);
    }

    /// Waits until what is shown from here on ends so.
    Dialogue await(String end) throws IOException {
        while (!transcript.substring(seen).endsWith(end)) {
            int next = shown.read();
            if (next < 0) {
                throw new AssertionError("the end, after: " + transcript);
            }
            transcript.append((char) next);
        }
        seen = transcript.length();
        return this;
    }

    /// Waits for the end.
    ///
    /// @return all that was shown
    String end() throws IOException {
        for (int next = shown.read(); next >= 0; next = shown.read()) {
            transcript.append((char) next);
        }
        return transcript.toString();
    }
}
