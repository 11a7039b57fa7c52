// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm;

import io.vivarium.kvm.internal.Syscalls;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;

/// A network interface of the host whose other end is this process (`/dev/net/tun` in TAP mode,
/// Documentation/networking/tuntap.rst): what the host sends out by it is read here as Ethernet frames, and what is
/// written here comes in by it.
///
/// May be used from any thread. [#read] blocks a platform thread.
public final class Tap implements AutoCloseable {
    private static final String DEVICE = "/dev/net/tun";

    /// `_IOW('T', 202, int)`, linux/if_tun.h; its argument is a `struct ifreq`.
    private static final long TUNSETIFF = 0x400454caL;

    private static final short IFF_TAP = 0x0002;
    private static final short IFF_NO_PI = 0x1000;

    // struct ifreq, linux/if.h: char ifr_name[IFNAMSIZ], then a union of 24 bytes.
    private static final int IFNAMSIZ = 16;
    private static final int IFREQ_SIZE = 40;

    private final FileDescriptor fd;
    private final String name;
    private final EventFd closing = new EventFd();
    private volatile boolean closed;

    private Tap(FileDescriptor fd, String name) {
        this.fd = fd;
        this.name = name;
    }

    /// Makes an interface, or takes one that an administrator has made for this user (`ip tuntap add mode tap`).
    ///
    /// @param name of the interface, 1 to 15 bytes; with `%d` in it, the host puts a number there
    /// @throws KvmException with `ENOENT` or `EACCES` where `/dev/net/tun` is not there or not for this
    ///     user, `EPERM` where this user may not make interfaces (`CAP_NET_ADMIN`), `EBUSY` where another
    ///     has it open
    public static Tap open(String name) {
        byte[] bytes = name.getBytes(StandardCharsets.UTF_8);
        if (bytes.length == 0 || bytes.length >= IFNAMSIZ) {
            throw new IllegalArgumentException("an interface's name has 1 to 15 bytes: " + name);
        }
        FileDescriptor fd =
                new FileDescriptor("open", DEVICE, Syscalls.open(DEVICE, Syscalls.O_RDWR | Syscalls.O_NONBLOCK));
        try (Arena scratch = Arena.ofConfined()) {
            MemorySegment request = scratch.allocate(IFREQ_SIZE, Long.BYTES);
            request.setString(0, name);
            request.set(ValueLayout.JAVA_SHORT, IFNAMSIZ, (short) (IFF_TAP | IFF_NO_PI));
            KvmException.check("TUNSETIFF", name, fd.ioctl(TUNSETIFF, request));
            return new Tap(fd, request.getString(0));
        } catch (RuntimeException e) {
            fd.close();
            throw e;
        }
    }

    /// The interface's name.
    public String name() {
        return name;
    }

    /// Waits for the next frame.
    ///
    /// @param frame native memory that receives it; a frame that is longer is cut off
    /// @return bytes; -1 when this is closed
    /// @throws KvmException with `EBADFD` when the interface was removed from the host
    public long read(MemorySegment frame) {
        while (!closed) {
            long result = readNow(frame);
            if (result >= 0) {
                return result;
            }
            if (result != -Errno.EAGAIN.value() && result != -Errno.EINTR.value()) {
                KvmException.check("read", name, result);
            }
            awaitFrame();
        }
        return -1;
    }

    private long readNow(MemorySegment frame) {
        int held;
        try {
            held = fd.hold();
        } catch (IllegalStateException e) {
            return -Errno.EAGAIN.value(); // Closed just now, which the caller looks at.
        }
        try {
            return Syscalls.read(held, frame);
        } finally {
            fd.letGo();
        }
    }

    private void awaitFrame() {
        int held;
        try {
            held = fd.hold();
        } catch (IllegalStateException e) {
            return;
        }
        try {
            if (!closed) {
                int event = closing.fd().hold();
                try {
                    int result = Syscalls.awaitReadable(held, event);
                    if (result != -Errno.EINTR.value()) {
                        KvmException.check("poll", name, result);
                    }
                } finally {
                    closing.fd().letGo();
                }
            }
        } finally {
            fd.letGo();
        }
    }

    /// Sends a frame into the host.
    ///
    /// @param frame native memory: Ethernet header and payload
    /// @return false if it is lost: the interface is not up, or its queue is full
    /// @throws KvmException if the host does not take it for another reason
    /// @throws IllegalStateException if this is closed
    public boolean write(MemorySegment frame) {
        long result = fd.write(frame);
        if (result == -Errno.EIO.value() || result == -Errno.EAGAIN.value() || result == -Errno.ENOBUFS.value()) {
            return false;
        }
        KvmException.check("write", name, result);
        return true;
    }

    /// Wakes who reads, and closes; an interface that was made by [#open] is gone then. Idempotent.
    @Override
    public void close() {
        if (!closed) {
            closed = true;
            closing.signal();
        }
        fd.close();
        closing.close();
    }
}
