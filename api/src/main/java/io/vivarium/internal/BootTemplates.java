// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import com.github.benmanes.caffeine.cache.RemovalCause;
import io.vivarium.kvm.GuestMemory;
import io.vivarium.kvm.x86.LinuxBoot;
import io.vivarium.snapshot.MemoryTemplate;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/// The memory templates that machines boot from: one for each machine map, with the kernel in it, ready to be entered.
final class BootTemplates {
    /// Each holds a file descriptor and the size of the kernel in memory.
    private static final int MOST = 64;

    private static final long HUGE_PAGE = 2 << 20;

    private final KernelElf kernel;
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

    BootTemplates(KernelElf kernel) {
        this.kernel = kernel;
        this.boot = new LinuxBoot(kernel.entry(), MachineMap.BOOT_PARAMS);
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
        long size = Math.ceilDiv(kernel.end(), HUGE_PAGE) * HUGE_PAGE;
        return MemoryTemplate.prepare("vivarium-boot", size, memory -> write(map, memory));
    }

    private void write(MachineMap map, GuestMemory memory) {
        kernel.load(memory);
        boot.writeTables(memory);
        BootParams.write(
                memory.writableSlice(MachineMap.BOOT_PARAMS, BootParams.SIZE),
                MachineMap.COMMAND_LINE,
                MachineMap.COMMAND_LINE_SIZE,
                MachineMap.SEED,
                map.memoryMap());
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
