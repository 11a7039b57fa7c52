// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm.internal;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout.PathElement;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.VarHandle;
import java.lang.ref.Reference;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// The system calls of Linux on x86-64, the only user of [Linker].
///
/// Everything goes through one C function, `syscall(2)`, with one signature: a cold JVM pays 8 to 18 ms for each new
/// signature it links and 40 ns more for a call that passes registers it does not need.
///
/// Each method returns what the kernel returned: a value of zero or more, or `-errno`. Pointers are given as segments
/// where they are read or written during the call only, and as addresses where the kernel keeps them or where they
/// name address space rather than memory.
public final class Syscalls {
    /// The flag without which the JVM refuses native calls to this module.
    private static final String MODULE_FLAG = "--enable-native-access=io.vivarium.kvm";

    private static final String CLASS_PATH_FLAG = "--enable-native-access=ALL-UNNAMED";

    private static final StructLayout CAPTURE = Linker.Option.captureStateLayout();
    private static final VarHandle ERRNO = CAPTURE.varHandle(PathElement.groupElement("errno"));

    /// Null when the JVM denies native access; [#denied] says why.
    private static final @Nullable MethodHandle SYSCALL;

    private static final @Nullable IllegalCallerException DENIED;

    static {
        MethodHandle handle = null;
        IllegalCallerException denied = null;
        try {
            handle = link();
        } catch (IllegalCallerException e) {
            denied = e;
        }
        SYSCALL = handle;
        DENIED = denied;
    }

    private Syscalls() {}

    /// ```c
    /// long syscall(long number, ...);
    /// ```
    ///
    /// glibc passes six `long` registers on whatever the call needs (syscall(2)), so that surplus arguments are
    /// harmless, and returns -1 with `errno` set on error. Safe because the methods below are its only callers
    /// and each states why its pointers are valid.
    @SuppressWarnings("restricted")
    private static MethodHandle link() {
        Linker linker = Linker.nativeLinker();
        FunctionDescriptor descriptor = FunctionDescriptor.of(
                ValueLayout.JAVA_LONG,
                ValueLayout.JAVA_LONG,
                ValueLayout.JAVA_LONG,
                ValueLayout.JAVA_LONG,
                ValueLayout.JAVA_LONG,
                ValueLayout.JAVA_LONG,
                ValueLayout.JAVA_LONG,
                ValueLayout.JAVA_LONG);
        return linker.downcallHandle(
                linker.defaultLookup().findOrThrow("syscall"),
                descriptor,
                Linker.Option.captureCallState("errno"),
                Linker.Option.firstVariadicArg(1));
    }

    /// A place for `errno`, for [#call(MemorySegment, long, long, long, long, long, long, long)]; one per thread that
    /// calls.
    public static MemorySegment newCapture(Arena arena) {
        return arena.allocate(CAPTURE);
    }

    private static long call(long number, long a, long b, long c, long d, long e, long f) {
        try (Arena scratch = Arena.ofConfined()) {
            return call(scratch.allocate(CAPTURE), number, a, b, c, d, e, f);
        }
    }

    private static long call(MemorySegment capture, long number, long a, long b, long c, long d, long e, long f) {
        MethodHandle handle = SYSCALL;
        if (handle == null) {
            throw denied();
        }
        long result;
        try {
            result = (long) handle.invokeExact(capture, number, a, b, c, d, e, f);
        } catch (RuntimeException | Error thrown) {
            throw thrown;
        } catch (Throwable thrown) {
            throw new AssertionError("a downcall throws nothing checked", thrown);
        }
        return result == -1 ? -(int) ERRNO.get(capture, 0L) : result;
    }

    private static IllegalCallerException denied() {
        boolean named = Syscalls.class.getModule().isNamed();
        return new IllegalCallerException(
                "the JVM denies native access to io.vivarium.kvm: start it with "
                        + (named ? MODULE_FLAG : CLASS_PATH_FLAG),
                DENIED);
    }

    /// ```c
    /// int openat(int dirfd, const char *pathname, int flags, mode_t mode);
    /// ```
    ///
    /// The path lives in scratch memory for the call; the kernel copies it. `O_CLOEXEC` is always added.
    public static int open(String path, int flags) {
        try (Arena scratch = Arena.ofConfined()) {
            MemorySegment name = scratch.allocateFrom(path);
            return (int) call(NR_OPENAT, AT_FDCWD, name.address(), flags | O_CLOEXEC, 0, 0, 0);
        }
    }

    /// ```c
    /// int close(int fd);
    /// ```
    ///
    /// Touches no memory. Linux frees the descriptor whatever it returns (close(2)): never repeat it.
    public static int close(int fd) {
        return (int) call(NR_CLOSE, fd, 0, 0, 0, 0, 0);
    }

