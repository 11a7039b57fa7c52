// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.tar;

import io.vivarium.guestimages.FileName;
import io.vivarium.guestimages.InvalidTreeException;
import io.vivarium.guestimages.tar.TarHeader.BadHeaderException;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.nio.charset.StandardCharsets;
import java.time.DateTimeException;
import java.time.Instant;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/// The records of a pax extended header (POSIX.1-2001 pax(1)): `"<length> <key>=<value>\n"`, the length
/// counting all of it.
final class PaxRecords {
    private static final int MAX_NUMBER_LENGTH = 32;

    private static final String SPARSE_PREFIX = "GNU.sparse.";

    /// The keys that are kept. All others are of no use here, and an archive can have any number of them.
    private static final Set<String> KEYS = Set.of("path", "linkpath", "size", "mtime", "uid", "gid");

    private final Map<String, byte[]> records = new HashMap<>();
    private boolean sparse;

    /// Takes the records of one more header; a record replaces an earlier one of its key.
    void parse(byte[] header) throws BadHeaderException {
        int position = 0;
        while (position < header.length) {
            int space = indexOf(header, ' ', position);
            long length = decimal(text(header, position, space), "length of a pax record");
            if (length < space - position + 1L || length > header.length - position) {
                throw new BadHeaderException("a pax record's length of " + length + " is wrong");
            }
            int end = position + (int) length;
            int equals = indexOf(header, '=', space + 1);
            if (equals >= end || header[end - 1] != '\n') {
                throw new BadHeaderException("a pax record is not of the form 'length key=value'");
            }
            String key = text(header, space + 1, equals);
            if (key.startsWith(SPARSE_PREFIX)) {
                sparse = true;
            } else if (KEYS.contains(key)) {
                records.put(key, Arrays.copyOfRange(header, equals + 1, end - 1));
            }
            position = end;
        }
    }

    void putAll(PaxRecords others) {
        records.putAll(others.records);
        sparse |= others.sparse;
    }

    /// Whether GNU tar says that the file is sparse.
    boolean isSparse() {
        return sparse;
    }

    /// The value of a record. An empty one says that there is none, even when there was one before.
    private Optional<byte[]> value(String key) {
        return Optional.ofNullable(records.get(key)).filter((byte[] value) -> value.length > 0);
    }

    /// A path, which pax writes in UTF-8.
    Optional<String> path(String key) throws BadHeaderException {
        try {
            return value(key).map(FileName::decode);
        } catch (InvalidTreeException e) {
            throw new BadHeaderException(e.path() + ": " + e.reason());
        }
    }

    Optional<Long> number(String key) throws BadHeaderException {
        Optional<byte[]> value = value(key);
        return value.isEmpty()
                ? Optional.empty()
                : Optional.of(decimal(latin1(value.get()), "pax record '" + key + "'"));
    }

    /// A time in seconds with a fraction, to the nanosecond, rounded down.
    Optional<Instant> time(String key) throws BadHeaderException {
        Optional<byte[]> value = value(key);
        if (value.isEmpty()) {
            return Optional.empty();
        }
        String text = latin1(value.get());
        if (text.length() > MAX_NUMBER_LENGTH || !text.matches("-?\\d+(\\.\\d*)?")) {
            throw new BadHeaderException("the pax record '" + key + "' is not a time");
        }
        try {
            BigDecimal nanos = new BigDecimal(text).movePointRight(9).setScale(0, RoundingMode.FLOOR);
            BigDecimal[] parts = nanos.divideAndRemainder(BigDecimal.TEN.pow(9));
            return Optional.of(Instant.ofEpochSecond(parts[0].longValueExact(), parts[1].longValueExact()));
        } catch (ArithmeticException | DateTimeException e) {
            throw new BadHeaderException("the pax record '" + key + "' is not a time that can be");
        }
    }

    private static String latin1(byte[] value) {
        return new String(value, StandardCharsets.ISO_8859_1);
    }

    private static long decimal(String text, String what) throws BadHeaderException {
        if (!text.matches("\\d{1,18}")) {
            throw new BadHeaderException("the " + what + " is not a number");
        }
        return Long.parseLong(text);
    }

    private static int indexOf(byte[] bytes, char wanted, int from) throws BadHeaderException {
        for (int i = from; i < bytes.length; i++) {
            if (bytes[i] == wanted) {
                return i;
            }
        }
        throw new BadHeaderException("a pax record is not of the form 'length key=value'");
    }

    private static String text(byte[] bytes, int from, int to) {
        return new String(bytes, from, to - from, StandardCharsets.UTF_8);
    }
}
