// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

/// The page of system calls tells what the sources do.
class SystemCallTableTest {
    private static final Path PAGE = Path.of("../docs/system-calls.md");

    @Test
    void thePageIsOfTheseSources() throws IOException {
        String page = SystemCallTable.generate();
        if (Boolean.getBoolean("vivarium.docs.write")) {
            Files.writeString(PAGE, page);
        }
        assertThat(Files.readString(PAGE))
                .as("docs/system-calls.md is old: -Dvivarium.docs.write=true makes it anew")
                .isEqualTo(page);
    }
}
