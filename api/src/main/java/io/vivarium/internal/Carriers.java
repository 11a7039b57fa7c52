// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import java.util.concurrent.ExecutorService;
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

    static void execute(Runnable run) {
        EXECUTOR.execute(run);
    }
}
