// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/// `docs/system-calls.md`, made of the kernel's own tables and of the sources of the tests.
final class SystemCallTable {
    private static final Path KERNEL = Path.of("../guest-images/substrate");
    private static final Path TESTS = Path.of("src/test");
    private static final Pattern NAME = Pattern.compile("\\[(\\d+)] = \"(\\w+)\"");
    private static final Pattern PRESENT =
            Pattern.compile("^SYSCALL(?:_PARTIAL)?\\((\\w+), \\d(?:, \"(.*)\")?\\)$", Pattern.MULTILINE);
    private static final Pattern ABSENT = Pattern.compile("^ABSENT\\((\\w+), \"(.*)\"\\)$", Pattern.MULTILINE);
    private static final Pattern TEXT_BLOCK = Pattern.compile("\"{3}\\n.*?\"{3}", Pattern.DOTALL);
    private static final Pattern CLASS_NAME = Pattern.compile("\\b[A-Z]\\w+\\b");

    /// What C programs call where the C library's name is another than the kernel's.
    private static final Map<String, String> C_NAMES = Map.ofEntries(
            Map.entry("accept4", "accept4|accept"),
            Map.entry("arch_prctl", "pthread_create"),
            Map.entry("brk", "malloc"),
            Map.entry("clock_nanosleep", "clock_nanosleep|sleep|usleep"),
            Map.entry("clone", "clone|fork"),
            Map.entry("clone3", "pthread_create"),
            Map.entry("execve", "execve|execv|execl|execlp|posix_spawn"),
            Map.entry("execveat", "execveat|fexecve"),
            Map.entry("exit_group", "exit|_exit"),
            Map.entry("fadvise64", "posix_fadvise"),
            Map.entry("futex", "pthread_join|pthread_cond_wait|pthread_mutex_lock"),
            Map.entry("getdents64", "readdir"),
            Map.entry("newfstatat", "fstatat|stat|lstat"),
            Map.entry("openat", "openat|open|fopen"),
            Map.entry("ppoll", "ppoll"),
            Map.entry("pread64", "pread"),
            Map.entry("prlimit64", "prlimit|getrlimit|setrlimit"),
            Map.entry("pselect6", "pselect"),
            Map.entry("pwrite64", "pwrite"),
            Map.entry("recvfrom", "recvfrom|recv"),
            Map.entry("rt_sigaction", "sigaction|signal"),
            Map.entry("rt_sigpending", "sigpending"),
            Map.entry("rt_sigprocmask", "sigprocmask|pthread_sigmask"),
            Map.entry("rt_sigqueueinfo", "sigqueue"),
            Map.entry("rt_sigreturn", "sigaction|signal"),
            Map.entry("rt_sigsuspend", "sigsuspend"),
            Map.entry("rt_sigtimedwait", "sigtimedwait|sigwaitinfo|sigwait"),
            Map.entry("rt_tgsigqueueinfo", "pthread_sigqueue"),
            Map.entry("sendto", "sendto|send"),
            Map.entry("set_robust_list", "pthread_create"),
            Map.entry("set_tid_address", "main"),
            Map.entry("signalfd4", "signalfd"),
            Map.entry("tgkill", "pthread_kill|raise"),
            Map.entry("eventfd2", "eventfd"),
            Map.entry("inotify_init1", "inotify_init1"),
            Map.entry("umount2", "umount"),
            Map.entry("wait4", "waitpid|wait|wait4"));

    /// Tests that name classes with C sources but run none of them.
    private static final Set<String> WITHOUT_C = Set.of("SystemCallTableTest", "DynamicProgramsTest", "SameAsHostTest");

    private SystemCallTable() {}

    /// The page as it should be.
    static String generate() throws IOException {
        Map<Integer, String> names = new TreeMap<>();
        Matcher name = NAME.matcher(Files.readString(KERNEL.resolve("src/sys/names.c")));
        while (name.find()) {
            names.put(Integer.parseInt(name.group(1)), name.group(2));
        }
        Map<String, String> present = present();
        Map<String, String> absent = read(KERNEL.resolve("src/sys/absent.tbl"), ABSENT);
        Map<String, String> sources = testSources();
        List<String> rows = new ArrayList<>();
        int full = 0;
        int partial = 0;
        for (Map.Entry<Integer, String> call : names.entrySet()) {
            String missing = present.get(call.getValue());
            String state;
            if (missing == null) {
                state = "no" + (absent.containsKey(call.getValue()) ? ": " + absent.get(call.getValue()) : "");
            } else {
                state = missing.isEmpty() ? "full" : "partial: " + missing;
                full += missing.isEmpty() ? 1 : 0;
                partial += missing.isEmpty() ? 0 : 1;
            }
            rows.add("| %d | `%s` | %s | %s |"
                    .formatted(
                            call.getKey(),
                            call.getValue(),
                            state,
                            String.join(", ", holding(call.getValue(), missing != null, sources))));
        }
        return """
                # System calls

                Every system call of x86-64 Linux, what Substrate does with it, and the tests that call it: `applications` stands for the
                programs of Debian packages in `ApplicationsTest`, `fs-test` and `net-test` for the C tests of `guest-images/substrate/test`;
                the others call it from C. *full*: as Linux does, as far as programs in a sandbox can tell; *partial*: what follows is
                missing or different; *no*: `ENOSYS`, and `ExecResult.unsupported()` names it.

                %d are full, %d partial, %d are not there. Made by `SystemCallTableTest` from the tables in `guest-images/substrate/src`
                (`./mvnw -pl api -am test -Dtest=SystemCallTableTest -Dvivarium.docs.write=true`), which fails when this page is another.

                | | Call | State | Tests |
                | --- | --- | --- | --- |
                """.formatted(full, partial, names.size() - full - partial) + String.join("\n", rows) + "\n";
    }

