// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal.strace;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.code_intelligence.jazzer.junit.FuzzTest;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Records that a guest may send, whether it means well or not.
class TraceReaderTest {
    /// Whatever a guest sends is a trace or refused, and every call can be printed with any memory.
    @FuzzTest
    void anyBytesAreATraceOrRefused(byte[] bytes) throws IOException {
        StraceLines lines = new StraceLines(line -> assertThat(line).doesNotContain("\n"));
        TraceReader reader = new TraceReader(new ByteArrayInputStream(bytes));
        try {
            for (TraceRecord record = reader.next(); record != null; record = reader.next()) {
                lines.accept(record);
            }
        } catch (TraceReader.MalformedRecordException e) {
            assertThat(e).hasMessageContaining("trace record");
        }
        lines.finish(0);
    }

    @ParameterizedTest
    @CsvSource({
        "0b000000, 'a trace record of 11 bytes'",
        "fd0d0000, 'a trace record of 3581 bytes'",
        "ffffffff, 'a trace record of 4294967295 bytes'",
        "0c0000000500000001000000, 'a trace record that ends after 8 of 12 bytes'",
        "0c000000060000000100000001000000, 'a trace record of kind 6'",
        "0c000000050000000000000001000000, 'a trace record of process 0, thread 1'",
        "0c000000050000000100000001000000, 'a trace record with 0 bytes for 8'",
        "0c000000010000000100000001000000, 'a trace record that is too short'",
        "1800000002000000010000000100000000000000000000000601000000, 'a trace record'",
    })
    void refused(String hex, String message) {
        byte[] bytes = HexFormat.of().parseHex(hex);
        assertThatThrownBy(() -> new TraceReader(new ByteArrayInputStream(bytes)).next())
                .isInstanceOf(TraceReader.MalformedRecordException.class)
                .hasMessageStartingWith(message);
    }

    @Test
    void everyCallHasASignatureThatCanBePrinted() throws IOException {
        Signatures signatures = Signatures.ofSubstrate();
        Pattern present = Pattern.compile("^SYSCALL(?:_PARTIAL)?\\((\\w+), (\\d)", Pattern.MULTILINE);
        Set<String> wrong = new TreeSet<>();
        List<String> lines = new ArrayList<>();
        StraceLines strace = new StraceLines(lines::add);
        int calls = 0;
        for (String subsystem : List.of("event", "fs", "net", "sys", "task")) {
            Path table = Path.of("../guest-images/substrate/src", subsystem, "syscalls.tbl");
            List<MatchResult> rows =
                    present.matcher(Files.readString(table)).results().toList();
            for (MatchResult row : rows) {
                calls++;
                int arguments = Integer.parseInt(row.group(2));
                boolean frame = row.group(1).equals("rt_sigreturn");
                if (signatures.of(row.group(1)).size() != (frame ? 1 : arguments)) {
                    wrong.add(row.group(1));
                }
                for (long value : new long[] {0, -1, 3}) {
                    strace.accept(entered(row.group(1), value));
                    strace.accept(new TraceRecord.Left(1, 1, 0, pieces()));
                }
            }
        }
        assertThat(wrong).isEmpty();
        assertThat(calls).isGreaterThan(240);
        assertThat(lines).hasSizeGreaterThan(3 * calls - 10);
    }

    private static TraceRecord entered(String name, long value) {
        return new TraceRecord.Entered(1, 1, 0, List.of(value, value, value, value, value, value), name, pieces());
    }

    private static List<TraceRecord.Piece> pieces() {
        List<TraceRecord.Piece> pieces = new ArrayList<>();
        for (int argument = 0; argument < 6; argument++) {
            for (int length : new int[] {400, 0, 3}) {
                byte[] bytes = "x".repeat(length).getBytes(StandardCharsets.US_ASCII);
                ByteBuffer buffer = ByteBuffer.wrap(bytes).asReadOnlyBuffer().order(ByteOrder.LITTLE_ENDIAN);
                pieces.add(new TraceRecord.Piece(argument, false, false, buffer));
            }
        }
        return pieces;
    }
}
