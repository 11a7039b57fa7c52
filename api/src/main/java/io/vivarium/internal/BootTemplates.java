// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import com.github.benmanes.caffeine.cache.RemovalCause;
import io.vivarium.guestimages.ImageException;
import io.vivarium.guestimages.boot.BootParams;
import io.vivarium.guestimages.boot.CommandLine;
import io.vivarium.guestimages.boot.KernelImage;
import io.vivarium.kvm.GuestMemory;
import io.vivarium.kvm.x86.LinuxBoot;
import io.vivarium.snapshot.MemoryTemplate;
import java.lang.foreign.MemorySegment;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/// The memory templates that machines boot from: one for each machine map, with the kernel in it, ready to be entered.
final class BootTemplates {
    /// Each holds a file descriptor and the size of the kernel in memory.
    private static final int MOST = 64;

    private static final long HUGE_PAGE = 2 << 20;

    private final KernelImage kernel;
    private final CommandLine commandLine;
    private final LinuxBoot boot;
    private final Cache<MachineMap, Counted> cache = Caffeine.newBuilder()
            .maximumSize(MOST)
            .executor(Runnable::run)
            .removalListener((@Nullable MachineMap _, @Nullable Counted removed, RemovalCause _) -> {
                if (removed != null) {
                    removed.release();
                }
            })
            .build();

    /// @param commandLine what the kernel is told
    BootTemplates(KernelImage kernel, CommandLine commandLine) {
        this.kernel = kernel;
        this.commandLine = commandLine;
        this.boot = new LinuxBoot(kernel.entry(), BootParams.ADDRESS);
    }

    /// How a vCPU enters what a template holds.
    LinuxBoot boot() {
        return boot;
    }

    /// Uses the template for a machine map, which is made if there is none; it stays open meanwhile.
    <T> T with(MachineMap map, Function<MemoryTemplate, T> use) {
        while (true) {
            Counted counted = cache.get(map, missing -> new Counted(prepare(missing)));
            if (counted.retain()) {
                try {
                    return use.apply(counted.template);
                } finally {
                    counted.release();
                }
            }
        }
    }

    /// Closes all templates once nobody uses them.
    void clear() {
        cache.invalidateAll();
    }

    private MemoryTemplate prepare(MachineMap map) {
        return MemoryTemplate.prepare("vivarium-boot", size(), memory -> write(map, memory));
    }

    private void write(MachineMap map, GuestMemory memory) {
        MemorySegment all = memory.writableSlice(0, size());
        try {
            kernel.load(all);
        } catch (ImageException e) {
            throw new IllegalStateException("the template was made for this kernel", e);
        }
        boot.writeTables(memory);
        new BootParams(commandLine, map.memoryMap()).write(all);
    }

    private long size() {
        return Math.ceilDiv(kernel.end(), HUGE_PAGE) * HUGE_PAGE;
    }

    /// A template that is closed when it has left the cache and nobody uses it.
    private static final class Counted {
        private final MemoryTemplate template;
        private int users = 1; // the cache

        private Counted(MemoryTemplate template) {
            this.template = template;
        }

        private synchronized boolean retain() {
            if (users == 0) {
                return false;
            }
            users++;
            return true;
        }

        private synchronized void release() {
            users--;
            if (users == 0) {
                template.close();
            }
        }
    }
}