    /// ```c
    /// int ioctl(int fd, unsigned long request, unsigned long argument);
    /// ```
    ///
    /// For requests whose argument is a number: the kernel dereferences nothing.
    public static int ioctl(int fd, long request, long argument) {
        return (int) call(NR_IOCTL, fd, request, argument, 0, 0, 0);
    }

    /// ```c
    /// int ioctl(int fd, unsigned long request, void *argument);
    /// ```
    ///
    /// The segment must be at least as long as the structure that the request number names (`_IOC_SIZE`,
    /// `asm-generic/ioctl.h`); a structure with a tail states the tail's length itself, and its owner has checked
    /// that.
    public static int ioctl(int fd, long request, MemorySegment argument) {
        long size = request >>> IOC_SIZESHIFT & IOC_SIZEMASK;
        if (argument.byteSize() < size) {
            throw new IllegalArgumentException(
                    "request 0x%x takes %d bytes, not %d".formatted(request, size, argument.byteSize()));
        }
        try {
            return (int) call(NR_IOCTL, fd, request, argument.address(), 0, 0, 0);
        } finally {
            Reference.reachabilityFence(argument);
        }
    }

    /// ```c
    /// void *mmap(void *addr, size_t length, int prot, int flags, int fd, off_t offset);
    /// ```
    ///
    /// Without `MAP_FIXED` it never replaces a mapping; with it, the caller owns the address space it names.
    public static long mmap(long address, long length, int protection, int flags, int fd, long offset) {
        return call(NR_MMAP, address, length, protection, flags, fd, offset);
    }

    /// ```c
    /// int munmap(void *addr, size_t length);
    /// ```
    ///
    /// The caller owns the mapping and nothing reaches into it any more.
    public static int munmap(long address, long length) {
        return (int) call(NR_MUNMAP, address, length, 0, 0, 0, 0);
    }

    /// ```c
    /// int madvise(void *addr, size_t length, int advice);
    /// ```
    ///
    /// The caller owns the mapping.
    public static int madvise(long address, long length, int advice) {
        return (int) call(NR_MADVISE, address, length, advice, 0, 0, 0);
    }

    /// ```c
    /// int memfd_create(const char *name, unsigned int flags);
    /// ```
    ///
    /// The name lives in scratch memory for the call; the kernel copies it. Always `MFD_CLOEXEC |
    /// MFD_ALLOW_SEALING`.
    public static int memfdCreate(String name) {
        try (Arena scratch = Arena.ofConfined()) {
            MemorySegment text = scratch.allocateFrom(name);
            return (int) call(NR_MEMFD_CREATE, text.address(), MFD_CLOEXEC | MFD_ALLOW_SEALING, 0, 0, 0, 0);
        }
    }

    /// ```c
    /// int ftruncate(int fd, off_t length);
    /// ```
    public static int ftruncate(int fd, long length) {
        return (int) call(NR_FTRUNCATE, fd, length, 0, 0, 0, 0);
    }

    /// ```c
    /// off_t lseek(int fd, off_t offset, int whence);
    /// ```
    public static long lseek(int fd, long offset, int whence) {
        return call(NR_LSEEK, fd, offset, whence, 0, 0, 0);
    }

    /// ```c
    /// int fcntl(int fd, int cmd, long arg);
    /// ```
    ///
    /// For commands whose argument is a number.
    public static int fcntl(int fd, int command, long argument) {
        return (int) call(NR_FCNTL, fd, command, argument, 0, 0, 0);
    }

    /// ```c
    /// int ioctl(int vcpu, KVM_RUN, 0);
    /// ```
    ///
    /// Blocks for as long as the guest likes, which is why it takes `errno` from a place of the caller and
    /// allocates nothing. KVM writes only to the `struct kvm_run` that the vCPU maps and to guest memory, both of
    /// which stay mapped until the calling thread has left the vCPU.
    public static int kvmRun(MemorySegment capture, int vcpu) {
        return (int) call(capture, NR_IOCTL, vcpu, KvmRequest.KVM_RUN, 0, 0, 0, 0);
    }

    /// ```c
    /// int eventfd2(unsigned int initval, int flags);
    /// ```
    public static int eventfd() {
        return (int) call(NR_EVENTFD2, 0, EFD_CLOEXEC, 0, 0, 0, 0);
    }

    /// ```c
    /// ssize_t read(int fd, void *buf, size_t count);
    /// ```
    ///
    /// Fills at most the whole segment.
    public static long read(int fd, MemorySegment buffer) {
        try {
            return call(NR_READ, fd, buffer.address(), buffer.byteSize(), 0, 0, 0);
        } finally {
            Reference.reachabilityFence(buffer);
        }
    }

