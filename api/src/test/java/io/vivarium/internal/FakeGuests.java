// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import io.vivarium.Image;
import io.vivarium.SandboxSpec;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;

/// Launches guests that are a [FakeAgent].
public final class FakeGuests {
    private FakeGuests() {}

    /// An image with nothing in it.
    public static Image image() {
        return Holder.IMAGE;
    }

    private static final class Holder {
        private static final Image IMAGE = create();

        private static Image create() {
            try {
                Path empty = Files.createTempDirectory("vivarium-empty-");
                try {
                    return Image.directory(empty);
                } finally {
                    Files.delete(empty);
                }
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }

    /// Launches one, as [Launcher] does.
    public static Guest launch(FakeAgent agent, SandboxSpec spec) {
        agent.start();
        try {
            Launcher.awaitReady(agent.guest(), spec, () -> agent.session().open(Instant.now()));
        } catch (RuntimeException e) {
            agent.guest().close();
            throw e;
        }
        spec.maxLifetime().ifPresent(agent.guest()::limitLifetime);
        return agent.guest();
    }
}
