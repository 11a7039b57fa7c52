// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.json;

import java.math.BigDecimal;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// Reads one JSON text (RFC 8259) and nothing else: UTF-8 without errors, no comments, no name
/// twice in an object (of which different programs would take different ones), at most [#MAX_DEPTH]
/// levels.
public final class JsonParser {
    /// Deepest nesting, which bounds the stack.
    public static final int MAX_DEPTH = 64;

    private static final int MAX_NUMBER_LENGTH = 64;

    private final String text;
    private int at;

    private JsonParser(String text) {
        this.text = text;
    }

    /// The value that a text stands for.
    ///
    /// @throws JsonException these are not the bytes of a JSON text
    public static Json parse(byte[] bytes) throws JsonException {
        String text;
        try {
            text = StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(bytes))
                    .toString();
        } catch (CharacterCodingException e) {
            throw new JsonException("not JSON: it is not UTF-8");
        }
        JsonParser parser = new JsonParser(text);
        parser.skipSpace();
        Json value = parser.value(0);
        parser.skipSpace();
        if (parser.at < text.length()) {
            throw parser.unexpected("the end");
        }
        return value;
    }

    private JsonException unexpected(String expected) {
        String found = at < text.length() ? "'" + printable(text.charAt(at)) + "'" : "the end";
        return new JsonException("not JSON: %s instead of %s at character %d".formatted(found, expected, at));
    }

    private static String printable(char character) {
        return character > ' ' && character < 0x7F ? String.valueOf(character) : "\\u%04x".formatted((int) character);
    }

    private void skipSpace() {
        while (at < text.length() && " \t\n\r".indexOf(text.charAt(at)) >= 0) {
            at++;
        }
    }

    private boolean accept(char wanted) {
        if (at < text.length() && text.charAt(at) == wanted) {
            at++;
            return true;
        }
        return false;
    }

    private void require(char wanted) throws JsonException {
        if (!accept(wanted)) {
            throw unexpected("'" + wanted + "'");
        }
    }

    private Json value(int depth) throws JsonException {
        if (depth > MAX_DEPTH) {
            throw new JsonException("JSON is nested deeper than " + MAX_DEPTH);
        }
        char first = at < text.length() ? text.charAt(at) : 0;
        return switch (first) {
            case '{' -> object(depth);
            case '[' -> array(depth);
            case '"' -> new Json.Text(string());
            case 't' -> word("true", new Json.Flag(true));
            case 'f' -> word("false", new Json.Flag(false));
            case 'n' -> word("null", new Json.Null());
            default -> number();
        };
    }

    private Json word(String word, Json value) throws JsonException {
        if (!text.startsWith(word, at)) {
            throw unexpected("a value");
        }
        at += word.length();
        return value;
    }

    private Json object(int depth) throws JsonException {
        require('{');
        Map<String, Json> members = new LinkedHashMap<>();
        skipSpace();
        if (accept('}')) {
            return new Json.Dictionary(members);
        }
        do {
            skipSpace();
            if (at >= text.length() || text.charAt(at) != '"') {
                throw unexpected("a name");
            }
            String name = string();
            skipSpace();
            require(':');
            skipSpace();
            if (members.put(name, value(depth + 1)) != null) {
                throw new JsonException("JSON has '" + name + "' twice in one object");
            }
            skipSpace();
        } while (accept(','));
        require('}');
        return new Json.Dictionary(members);
    }

    private Json array(int depth) throws JsonException {
        require('[');
        List<Json> elements = new ArrayList<>();
        skipSpace();
        if (accept(']')) {
            return new Json.Array(elements);
        }
        do {
            skipSpace();
            elements.add(value(depth + 1));
            skipSpace();
        } while (accept(','));
        require(']');
        return new Json.Array(elements);
    }

    private Json number() throws JsonException {
        int start = at;
        accept('-');
        if (!accept('0')) {
            digits();
        }
        if (accept('.')) {
            digits();
        }
        if (accept('e') || accept('E')) {
            if (!accept('+')) {
                accept('-');
            }
            digits();
        }
        if (at - start > MAX_NUMBER_LENGTH) {
            throw new JsonException("JSON has a number of more than " + MAX_NUMBER_LENGTH + " characters");
        }
        try {
            return new Json.Numeral(new BigDecimal(text.substring(start, at)));
        } catch (NumberFormatException e) {
            throw new JsonException("JSON has a number whose exponent is too large at character " + start);
        }
    }

    private void digits() throws JsonException {
        int start = at;
        while (at < text.length() && text.charAt(at) >= '0' && text.charAt(at) <= '9') {
            at++;
        }
        if (at == start) {
            throw unexpected("a value");
        }
    }

    private String string() throws JsonException {
        require('"');
        StringBuilder content = new StringBuilder();
        while (at < text.length()) {
            char next = text.charAt(at);
            if (next == '"') {
                at++;
                return content.toString();
            }
            if (next < ' ') {
                throw unexpected("the rest of a string");
            }
            at++;
            content.append(next == '\\' ? escaped() : next);
        }
        throw unexpected("the rest of a string");
    }

    private char escaped() throws JsonException {
        int index = at < text.length() ? "\"\\/bfnrtu".indexOf(text.charAt(at)) : -1;
        if (index < 0) {
            throw unexpected("an escape");
        }
        at++;
        return index < 8 ? "\"\\/\b\f\n\r\t".charAt(index) : hexadecimal();
    }

    private char hexadecimal() throws JsonException {
        int value = 0;
        for (int i = 0; i < 4; i++, at++) {
            int digit = at < text.length() && text.charAt(at) < 0x80 ? Character.digit(text.charAt(at), 16) : -1;
            if (digit < 0) {
                throw unexpected("a hexadecimal digit");
            }
            value = value << 4 | digit;
        }
        return (char) value;
    }
}