    /// ```c
    /// ssize_t write(int fd, const void *buf, size_t count);
    /// ```
    ///
    /// Takes at most the whole segment.
    public static long write(int fd, MemorySegment buffer) {
        try {
            return call(NR_WRITE, fd, buffer.address(), buffer.byteSize(), 0, 0, 0);
        } finally {
            Reference.reachabilityFence(buffer);
        }
    }

    /// ```c
    /// ssize_t pread64(int fd, void *buf, size_t count, off_t offset);
    /// ```
    ///
    /// Fills at most that range of the segment, which the caller keeps mapped until the call returns; the range is
    /// checked against the segment. `errno` comes from a place of the caller, so that nothing is allocated.
    public static long pread(MemorySegment capture, int fd, MemorySegment buffer, long at, long length, long position) {
        Objects.checkFromIndexSize(at, length, buffer.byteSize());
        try {
            return call(capture, NR_PREAD64, fd, buffer.address() + at, length, position, 0, 0);
        } finally {
            Reference.reachabilityFence(buffer);
        }
    }

    /// ```c
    /// ssize_t pwrite64(int fd, const void *buf, size_t count, off_t offset);
    /// ```
    ///
    /// Takes at most that range of the segment, as [#pread] fills it.
    public static long pwrite(
            MemorySegment capture, int fd, MemorySegment buffer, long at, long length, long position) {
        Objects.checkFromIndexSize(at, length, buffer.byteSize());
        try {
            return call(capture, NR_PWRITE64, fd, buffer.address() + at, length, position, 0, 0);
        } finally {
            Reference.reachabilityFence(buffer);
        }
    }

    /// ```c
    /// int fallocate(int fd, int mode, off_t offset, off_t len);
    /// ```
    public static int fallocate(int fd, int mode, long offset, long length) {
        return (int) call(NR_FALLOCATE, fd, mode, offset, length, 0, 0);
    }

    /// ```c
    /// int fdatasync(int fd);
    /// ```
    public static int fdatasync(int fd) {
        return (int) call(NR_FDATASYNC, fd, 0, 0, 0, 0, 0);
    }

    /// ```c
    /// int flock(int fd, int operation);
    /// ```
    public static int flock(int fd, int operation) {
        return (int) call(NR_FLOCK, fd, operation, 0, 0, 0, 0);
    }

    /// ```c
    /// int poll(struct pollfd *fds, nfds_t nfds, int timeout);
    /// ```
    ///
    /// Waits, for as long as it takes, until one of two files has something to read (`POLLIN`) or has failed. The
    /// array lives in scratch memory for the call.
    ///
    /// @return a bit for each file that is ready, the first the lowest; or `-errno`
    public static int awaitReadable(int first, int second) {
        try (Arena scratch = Arena.ofConfined()) {
            // struct pollfd: int fd, short events, short revents
            MemorySegment files = scratch.allocateFrom(ValueLayout.JAVA_INT, first, POLLIN, second, POLLIN);
            int result = (int) call(NR_POLL, files.address(), 2, -1, 0, 0, 0);
            if (result < 0) {
                return result;
            }
            int firstReady = files.get(ValueLayout.JAVA_SHORT, 6) != 0 ? 1 : 0;
            int secondReady = files.get(ValueLayout.JAVA_SHORT, 14) != 0 ? 2 : 0;
            return firstReady | secondReady;
        }
    }

    /// ```c
    /// pid_t getpid(void);
    /// ```
    public static int getpid() {
        return (int) call(NR_GETPID, 0, 0, 0, 0, 0, 0);
    }

    /// ```c
    /// pid_t gettid(void);
    /// ```
    public static int gettid() {
        return (int) call(NR_GETTID, 0, 0, 0, 0, 0, 0);
    }

    /// ```c
    /// int tgkill(pid_t tgid, pid_t tid, int sig);
    /// ```
    ///
    /// The caller knows that the thread blocks the signal for as long as it can arrive.
    public static int tgkill(int process, int thread, int signal) {
        return (int) call(NR_TGKILL, process, thread, signal, 0, 0, 0);
    }

    /// ```c
    /// int rt_sigprocmask(int how, const kernel_sigset_t *set, kernel_sigset_t *oldset, size_t sigsetsize);
    /// ```
    ///
    /// Changes the mask of the calling thread; it must be restored before the thread goes back to what it did. The
    /// kernel's set is 8 bytes: bit n - 1 for signal n.
    ///
    /// @param mask the signals
    /// @param old 8 bytes for the mask that was, or null
    public static int sigprocmask(int how, long mask, @Nullable MemorySegment old) {
        try (Arena scratch = Arena.ofConfined()) {
            MemorySegment set = scratch.allocateFrom(ValueLayout.JAVA_LONG, mask);
            if (old != null && old.byteSize() < SIGSET_SIZE) {
                throw new IllegalArgumentException("a signal set takes 8 bytes, not " + old.byteSize());
            }
            return (int)
                    call(NR_RT_SIGPROCMASK, how, set.address(), old == null ? 0 : old.address(), SIGSET_SIZE, 0, 0);
        } finally {
            Reference.reachabilityFence(old);
        }
    }

