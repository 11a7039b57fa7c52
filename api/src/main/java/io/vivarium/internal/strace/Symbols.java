// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal.strace;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/// What numbers are called, in sets: flags of open(2), numbers of signals, and so on.
final class Symbols {
    private static final String RESOURCE = "symbols.txt";
    private static final Map<String, Symbols> SETS = load();

    /// A name for a value; `text` is what else there is to say of it.
    private record Symbol(String name, long value, String text) {}

    private final List<Symbol> symbols = new ArrayList<>();

    private Symbols() {}

    static Symbols of(String set) {
        Symbols found = SETS.get(set);
        if (found == null) {
            throw new IllegalArgumentException("no set of symbols is called " + set);
        }
        return found;
    }

    private static Map<String, Symbols> load() {
        Map<String, Symbols> sets = new HashMap<>();
        Symbols current = new Symbols();
        try (InputStream in = Symbols.class.getResourceAsStream(RESOURCE)) {
            if (in == null) {
                throw new IllegalStateException("missing from this build: " + RESOURCE);
            }
            BufferedReader reader = new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8));
            for (String line = reader.readLine(); line != null; line = reader.readLine()) {
                if (line.startsWith("[")) {
                    current = new Symbols();
                    sets.put(line.substring(1, line.length() - 1), current);
                } else if (!line.startsWith("#")) {
                    String[] words = line.split(" ", 3);
                    current.symbols.add(new Symbol(words[0], Long.decode(words[1]), words.length > 2 ? words[2] : ""));
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException("reading " + RESOURCE, e);
        }
        return Map.copyOf(sets);
    }

    /// The name of one value, or something else.
    String name(long value, String unknown) {
        for (Symbol symbol : symbols) {
            if (symbol.value == value) {
                return symbol.name;
            }
        }
        return unknown;
    }

    /// The name of one value, or the value with a remark of which set it is not.
    String nameOrRemark(long value) {
        return name(value, Text.hex(value) + " /* " + commonPrefix() + "??? */");
    }

    private String commonPrefix() {
        String prefix = symbols.getFirst().name;
        for (Symbol symbol : symbols) {
            while (!symbol.name.startsWith(prefix)) {
                prefix = prefix.substring(0, prefix.length() - 1);
            }
        }
        return prefix.substring(0, prefix.lastIndexOf('_') + 1);
    }

    /// What else there is to say of a value.
    String text(long value) {
        for (Symbol symbol : symbols) {
            if (symbol.value == value) {
                return symbol.text;
            }
        }
        return "";
    }

    /// The name of one value, or the value in hexadecimal digits.
    String name(long value) {
        return name(value, Text.hex(value));
    }

    /// The names of flags with `|` between them, the rest in hexadecimal digits; empty for no flags.
    String flagsOrEmpty(long value) {
        List<String> names = new ArrayList<>();
        long rest = value;
        for (Symbol symbol : symbols) {
            if (symbol.value != 0 && (rest & symbol.value) == symbol.value) {
                names.add(symbol.name);
                rest &= ~symbol.value;
            }
        }
        if (rest != 0) {
            names.add(Text.hex(rest));
        }
        return String.join("|", names);
    }

    /// As [#flagsOrEmpty], but what 0 is called is `none`.
    String flags(long value, String none) {
        return value == 0 ? none : flagsOrEmpty(value);
    }

    String flags(long value) {
        return flags(value, "0");
    }
}
