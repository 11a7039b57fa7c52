// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import io.vivarium.SandboxException;
import io.vivarium.SandboxPool;
import io.vivarium.SandboxSpec;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Guests of one checkpoint, ready to be taken, and the machines that they have.
///
/// ```text
///   new machine ──▶ coming ──▶ idle ──▶ taken ──▶ (guest closed) ──▶ coming, put back to the checkpoint
///                      ▲                  │                             │
///                      └── somebody waits ┘                             └▶ closed: there are enough, or it failed
/// ```
///
/// Whoever waits gets his guest in the order in which he came. Machines are made and put back on
/// [Carriers]; nobody else waits for that. Thread-safe.
public final class Stock implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Stock.class);

    private final SandboxSpec spec;
    private final Supplier<Checkpoint> checkpoint;
    private final Limits limits;
    private final ReentrantLock lock = new ReentrantLock();

    // Guarded by the lock.
    private final Deque<MicroVm> idle = new ArrayDeque<>();
    private final Deque<CompletableFuture<Guest>> waiting = new ArrayDeque<>();
    private int coming;
    private int taken;
    private boolean closed;
    private long takes;
    private long waits;
    private long launches;
    private long resets;
    private long failures;

    /// How much there may be.
    ///
    /// @param machines the most, in use or not
    /// @param ready how many are made ahead, unless that is more than `idle` with those that are taken
    /// @param idle the most that are kept; what comes back beyond is closed
    public record Limits(int machines, int ready, int idle) {}

    /// @param spec of the guests
    /// @param checkpoint that they start from; called by the threads that make machines
    public Stock(SandboxSpec spec, Supplier<Checkpoint> checkpoint, Limits limits) {
        this.spec = spec;
        this.checkpoint = checkpoint;
        this.limits = limits;
    }

    /// Begins to make as many as are kept ready.
    public void fill() {
        replenish();
    }

    /// Takes a guest, and waits for one if there is none. When it is closed, its machine comes back
    /// here.
    ///
    /// @return null if there was none in that time
    /// @throws IllegalStateException if this is closed
    /// @throws SandboxException if the machine that was to be the caller's cannot be made
    /// @throws InterruptedException if this thread is interrupted
    public @Nullable Guest take(Duration limit) throws InterruptedException {
        CompletableFuture<Guest> place = new CompletableFuture<>();
        lock.lock();
        try {
            requireOpen();
            Guest ready = waiting.isEmpty() ? takeIdle() : null;
            if (ready != null) {
                place.complete(ready);
            } else {
                waits++;
                waiting.add(place);
            }
        } finally {
            lock.unlock();
        }
        replenish();
        try {
            return place.get(Timers.nanos(limit), TimeUnit.NANOSECONDS);
        } catch (ExecutionException e) {
            throw e.getCause() instanceof SandboxException why ? why : new IllegalStateException(e.getCause());
        } catch (TimeoutException e) {
            return giveUp(place);
        } catch (InterruptedException e) {
            Guest late = giveUp(place);
            if (late != null) {
                late.close();
            }
            throw e;
        }
    }

    /// @return the guest that has come at the last moment
    @SuppressWarnings("ReferenceEquality") // this caller's place, not one like it
    private @Nullable Guest giveUp(CompletableFuture<Guest> place) {
        lock.lock();
        try {
            waiting.removeIf(each -> each == place);
            return place.isDone() && !place.isCompletedExceptionally() ? place.resultNow() : null;
        } finally {
            lock.unlock();
        }
    }

    private void requireOpen() {
        if (closed) {
            throw new IllegalStateException("the pool was closed");
        }
    }

    /// A guest that is ready, and still is what it was. The lock is held.
    private @Nullable Guest takeIdle() {
        for (MicroVm vm = idle.poll(); vm != null; vm = idle.poll()) {
            if (vm.guest().isAlive()) {
                return hand(vm);
            }
            failures++;
            Carriers.execute(vm::discard);
        }
        return null;
    }

    /// The lock is held.
    private Guest hand(MicroVm vm) {
        takes++;
        taken++;
        return vm.guest();
    }

    /// Has machines made, as far as they are wanted and may be.
    private void replenish() {
        int made = 0;
        lock.lock();
        try {
            // Those that are taken come back, as a rule sooner than new ones are made.
            int ahead = Math.min(limits.ready, limits.idle - taken) - idle.size();
            int wanted = Math.max(waiting.size(), ahead) - coming;
            int room = limits.machines - idle.size() - coming - taken;
            if (!closed) {
                made = Math.max(0, Math.min(wanted, room));
                coming += made;
            }
        } finally {
            lock.unlock();
        }
        for (int i = 0; i < made; i++) {
            Carriers.execute(this::make);
        }
    }

    private void make() {
        begin(() -> MicroVm.in(checkpoint.get(), this::left), true);
    }

    /// A guest that was taken has left its machine.
    private void left(Board board, boolean intact) {
        boolean again;
        lock.lock();
        try {
            taken--;
            coming++;
            boolean wanted = coming <= waiting.size() || idle.size() + coming <= limits.idle;
            again = intact && !closed && wanted;
        } finally {
            lock.unlock();
        }
        if (again) {
            Carriers.execute(() -> putBack(board));
        } else {
            board.close();
            gone();
        }
    }

    private void putBack(Board board) {
        begin(() -> again(board), false);
    }

    private MicroVm again(Board board) {
        ResetEvent event = new ResetEvent();
        event.begin();
        MicroVm vm = MicroVm.again(board, checkpointFor(board), this::left);
        event.commit();
        return vm;
    }

    private Checkpoint checkpointFor(Board board) {
        try {
            return checkpoint.get();
        } catch (RuntimeException | Error e) {
            board.close();
            throw e;
        }
    }

    /// Starts a guest and lays it in when it is ready. It is counted as coming.
    private void begin(Supplier<MicroVm> source, boolean isNew) {
        MicroVm vm;
        try {
            vm = source.get();
        } catch (RuntimeException | Error e) {
            failed(e);
            return;
        }
        CompletableFuture<?> ready = vm.start(Instant.now());
        CompletableFuture<?> _ = ready.orTimeout(Timers.nanos(spec.launchTimeout()), TimeUnit.NANOSECONDS)
                .whenComplete((_, thrown) -> {
                    if (thrown == null) {
                        arrived(vm, isNew);
                    } else {
                        // Not on the thread that runs the machine.
                        Carriers.execute(() -> {
                            vm.discard();
                            failed(thrown);
                        });
                    }
                });
    }

    private void arrived(MicroVm vm, boolean isNew) {
        boolean unwanted = false;
        lock.lock();
        try {
            coming--;
            if (isNew) {
                launches++;
            } else {
                resets++;
            }
            CompletableFuture<Guest> first = waiting.poll();
            if (first != null) {
                first.complete(hand(vm));
            } else if (closed) {
                unwanted = true;
            } else {
                idle.add(vm);
            }
        } finally {
            lock.unlock();
        }
        if (unwanted) {
            Carriers.execute(vm::discard);
        }
    }

    /// A machine that was coming does not come.
    private void failed(Throwable thrown) {
        CompletableFuture<Guest> first;
        lock.lock();
        try {
            failures++;
            coming--;
            // As many as come are promised already: only who is left over hears of it.
            first = waiting.size() > coming ? waiting.poll() : null;
        } finally {
            lock.unlock();
        }
        if (first != null) {
            first.completeExceptionally(reason(thrown));
        } else {
            LOG.warn("a sandbox for the pool of {} could not be made", spec, thrown);
        }
    }

    private static Throwable reason(Throwable thrown) {
        Throwable cause = thrown instanceof CompletionException wrapped && wrapped.getCause() != null
                ? wrapped.getCause()
                : thrown;
        return cause instanceof EarlyEnd early ? early.exception() : cause;
    }

    /// A machine that was coming is closed.
    private void gone() {
        lock.lock();
        try {
            coming--;
        } finally {
            lock.unlock();
        }
        replenish();
    }

    /// Closes machines that are idle until so many are left.
    public void shrink(int left) {
        List<MicroVm> surplus = new ArrayList<>();
        lock.lock();
        try {
            while (idle.size() > left) {
                surplus.add(idle.removeLast());
            }
        } finally {
            lock.unlock();
        }
        surplus.forEach(MicroVm::discard);
    }

    /// How much there is, and was.
    public SandboxPool.Statistics statistics() {
        lock.lock();
        try {
            return new SandboxPool.Statistics(
                    limits.machines,
                    idle.size(),
                    coming,
                    taken,
                    waiting.size(),
                    takes,
                    waits,
                    launches,
                    resets,
                    failures);
        } finally {
            lock.unlock();
        }
    }

    /// Gives no more guests, and closes machines: those that are idle now, the others when they
    /// come back. Idempotent.
    @Override
    public void close() {
        List<CompletableFuture<Guest>> inVain;
        lock.lock();
        try {
            closed = true;
            inVain = List.copyOf(waiting);
            waiting.clear();
        } finally {
            lock.unlock();
        }
        inVain.forEach(place -> place.completeExceptionally(new IllegalStateException("the pool was closed")));
        shrink(0);
    }
}