    /// ```c
    /// int rt_sigtimedwait(const kernel_sigset_t *set, siginfo_t *info, const struct timespec *timeout, size_t
    /// sigsetsize); ```
    ///
    /// Takes one pending signal of the set, without waiting for any.
    ///
    /// @return its number, or `-EAGAIN` when none is pending
    public static int sigpoll(long mask) {
        try (Arena scratch = Arena.ofConfined()) {
            MemorySegment set = scratch.allocateFrom(ValueLayout.JAVA_LONG, mask);
            MemorySegment zero = scratch.allocateFrom(ValueLayout.JAVA_LONG, 0, 0);
            return (int) call(NR_RT_SIGTIMEDWAIT, set.address(), 0, zero.address(), SIGSET_SIZE, 0, 0);
        }
    }

    private static final int IOC_SIZESHIFT = 16;
    private static final int IOC_SIZEMASK = 0x3fff;

    // arch/x86/entry/syscalls/syscall_64.tbl
    private static final long NR_READ = 0;
    private static final long NR_WRITE = 1;
    private static final long NR_CLOSE = 3;
    private static final long NR_POLL = 7;
    private static final long NR_LSEEK = 8;
    private static final long NR_MMAP = 9;
    private static final long NR_MUNMAP = 11;
    private static final long NR_RT_SIGPROCMASK = 14;
    private static final long NR_IOCTL = 16;
    private static final long NR_PREAD64 = 17;
    private static final long NR_PWRITE64 = 18;
    private static final long NR_MADVISE = 28;
    private static final long NR_GETPID = 39;
    private static final long NR_FCNTL = 72;
    private static final long NR_FLOCK = 73;
    private static final long NR_FDATASYNC = 75;
    private static final long NR_FTRUNCATE = 77;
    private static final long NR_RT_SIGTIMEDWAIT = 128;
    private static final long NR_GETTID = 186;
    private static final long NR_TGKILL = 234;
    private static final long NR_OPENAT = 257;
    private static final long NR_FALLOCATE = 285;
    private static final long NR_EVENTFD2 = 290;
    private static final long NR_MEMFD_CREATE = 319;

    // asm-generic/poll.h
    private static final int POLLIN = 1;

    private static final long AT_FDCWD = -100;
    private static final int MFD_CLOEXEC = 1;
    private static final int MFD_ALLOW_SEALING = 2;

    private static final long SIGSET_SIZE = 8;
    private static final int EFD_CLOEXEC = 0x80000;

    // asm-generic/signal-defs.h
    public static final int SIG_BLOCK = 0;
    public static final int SIG_SETMASK = 2;

    // asm-generic/fcntl.h
    public static final int O_RDONLY = 0;
    public static final int O_RDWR = 2;
    public static final int O_NONBLOCK = 0x800;
    public static final int O_CLOEXEC = 0x80000;

    // linux/falloc.h
    public static final int FALLOC_FL_KEEP_SIZE = 1;
    public static final int FALLOC_FL_PUNCH_HOLE = 2;
    public static final int FALLOC_FL_ZERO_RANGE = 0x10;

    // asm-generic/fcntl.h
    public static final int LOCK_SH = 1;
    public static final int LOCK_EX = 2;
    public static final int LOCK_NB = 4;

    // unistd.h
    public static final int SEEK_END = 2;
    public static final int SEEK_DATA = 3;
    public static final int SEEK_HOLE = 4;

    // asm-generic/mman-common.h, linux/mman.h
    public static final int PROT_NONE = 0;
    public static final int PROT_READ = 1;
    public static final int PROT_WRITE = 2;
    public static final int MAP_SHARED = 1;
    public static final int MAP_PRIVATE = 2;
    public static final int MAP_FIXED = 0x10;
    public static final int MAP_ANONYMOUS = 0x20;
    public static final int MAP_NORESERVE = 0x4000;
    public static final int MADV_DONTNEED = 4;
    public static final int MADV_DONTFORK = 10;
    public static final int MADV_HUGEPAGE = 14;
    public static final int MADV_POPULATE_WRITE = 23;

    // linux/fcntl.h
    public static final int F_ADD_SEALS = 1033;
    public static final int F_SEAL_SEAL = 1;
    public static final int F_SEAL_SHRINK = 2;
    public static final int F_SEAL_GROW = 4;
    public static final int F_SEAL_WRITE = 8;
}
