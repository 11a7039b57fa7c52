// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm;

import io.vivarium.kvm.internal.Syscalls;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/// The time that a thread spends running a vCPU, and how other threads get it out of `KVM_RUN`.
///
/*
 * A signal makes KVM_RUN return EINTR. It needs no handler: the thread blocks it, KVM_SET_SIGNAL_MASK unblocks it
 * inside KVM_RUN alone, and a signal that is pending there makes KVM_RUN return before anybody could deliver it. A
 * signal sent before KVM_RUN stays pending and makes KVM_RUN return at once, so that none is lost. After that it is taken
 * out of the queue.
 *
 * The signal is SIGURG. Its default action is to be ignored: should one ever reach a thread that does not block it, the
 * process lives on, where a real-time signal would end it. It is not queued, so that RLIMIT_SIGPENDING cannot refuse it.
 * The JVM does not use it (it uses SIGQUIT, SIGSEGV and other faults, SIGUSR2, and the JDK signal 62), and debuggers pass
 * it on without stopping. Blocked signals are queued also when they are ignored (signal(7); sig_ignored() in
 * kernel/signal.c looks at the thread's own mask too while KVM_RUN has replaced it).
 *
 * tgkill is called under the lock, and only while `tid` is set. The thread sets it after it has blocked the signal and
 * clears it, under the lock, before it unblocks the signal: a thread id that has ended, or belongs to another thread by now, is
 * never signalled, and no signal is left to arrive later.
 */
final class RunSection {
    private static final int SIGURG = 23;
    private static final long SIGURG_BIT = 1L << (SIGURG - 1);
    private static final int PROCESS = Syscalls.getpid();

    private final Vcpu vcpu;
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition left = lock.newCondition();

    private volatile @Nullable Thread thread;
    private volatile boolean signalled;
    private boolean closed;
    private int tid;
    private long maskBefore;
    private boolean vcpuMaskSet;
    private long vcpuMask;

    RunSection(Vcpu vcpu) {
        this.vcpu = vcpu;
    }

    /// The calling thread begins to run the vCPU.
    ///
    /// @throws IllegalStateException if the section is closed, another thread is in it, or this is a virtual thread
    void enter() {
        Thread current = Thread.currentThread();
        if (current.isVirtual()) {
            throw new IllegalStateException("a vCPU runs on a platform thread: KVM_RUN would hold a carrier thread");
        }
        lock.lock();
        try {
            if (closed) {
                throw new IllegalStateException("the machine is closed");
            }
            if (thread != null) {
                throw new IllegalStateException("vCPU " + vcpu.index() + " is run by " + thread + " already");
            }
            long before = block();
            try {
                maskInGuest(before & ~SIGURG_BIT);
            } catch (RuntimeException e) {
                restore(before);
                throw e;
            }
            maskBefore = before;
            tid = Syscalls.gettid();
            thread = current;
        } finally {
            lock.unlock();
        }
    }

    private static long block() {
        try (Arena scratch = Arena.ofConfined()) {
            MemorySegment old = scratch.allocate(ValueLayout.JAVA_LONG);
            KvmException.check("rt_sigprocmask", Syscalls.sigprocmask(Syscalls.SIG_BLOCK, SIGURG_BIT, old));
            return old.get(ValueLayout.JAVA_LONG, 0);
        }
    }

    private static void restore(long mask) {
        KvmException.check("rt_sigprocmask", Syscalls.sigprocmask(Syscalls.SIG_SETMASK, mask, null));
    }

    private void maskInGuest(long mask) {
        if (!vcpuMaskSet || vcpuMask != mask) {
            vcpu.setSignalMask(mask);
            vcpuMask = mask;
            vcpuMaskSet = true;
        }
    }

    /// The calling thread, which entered, runs the vCPU no more. No signal of ours is pending for it afterwards.
    void leave() {
        lock.lock();
        try {
            tid = 0;
            absorbLocked();
            restore(maskBefore);
            thread = null;
            left.signalAll();
        } finally {
            lock.unlock();
        }
    }

    /// Makes the thread that is inside, if it is another one, return from `KVM_RUN`, or from the next one.
    void signal() {
        if (thread == Thread.currentThread()) {
            return;
        }
        lock.lock();
        try {
            if (tid != 0 && !signalled) {
                KvmException.check("tgkill", Syscalls.tgkill(PROCESS, tid, SIGURG));
                signalled = true;
            }
        } finally {
            lock.unlock();
        }
    }

    /// Takes a signal that was sent out of the queue; called by the thread inside, before it looks at what others want.
    void absorb() {
        if (signalled) {
            lock.lock();
            try {
                absorbLocked();
            } finally {
                lock.unlock();
            }
        }
    }

    private void absorbLocked() {
        if (signalled) {
            int result;
            do {
                result = Syscalls.sigpoll(SIGURG_BIT);
            } while (result == -Errno.EINTR.value());
            signalled = false;
        }
    }

    /// Whether the calling thread is inside.
    boolean isInside() {
        return thread == Thread.currentThread();
    }

    /// @throws IllegalStateException if another thread runs the vCPU
    void requireNoOtherThread() {
        Thread inside = thread;
        if (inside != null && inside != Thread.currentThread()) {
            throw new IllegalStateException("vCPU " + vcpu.index() + " is being run by " + inside);
        }
    }

    /// @throws IllegalStateException if a thread runs the vCPU, be it this one
    void requireNobody() {
        Thread inside = thread;
        if (inside != null) {
            throw new IllegalStateException("vCPU " + vcpu.index() + " is being run by " + inside);
        }
    }

    /// Lets no thread enter any more, and waits until none is inside.
    void close() {
        lock.lock();
        try {
            closed = true;
            while (thread != null) {
                left.awaitUninterruptibly();
            }
        } finally {
            lock.unlock();
        }
    }
}
