// SPDX-License-Identifier: Apache-2.0
package io.vivarium.samples;

import io.vivarium.Memory;
import io.vivarium.SandboxSpec;
import io.vivarium.User;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// What `run` was asked for on the command line.
///
/// @param root where the root file system is; empty for one of the others, or for the host's busybox
/// @param image name of a container image in a registry
/// @param debian names of Debian packages; empty for none
/// @param memory of the guest
/// @param timeout of the program
/// @param env of the program
/// @param workdir where it starts
/// @param user whom it runs as
/// @param terminal whether it has the terminal that this process has
/// @param trace whether its system calls are shown
/// @param report whether to say afterwards what it used
/// @param argv the program and its arguments
record RunOptions(
        Optional<Path> root,
        Optional<String> image,
        List<String> debian,
        Memory memory,
        Optional<Duration> timeout,
        Map<String, String> env,
        Optional<String> workdir,
        Optional<User> user,
        boolean terminal,
        boolean trace,
        boolean report,
        List<String> argv) {
    static final String USAGE = """
            usage: vivarium run [option…] [--] program [argument…]
                     runs a program in a microVM of its own
              --root DIR|TAR|EROFS   its files (without: the host's /bin/busybox)
              --image NAME           a container image of a registry; its own program, unless one is given
              --debian PACKAGE,…     Debian packages and what they need
              --memory 256m          memory of the guest
              --timeout 10s          kill it after so long (ms, s, m, h)
              --env NAME=VALUE       add to its environment
              --workdir DIR          where it starts
              --user UID[:GID]       whom it runs as inside (without: 0:0)
              --tty                  give it this terminal
              --strace               show its system calls, as strace -f does
              --report               say what it used when it has ended
                   exit code: the program's; 124 timeout, 125 Vivarium failed, 126 cannot be run, 127 not found,
                   128+n killed by signal n
                   vivarium doctor
                     says whether this host can run sandboxes, and what to do if not
            """;

    private static final Pattern DURATION = Pattern.compile("(\\d{1,9})(ms|s|m|h)?");

    /// The command line is wrong.
    static final class UsageException extends Exception {
        private static final long serialVersionUID = 1L;

        UsageException(String message) {
            super(message);
        }
    }

    /// Reads the arguments after `run`.
    static RunOptions parse(List<String> arguments) throws UsageException {
        Optional<Path> root = Optional.empty();
        Optional<String> image = Optional.empty();
        List<String> debian = List.of();
        Memory memory = SandboxSpec.DEFAULT_MEMORY;
        Optional<Duration> timeout = Optional.empty();
        Map<String, String> env = new LinkedHashMap<>();
        Optional<String> workdir = Optional.empty();
        Optional<User> user = Optional.empty();
        boolean terminal = false;
        boolean trace = false;
        boolean report = false;
        int at = 0;
        while (at < arguments.size() && arguments.get(at).startsWith("-")) {
            String word = arguments.get(at++);
            if (word.equals("--")) {
                break;
            }
            int equals = word.indexOf('=');
            String name = equals < 0 ? word : word.substring(0, equals);
            if (name.equals("--tty") || name.equals("--strace") || name.equals("--report")) {
                terminal |= name.equals("--tty");
                trace |= name.equals("--strace");
                report |= name.equals("--report");
                continue;
            }
            String value = equals >= 0
                    ? word.substring(equals + 1)
                    : next(name, at < arguments.size() ? arguments.get(at++) : null);
            switch (name) {
                case "--root" -> root = Optional.of(Path.of(value));
                case "--image" -> image = Optional.of(value);
                case "--debian" -> debian = List.of(value.split(",", -1));
                case "--memory" -> memory = memory(value);
                case "--timeout" -> timeout = Optional.of(duration(value));
                case "--env" -> putVariable(env, value);
                case "--workdir" -> workdir = Optional.of(value);
                case "--user" -> user = Optional.of(user(value));
                default -> throw new UsageException("no option " + name);
            }
        }
        List<String> argv = List.copyOf(arguments.subList(at, arguments.size()));
        if (argv.isEmpty() && image.isEmpty()) {
            throw new UsageException("no program to run");
        }
        if ((root.isPresent() ? 1 : 0) + (image.isPresent() ? 1 : 0) + (debian.isEmpty() ? 0 : 1) > 1) {
            throw new UsageException("--root, --image and --debian exclude each other");
        }
        return new RunOptions(
                root, image, debian, memory, timeout, Map.copyOf(env), workdir, user, terminal, trace, report, argv);
    }

    private static String next(String name, @Nullable String value) throws UsageException {
        if (value == null || name.isEmpty()) {
            throw new UsageException(name + " needs a value");
        }
        return value;
    }

    private static Memory memory(String text) throws UsageException {
        try {
            return Memory.parse(text);
        } catch (IllegalArgumentException e) {
            throw new UsageException("--memory: " + e.getMessage());
        }
    }

    private static Duration duration(String text) throws UsageException {
        Matcher matcher = DURATION.matcher(text);
        if (!matcher.matches()) {
            throw new UsageException("--timeout: '" + text + "' is not a duration: write 500ms, 10s, 5m or 1h");
        }
        long count = Long.parseLong(matcher.group(1));
        if (count == 0) {
            throw new UsageException("--timeout: must be more than zero");
        }
        String unit = matcher.group(2);
        return switch (unit == null ? "s" : unit) {
            case "ms" -> Duration.ofMillis(count);
            case "m" -> Duration.ofMinutes(count);
            case "h" -> Duration.ofHours(count);
            default -> Duration.ofSeconds(count);
        };
    }

    private static void putVariable(Map<String, String> env, String text) throws UsageException {
        int equals = text.indexOf('=');
        if (equals < 1) {
            throw new UsageException("--env: '" + text + "' is not NAME=VALUE");
        }
        env.put(text.substring(0, equals), text.substring(equals + 1));
    }

    private static User user(String text) throws UsageException {
        try {
            int colon = text.indexOf(':');
            long uid = Long.parseLong(colon < 0 ? text : text.substring(0, colon));
            return new User(uid, colon < 0 ? uid : Long.parseLong(text.substring(colon + 1)));
        } catch (IllegalArgumentException e) {
            throw new UsageException("--user: '" + text + "' is not UID or UID:GID, in numbers");
        }
    }
}
