// SPDX-License-Identifier: Apache-2.0
package io.vivarium.jmh;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.jspecify.annotations.NullMarked;
import org.junit.jupiter.api.Test;

@NullMarked
class PeerTableTest {
    private final PeerTable table = new PeerTable(List.of("host", "sandbox"));

    @Test
    void theRatioIsTheMiddleOneOfTheRounds() {
        table.add("work", List.of(new double[] {1000, 4000, 2000}, new double[] {3000, 2000, 1000}));

        ByteArrayOutputStream out = new ByteArrayOutputStream();
        table.print(new PrintStream(out, true, StandardCharsets.UTF_8));

        assertThat(out.toString(StandardCharsets.UTF_8)
                        .lines()
                        .toList()
                        .getLast()
                        .split(" +"))
                .containsExactly("work", "2.000", "(", "1.00)", "2.000", "(", "0.50)");
    }

    @Test
    void everyPlaceHasAColumn() {
        assertThatThrownBy(() -> table.add("work", List.of(new double[] {1})))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("1 columns for [host, sandbox]");
    }
}
