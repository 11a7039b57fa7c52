// SPDX-License-Identifier: Apache-2.0

import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.net.MalformedURLException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.junit.jupiter.engine.JupiterTestEngine;
import org.junit.platform.engine.TestExecutionResult;
import org.junit.platform.engine.discovery.DiscoverySelectors;
import org.junit.platform.launcher.LauncherDiscoveryRequest;
import org.junit.platform.launcher.LauncherSession;
import org.junit.platform.launcher.TagFilter;
import org.junit.platform.launcher.TestExecutionListener;
import org.junit.platform.launcher.TestIdentifier;
import org.junit.platform.launcher.TestPlan;
import org.junit.platform.launcher.core.LauncherConfig;
import org.junit.platform.launcher.core.LauncherDiscoveryRequestBuilder;
import org.junit.platform.launcher.core.LauncherFactory;
import org.junit.platform.launcher.listeners.SummaryGeneratingListener;
import org.junit.platform.reporting.legacy.xml.LegacyXmlReportGeneratingListener;

/// Runs tests as JUnit's console launcher does, without what that has besides: its command line alone takes an emulated
/// processor seconds. One class after the other, each with a report of its own: the first test need not wait until the
/// last class is loaded, and what has been reported is there should this JVM end early.
///
/// `java … RunTests <directory for reports> <tag> <tag that is left out> <file with a class a line>`. Ends with 0 when
/// tests ran and none failed, 1 when some failed, 2 when there was none.
/// With `-Dlane.classes=<path>` the classes come from there: a JVM that writes a cache takes no directories on its own path.
final class RunTests implements TestExecutionListener {
    private static final FileOutputStream CONSOLE = new FileOutputStream(FileDescriptor.out);

    private Optional<TestPlan> plan = Optional.empty();

    public static void main(String[] arguments) throws IOException {
        String classes = System.getProperty("lane.classes");
        if (classes != null) {
            Thread.currentThread().setContextClassLoader(new URLClassLoader(urls(classes), RunTests.class.getClassLoader()));
        }
        Path reports = Files.createDirectories(Path.of(arguments[0]));
        LauncherConfig config = LauncherConfig.builder()
                .enableTestEngineAutoRegistration(false)
                .addTestEngines(new JupiterTestEngine())
                .build();
        long found = 0;
        long failed = 0;
        try (LauncherSession session = LauncherFactory.openSession(config)) {
            for (String name : Files.readAllLines(Path.of(arguments[3]))) {
                Path report = reports.resolve(name);
                SummaryGeneratingListener summary = new SummaryGeneratingListener();
                session.getLauncher()
                        .execute(
                                request(name, arguments[1], arguments[2]),
                                new RunTests(),
                                summary,
                                new LegacyXmlReportGeneratingListener(report, new PrintWriter(System.out, true)));
                Files.move(report.resolve("TEST-junit-jupiter.xml"), reports.resolve("TEST-" + name + ".xml"));
                Files.delete(report);
                found += summary.getSummary().getTestsFoundCount();
                failed += summary.getSummary().getTotalFailureCount();
            }
        }
        System.exit(failed > 0 ? 1 : found == 0 ? 2 : 0);
    }

    private static LauncherDiscoveryRequest request(String name, String tag, String leftOut) {
        // The time limits of tests are for a real processor; here the one of ./lane holds.
        return LauncherDiscoveryRequestBuilder.request()
                .selectors(DiscoverySelectors.selectClass(name))
                .filters(TagFilter.includeTags(tag), TagFilter.excludeTags(leftOut, "jazzer"))
                .configurationParameter("junit.jupiter.execution.timeout.mode", "disabled")
                .build();
    }

    private static URL[] urls(String path) throws MalformedURLException {
        String[] parts = path.split(":", -1);
        URL[] urls = new URL[parts.length];
        for (int i = 0; i < parts.length; i++) {
            urls[i] = Path.of(parts[i]).toUri().toURL();
        }
        return urls;
    }

    @Override
    public void testPlanExecutionStarted(TestPlan started) {
        plan = Optional.of(started);
    }

    @Override
    public void executionSkipped(TestIdentifier test, String reason) {
        say(test, "SKIPPED", reason);
    }

    @Override
    public void executionStarted(TestIdentifier test) {
        if (test.isTest()) {
            say(test, "STARTED", "");
        }
    }

    @Override
    public void executionFinished(TestIdentifier test, TestExecutionResult result) {
        if (test.isTest() || result.getStatus() != TestExecutionResult.Status.SUCCESSFUL) {
            StringWriter why = new StringWriter();
            result.getThrowable().ifPresent(thrown -> thrown.printStackTrace(new PrintWriter(why)));
            say(test, result.getStatus().name(), why.toString());
        }
    }

    // In one write: the kernel writes to the same console.
    private void say(TestIdentifier test, String what, String why) {
        StringBuilder text = new StringBuilder(test.getDisplayName());
        for (Optional<TestIdentifier> parent = plan.flatMap(all -> all.getParent(test));
                parent.isPresent();
                parent = plan.orElseThrow().getParent(parent.get())) {
            text.insert(0, parent.get().getDisplayName() + " > ");
        }
        text.append(" :: ").append(what).append('\n');
        why.lines().forEach(line -> text.append('\t').append(line).append('\n'));
        try {
            CONSOLE.write(text.toString().getBytes(StandardCharsets.UTF_8));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
