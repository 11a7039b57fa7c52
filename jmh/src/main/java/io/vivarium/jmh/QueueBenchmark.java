// SPDX-License-Identifier: Apache-2.0
package io.vivarium.jmh;

import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/// What a request takes from the guest's notification until the guest sees it used, inline and through a
/// doorbell, beside exits to a device that does nothing. With `-prof gc` it shows that a request makes no
/// objects: what is left are some bytes for each thousand, which the call of a run takes.
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@OperationsPerInvocation(QueueBenchmark.REQUESTS)
@Fork(1)
@Warmup(iterations = 3, time = 2)
@Measurement(iterations = 5, time = 2)
public class QueueBenchmark {
    static final int REQUESTS = 1000;

    /// What is measured.
    public enum Way {
        /// A write to a port.
        PORT_EXIT,
        /// A write to an address.
        MMIO_EXIT,
        /// A request, served on the vCPU's thread.
        INLINE,
        /// A request, served on another thread that an ioeventfd wakes.
        IOEVENTFD
    }

    /// What is measured.
    @Param({"PORT_EXIT", "MMIO_EXIT", "INLINE", "IOEVENTFD"})
    public Way way;

    private QueueGuest guest;

    /// Starts the guest.
    @Setup
    public void setUp() {
        guest = new QueueGuest();
        if (way == Way.IOEVENTFD) {
            guest.useDoorbell();
        }
        guest.load(loopOf(way));
    }

    static QueueGuest.Loop loopOf(Way way) {
        return switch (way) {
            case PORT_EXIT -> QueueGuest.Loop.PORT_EXIT;
            case MMIO_EXIT -> QueueGuest.Loop.MMIO_EXIT;
            case INLINE, IOEVENTFD -> QueueGuest.Loop.REQUEST;
        };
    }

    /// Ends it.
    @TearDown
    public void tearDown() {
        guest.close();
    }

    /// A thousand of them.
    @Benchmark
    public void roundTrip() {
        guest.run(REQUESTS);
    }
}
