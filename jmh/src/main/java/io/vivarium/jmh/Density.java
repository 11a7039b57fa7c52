// SPDX-License-Identifier: Apache-2.0
package io.vivarium.jmh;

import com.sun.management.OperatingSystemMXBean;
import io.vivarium.Image;
import io.vivarium.Memory;
import io.vivarium.Sandbox;
import io.vivarium.SandboxSpec;
import io.vivarium.Template;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.NullMarked;

/// How fast sandboxes are made when many live already, and what each of them takes of the host's memory.
///
/// Needs `/dev/kvm` and a static `/bin/busybox`. The memory is what the host has less of, so that it counts what
/// the kernel takes too, and what everybody else on the host takes meanwhile.
@NullMarked
public final class Density {
    private static final String DEFAULT_LIVE = "4000";

    /// Sandboxes over which a rate is taken.
    private static final int WINDOW = 100;

    private static final int WARM_UP = 300;

    private Density() {}

    /// Prints the table.
    ///
    /// @param arguments the number of sandboxes that live in the end; may be left out
    public static void main(String[] arguments) throws IOException {
        int live = Integer.parseInt(arguments.length > 0 ? arguments[0] : DEFAULT_LIVE);
        try (GuestFiles files = GuestFiles.write();
                Image image = Image.erofs(files.root());
                Template template = Template.of(SandboxSpec.of(image).withMemory(Memory.mebibytes(128)))
                        .warmUp(sandbox -> sandbox.exec(GuestFiles.BUSYBOX, "echo", "warm"))) {
            for (int i = 0; i < WARM_UP; i++) {
                template.launch().close();
            }
            measure(template, live);
        }
    }

    private static void measure(Template template, int live) throws IOException {
        List<Sandbox> sandboxes = new ArrayList<>(live);
        HostMemory before = HostMemory.now();
        OperatingSystemMXBean process = (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
        double firstRate = 0;
        double firstCpu = 0;
        System.out.printf(
                "%8s %12s %8s %12s %8s   each of them, KiB: %9s %9s %9s%n",
                "live", "created/s", "of first", "CPU ms each", "of first", "in all", "own pages", "kernel");
        try {
            while (sandboxes.size() < live) {
                long start = System.nanoTime();
                long cpuStart = process.getProcessCpuTime();
                for (int i = 0; i < WINDOW; i++) {
                    sandboxes.add(template.launch());
                }
                double rate = WINDOW * 1e9 / (System.nanoTime() - start);
                double cpu = (process.getProcessCpuTime() - cpuStart) / 1e6 / WINDOW;
                firstRate = firstRate == 0 ? rate : firstRate;
                firstCpu = firstCpu == 0 ? cpu : firstCpu;
                if (Stream.of(1, 2, 5, 10, 20, 30, 40, 60, 80).anyMatch(n -> sandboxes.size() == n * WINDOW)) {
                    HostMemory taken = HostMemory.now().since(before);
                    int count = sandboxes.size();
                    System.out.printf(
                            "%8d %12.0f %8.2f %12.2f %8.2f   %27d %9d %9d%n",
                            count,
                            rate,
                            rate / firstRate,
                            cpu,
                            cpu / firstCpu,
                            taken.available / count,
                            taken.anonymous / count,
                            taken.kernel / count);
                }
            }
            long start = System.nanoTime();
            int closed = sandboxes.size();
            sandboxes.forEach(Sandbox::close);
            sandboxes.clear();
            System.out.printf("closed %d: %.0f/s%n", closed, closed * 1e9 / (System.nanoTime() - start));
        } finally {
            sandboxes.forEach(Sandbox::close);
        }
    }

    /// Of the host, in KiB (proc_meminfo(5)).
    ///
    /// @param available less of it is more taken: `MemAvailable`
    /// @param anonymous pages of processes
    /// @param kernel slab, page tables (the guest's shadows among them), kernel stacks,
    ///     per-processor and vmalloc memory
    private record HostMemory(long available, long anonymous, long kernel) {
        static HostMemory now() throws IOException {
            List<String> lines = Files.readAllLines(Path.of("/proc/meminfo"));
            return new HostMemory(
                    sum(lines, "MemAvailable"),
                    sum(lines, "AnonPages"),
                    sum(lines, "Slab", "PageTables", "SecPageTables", "KernelStack", "Percpu", "VmallocUsed"));
        }

        private static long sum(List<String> lines, String... names) {
            return Stream.of(names)
                    .mapToLong(name -> lines.stream()
                            .filter(line -> line.startsWith(name + ":"))
                            .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")))
                            .sum())
                    .sum();
        }

        HostMemory since(HostMemory before) {
            return new HostMemory(before.available - available, anonymous - before.anonymous, kernel - before.kernel);
        }
    }
}