    /// What is missing of each call that there is; nothing for most.
    static Map<String, String> present() throws IOException {
        Map<String, String> present = new HashMap<>();
        try (Stream<Path> directories = Files.list(KERNEL.resolve("src"))) {
            for (Path table : directories
                    .map(directory -> directory.resolve("syscalls.tbl"))
                    .filter(Files::exists)
                    .toList()) {
                present.putAll(read(table, PRESENT));
            }
        }
        return present;
    }

    private static Map<String, String> read(Path table, Pattern row) throws IOException {
        Map<String, String> rows = new HashMap<>();
        Matcher match = row.matcher(Files.readString(table));
        while (match.find()) {
            rows.put(match.group(1), match.group(2) == null ? "" : match.group(2));
        }
        return rows;
    }

    /// The C sources behind each test, by its name; for `applications`, the calls one a line.
    private static Map<String, String> testSources() throws IOException {
        Map<String, String> classes = new HashMap<>();
        for (Path file : files(TESTS.resolve("java"), ".java")) {
            classes.put(file.getFileName().toString().replace(".java", ""), Files.readString(file));
        }
        Map<String, String> resources = new HashMap<>();
        for (Path file : files(TESTS.resolve("resources"), ".c")) {
            resources.put(file.getFileName().toString().replace(".c", ""), Files.readString(file));
        }
        Map<String, String> sources = new TreeMap<>();
        for (String test : classes.keySet()) {
            if (test.endsWith("Test") && !WITHOUT_C.contains(test)) {
                StringBuilder text = new StringBuilder();
                for (String part : mentioned(test, classes)) {
                    String source = classes.getOrDefault(part, "");
                    // C in text blocks.
                    Matcher block = TEXT_BLOCK.matcher(source);
                    while (block.find()) {
                        text.append(block.group().contains("#include") ? block.group() : "");
                    }
                    resources.forEach((name, c) -> {
                        if (Pattern.compile("\"([^\"]*/)?" + name + "(\\.c)?\"")
                                .matcher(source)
                                .find()) {
                            text.append(c);
                        }
                    });
                }
                sources.put(test, text.toString());
            }
        }
        sources.put("fs-test", concatenated(KERNEL.resolve("test/fs")));
        sources.put("net-test", Files.readString(KERNEL.resolve("test/net_test.c")));
        sources.put(
                "applications", Files.readString(TESTS.resolve("resources/io/vivarium/applications/system-calls.txt")));
        return sources;
    }

    /// A class of the tests and, again, those that it names.
    private static Set<String> mentioned(String test, Map<String, String> classes) {
        Set<String> found = new LinkedHashSet<>(List.of(test));
        List<String> left = new ArrayList<>(found);
        while (!left.isEmpty()) {
            Matcher name = CLASS_NAME.matcher(classes.getOrDefault(left.removeFirst(), ""));
            while (name.find()) {
                if (classes.containsKey(name.group()) && !name.group().endsWith("Test") && found.add(name.group())) {
                    left.add(name.group());
                }
            }
        }
        return found;
    }

    private static Set<String> holding(String call, boolean present, Map<String, String> sources) {
        Set<String> tests = new TreeSet<>();
        String names = C_NAMES.getOrDefault(call, call);
        Pattern c = Pattern.compile(
                "\\b(SYS_" + call + "|__NR_" + call + ")\\b|\\bCALL\\(" + call + "\\b|(?<![.\\w])(" + names + ")\\(");
        sources.forEach((test, source) -> {
            boolean calls = test.equals("applications")
                    ? present && source.lines().anyMatch(call::equals)
                    : c.matcher(source).find();
            if (calls) {
                tests.add(test);
            }
        });
        return tests;
    }

    private static String concatenated(Path directory) throws IOException {
        StringBuilder text = new StringBuilder();
        for (Path file : files(directory, ".c")) {
            // The host's side of the comparison is no test of the guest's kernel.
            if (!file.endsWith("host.c") && !file.endsWith("oracle.c")) {
                text.append(Files.readString(file));
            }
        }
        return text.toString();
    }

    private static List<Path> files(Path directory, String suffix) throws IOException {
        try (Stream<Path> walk = Files.walk(directory)) {
            return walk.filter(file -> file.toString().endsWith(suffix))
                    .sorted()
                    .toList();
        }
    }
}
