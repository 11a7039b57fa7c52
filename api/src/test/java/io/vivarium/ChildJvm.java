// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import com.github.benmanes.caffeine.cache.Caffeine;
import io.vivarium.guestimages.RootFs;
import io.vivarium.kvm.Kvm;
import io.vivarium.snapshot.SnapshotFile;
import io.vivarium.virtio.VirtioMmioState;
import java.io.File;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.slf4j.LoggerFactory;

/// Starts another JVM with the classes that this one has.
final class ChildJvm {
    private ChildJvm() {}

    /// Starts the main method of a class of the tests; what it writes to standard error goes to ours.
    static Process start(Class<?> program, String... arguments) throws IOException {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.add("--enable-native-access=ALL-UNNAMED");
        command.add("-cp");
        command.add(classPath(program));
        command.add(program.getName());
        command.addAll(List.of(arguments));
        return new ProcessBuilder(command)
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
    }

    private static String classPath(Class<?> program) {
        Set<String> places = new LinkedHashSet<>();
        for (Class<?> each : List.of(
                program,
                Template.class,
                SnapshotFile.class,
                VirtioMmioState.class,
                Kvm.class,
                RootFs.class,
                Caffeine.class,
                LoggerFactory.class)) {
            try {
                places.add(Path.of(each.getProtectionDomain()
                                .getCodeSource()
                                .getLocation()
                                .toURI())
                        .toString());
            } catch (URISyntaxException e) {
                throw new IllegalStateException(e);
            }
        }
        return String.join(File.pathSeparator, places);
    }
}
