// SPDX-License-Identifier: Apache-2.0
package io.vivarium.jmh;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Map;
import java.util.stream.Collectors;
import org.jspecify.annotations.NullMarked;
import org.junit.jupiter.api.Test;

@NullMarked
class ComparisonTest {
    private final Comparison comparison = new Comparison();

    @Test
    void theRatioIsThatOfTheMiddleRound() {
        comparison.add(allAt(300), allAt(100));
        comparison.add(allAt(110), allAt(100));
        comparison.add(allAt(360), allAt(300));

        assertThat(print().lines())
                .filteredOn(line -> line.startsWith("exec"))
                .singleElement()
                .asString()
                .contains(" 300 ", " 100 ", " 1.20 (1.10 … 3.00)");
    }

    @Test
    void aPointThatNobodyMeasuredIsNamed() {
        comparison.add(allAt(300), Map.of());

        assertThatThrownBy(this::print).hasMessage("nobody measured launch");
    }

    private static Map<Point, Percentiles> allAt(double median) {
        return Arrays.stream(Point.values())
                .collect(Collectors.toMap(point -> point, _ -> new Percentiles(median, median, median)));
    }

    private String print() {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        comparison.print(new PrintStream(bytes, true, StandardCharsets.UTF_8));
        return bytes.toString(StandardCharsets.UTF_8);
    }
}
