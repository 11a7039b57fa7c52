// SPDX-License-Identifier: Apache-2.0
package io.vivarium.samples;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.vivarium.Memory;
import io.vivarium.User;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class RunOptionsTest {
    private static RunOptions parse(String line) throws RunOptions.UsageException {
        return RunOptions.parse(List.of(line.split(" ", -1)));
    }

    @Test
    void everything() throws RunOptions.UsageException {
        RunOptions options = parse("--root dir --memory=64m --timeout 250ms --env A=b=c --env D= --workdir /w"
                + " --user 5:6 --strace --report -- prog --flag");
        assertThat(options.root()).contains(Path.of("dir"));
        assertThat(options.memory()).isEqualTo(Memory.mebibytes(64));
        assertThat(options.timeout()).contains(Duration.ofMillis(250));
        assertThat(options.env()).isEqualTo(Map.of("A", "b=c", "D", ""));
        assertThat(options.workdir()).contains("/w");
        assertThat(options.user()).contains(new User(5, 6));
        assertThat(options.trace()).isTrue();
        assertThat(options.report()).isTrue();
        assertThat(options.argv()).containsExactly("prog", "--flag");
    }

    @Test
    void littleIsEnough() throws RunOptions.UsageException {
        RunOptions options = parse("ls -l --user x");
        assertThat(options.argv()).containsExactly("ls", "-l", "--user", "x");
        assertThat(options.root()).isEmpty();
        assertThat(options.timeout()).isEmpty();
        assertThat(parse("--user 7 ls").user()).contains(new User(7, 7));
        assertThat(parse("--timeout 3 ls").timeout()).contains(Duration.ofSeconds(3));
        assertThat(parse("--timeout 2h ls").timeout()).contains(Duration.ofHours(2));
    }

    @Test
    void imagesFromElsewhere() throws RunOptions.UsageException {
        assertThat(parse("--image debian:bookworm").image()).contains("debian:bookworm");
        assertThat(parse("--image debian:bookworm").argv()).isEmpty();
        assertThat(parse("--debian dash,python3-minimal sh").debian()).containsExactly("dash", "python3-minimal");
    }

    @ParameterizedTest
    @CsvSource({
        "--image a --debian b c, '--root, --image and --debian exclude each other'",
        "--debian b, no program to run",
        "--bogus x, no option --bogus",
        "--, no program to run",
        "--root, --root needs a value",
        "--memory lots ls, 'lots' is not an amount of memory",
        "--timeout 1d ls, '1d' is not a duration",
        "--timeout 0s ls, must be more than zero",
        "--env A ls, 'A' is not NAME=VALUE",
        "--user root ls, 'root' is not UID or UID:GID"
    })
    void mistakesAreNamed(String line, String message) {
        assertThatThrownBy(() -> parse(line))
                .isInstanceOf(RunOptions.UsageException.class)
                .hasMessageContaining(message);
    }
}
