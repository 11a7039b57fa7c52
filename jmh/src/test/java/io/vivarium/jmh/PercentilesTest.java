// SPDX-License-Identifier: Apache-2.0
package io.vivarium.jmh;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.stream.LongStream;
import org.jspecify.annotations.NullMarked;
import org.junit.jupiter.api.Test;

@NullMarked
class PercentilesTest {
    @Test
    void countsByNearestRankInWhateverOrder() {
        List<Long> samples = LongStream.rangeClosed(1, 200)
                .map(rank -> (201 - rank) * 1000)
                .boxed()
                .toList();

        assertThat(Percentiles.ofNanos(samples)).isEqualTo(new Percentiles(100, 180, 198));
    }

    @Test
    void ofOneSampleAllAreThatSample() {
        assertThat(Percentiles.ofNanos(List.of(1500L))).isEqualTo(new Percentiles(1.5, 1.5, 1.5));
    }

    @Test
    void theTypicalRoundIsTheMedianOfEachFigure() {
        List<Percentiles> rounds =
                List.of(new Percentiles(3, 10, 700), new Percentiles(1, 30, 900), new Percentiles(2, 20, 800));

        assertThat(Percentiles.typical(rounds)).isEqualTo(new Percentiles(2, 20, 800));
    }
}
