// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.debian;

import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// Reads the stanzas of a control file (deb822(5)): `Name: value`, continued by lines that begin with a space or a tab,
/// until an empty line. Names are given in lower case; the lines of a value are joined by `\n`, without the first
// space.
final class Stanzas {
    private static final int MAX_LINE_BYTES = 1 << 20;
    private static final int MAX_STANZA_LENGTH = 1 << 24;

    private final InputStream in;
    private final byte[] line = new byte[MAX_LINE_BYTES];
    private long lineNumber;

    Stanzas(InputStream in) {
        this.in = new BufferedInputStream(in, 1 << 16);
    }

    /// The next stanza; empty at the end.
    Optional<Map<String, String>> next() throws IOException {
        Map<String, String> fields = new LinkedHashMap<>();
        @Nullable String name = null;
        StringBuilder value = new StringBuilder();
        int length = 0;
        for (@Nullable String text = readLine(); text != null; text = readLine()) {
            length += text.length();
            if (length > MAX_STANZA_LENGTH) {
                throw wrong("a stanza has more than " + MAX_STANZA_LENGTH + " characters");
            }
            if (text.isBlank()) {
                if (name == null) {
                    continue;
                }
                break;
            }
            if (text.startsWith("#")) {
                continue;
            }
            if (text.startsWith(" ") || text.startsWith("\t")) {
                if (name == null) {
                    throw wrong("a continuation of no field");
                }
                value.append('\n').append(text, 1, text.length());
                continue;
            }
            finish(fields, name, value);
            int colon = text.indexOf(':');
            if (colon < 1 || !text.substring(0, colon).matches("[!-9;-~]+")) {
                throw wrong("neither a field nor a continuation");
            }
            name = text.substring(0, colon).toLowerCase(Locale.ROOT);
            value.setLength(0);
            value.append(text.substring(colon + 1).strip());
        }
        finish(fields, name, value);
        return fields.isEmpty() ? Optional.empty() : Optional.of(fields);
    }

    private void finish(Map<String, String> fields, @Nullable String name, StringBuilder value)
            throws DebianFormatException {
        if (name != null && fields.put(name, value.toString()) != null) {
            throw wrong("the field '" + name + "' is there twice");
        }
    }

    private DebianFormatException wrong(String what) {
        return new DebianFormatException("line " + lineNumber + ": " + what);
    }

    private @Nullable String readLine() throws IOException {
        int length = 0;
        int next = in.read();
        if (next < 0) {
            return null;
        }
        lineNumber++;
        while (next >= 0 && next != '\n') {
            if (length == line.length) {
                throw wrong("more than " + MAX_LINE_BYTES + " bytes");
            }
            line[length++] = (byte) next;
            next = in.read();
        }
        int end = length > 0 && line[length - 1] == '\r' ? length - 1 : length;
        return new String(line, 0, end, StandardCharsets.UTF_8);
    }
}
