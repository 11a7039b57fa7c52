// SPDX-License-Identifier: Apache-2.0
package io.vivarium.jmh;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.NullMarked;

/// One program with its arguments as OCI runtimes take it (OCI runtime specification 1.0, "Filesystem Bundle").
///
/// @param root its file system, and nothing else of the host's
/// @param directory of the bundle, until this is closed
@NullMarked
record OciBundle(ProgramRoot root, Path directory) implements AutoCloseable {
    /// Of a program of the host that needs no libraries.
    static OciBundle of(String program, String... arguments) throws IOException {
        OciBundle bundle = new OciBundle(ProgramRoot.create(), Files.createTempDirectory("vivarium-bundle-"));
        bundle.root.copy(Path.of(program));
        Files.createDirectories(bundle.root.directory().resolve("proc"));
        String argv = List.of(arguments).stream()
                .map(argument -> ", \"" + argument + "\"")
                .collect(Collectors.joining("", "\"" + program + "\"", ""));
        Files.writeString(bundle.config(), """
                {"ociVersion": "1.0.2", "root": {"path": "%s", "readonly": true},
                 "process": {"terminal": false, "user": {"uid": 0, "gid": 0}, "cwd": "/",
                             "args": [%s], "env": ["PATH=/bin"]},
                 "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}],
                 "linux": {"namespaces": [{"type": "pid"}, {"type": "ipc"}, {"type": "uts"}, {"type": "mount"}]}}
                """.formatted(bundle.root.directory(), argv));
        return bundle;
    }

    private Path config() {
        return directory.resolve("config.json");
    }

    /// What runs it.
    ///
    /// @param runtime a runtime with its global options
    List<String> command(String... runtime) {
        List<String> run = List.of("run", "--bundle", directory.toString(), "vivarium-peer");
        return Stream.concat(List.of(runtime).stream(), run.stream()).toList();
    }

    @Override
    public void close() throws IOException {
        Files.deleteIfExists(config());
        Files.delete(directory);
        root.close();
    }
}
