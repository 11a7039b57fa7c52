// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Future;
import java.util.concurrent.SynchronousQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;

/// The threads that run machines, shared by all: as many as machines run at this moment, kept for ten seconds.
///
/// They are platform threads: a virtual one would hold its carrier in KVM_RUN.
final class Carriers {
    private static final ExecutorService EXECUTOR = new ThreadPoolExecutor(
            0,
            Integer.MAX_VALUE,
            10,
            TimeUnit.SECONDS,
            new SynchronousQueue<>(),
            Thread.ofPlatform().daemon().name("vivarium-carrier-", 1).factory());

    private Carriers() {}

    /// Calls something that enters a vCPU, and waits for what it returns.
    static <T> T call(Callable<T> body) {
        Future<T> result = EXECUTOR.submit(body);
        boolean interrupted = false;
        try {
            while (true) {
                try {
                    return result.get();
                } catch (InterruptedException e) {
                    // The body ends by its own limit; an interrupt is for what comes after.
                    interrupted = true;
                }
            }
        } catch (ExecutionException e) {
            switch (e.getCause()) {
                case RuntimeException thrown -> throw thrown;
                case Error thrown -> throw thrown;
                case null, default -> throw new IllegalStateException(e.getCause());
            }
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    static void execute(Runnable run) {
        EXECUTOR.execute(run);
    }
}
