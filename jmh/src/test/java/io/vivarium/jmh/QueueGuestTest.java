// SPDX-License-Identifier: Apache-2.0
package io.vivarium.jmh;

import static org.assertj.core.api.Assertions.assertThat;

import io.vivarium.kvm.testing.EnabledIfKvm;
import java.nio.file.Path;
import org.jspecify.annotations.NullMarked;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// The guest of the queue benchmark does what is measured.
@NullMarked
@Tag("machine")
@EnabledIfKvm
@Timeout(120)
class QueueGuestTest {
    @ParameterizedTest
    @EnumSource(QueueBenchmark.Way.class)
    void everyLoopComesToItsEnd(QueueBenchmark.Way way) {
        try (QueueGuest guest = new QueueGuest()) {
            if (way == QueueBenchmark.Way.IOEVENTFD) {
                guest.useDoorbell();
            }
            QueueGuest.Loop loop = QueueBenchmark.loopOf(way);
            guest.load(loop);
            guest.run(20);
            guest.run(30);
            long requests = loop == QueueGuest.Loop.REQUEST ? 50 : 0;
            assertThat(guest.statistics().requests()).isEqualTo(requests);
            assertThat(guest.statistics().bytesFromGuest()).isEqualTo(64 * requests);
            assertThat(guest.statistics().notificationsSent()).isZero();
        }
    }

    @Test
    void theTableIsPrinted(@TempDir Path build) throws Exception {
        QueueRatio.main(new String[] {"exits", build.toString(), "1", "10"});
        assertThat(build.resolve("exits")).isExecutable();
    }
}
