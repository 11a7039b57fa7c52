// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal.strace;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;

/// Structures of the x86-64 system call interface. Each takes bytes of which the caller has looked
/// that there are enough (the sizes beside the names); offsets are those of the UAPI headers.
final class Structures {
    private static final int S_IFMT = 0170000;
    private static final int AF_UNIX = 1;
    private static final int AF_INET = 2;
    private static final int AF_INET6 = 10;
    private static final int AF_VSOCK = 40;

    private Structures() {}

    private static long unsigned(ByteBuffer at, int offset) {
        return Integer.toUnsignedLong(at.getInt(offset));
    }

    /// 16 bytes.
    static String timespec(ByteBuffer at, int offset) {
        return "{tv_sec=%d, tv_nsec=%d}".formatted(at.getLong(offset), at.getLong(offset + 8));
    }

    /// 16 bytes.
    static String timeval(ByteBuffer at, int offset) {
        return "{tv_sec=%d, tv_usec=%d}".formatted(at.getLong(offset), at.getLong(offset + 8));
    }

    /// 32 bytes.
    static String itimerspec(ByteBuffer at) {
        return "{it_interval=%s, it_value=%s}".formatted(timespec(at, 0), timespec(at, 16));
    }

    /// 32 bytes.
    static String itimerval(ByteBuffer at) {
        return "{it_interval=%s, it_value=%s}".formatted(timeval(at, 0), timeval(at, 16));
    }

    /// `S_IFREG|0644`.
    static String fileMode(int mode) {
        String type =
                switch (mode & S_IFMT) {
                    case 0140000 -> "S_IFSOCK|";
                    case 0120000 -> "S_IFLNK|";
                    case 0100000 -> "S_IFREG|";
                    case 0060000 -> "S_IFBLK|";
                    case 0040000 -> "S_IFDIR|";
                    case 0020000 -> "S_IFCHR|";
                    case 0010000 -> "S_IFIFO|";
                    default -> "";
                };
        String special = ((mode & 04000) != 0 ? "S_ISUID|" : "")
                + ((mode & 02000) != 0 ? "S_ISGID|" : "")
                + ((mode & 01000) != 0 ? "S_ISVTX|" : "");
        int rest = type.isEmpty() ? mode & ~07000 : mode & 0777;
        return type + special + Text.mode(rest);
    }

    private static boolean isDevice(int mode) {
        return (mode & S_IFMT) == 0020000 || (mode & S_IFMT) == 0060000;
    }

    /// 144 bytes.
    static String stat(ByteBuffer at) {
        int mode = at.getInt(24);
        String size = isDevice(mode) ? "st_rdev=" + Text.device(at.getLong(40)) : "st_size=" + at.getLong(48);
        return "{st_mode=%s, %s, ...}".formatted(fileMode(mode), size);
    }

    /// 256 bytes.
    static String statx(ByteBuffer at) {
        return "{stx_mask=%s, stx_attributes=%s, stx_mode=%s, stx_size=%d, ...}"
                .formatted(
                        Symbols.of("statx_mask").flags(unsigned(at, 0)),
                        Text.hex(at.getLong(8)),
                        fileMode(Short.toUnsignedInt(at.getShort(28))),
                        at.getLong(40));
    }

    /// 120 bytes.
    static String statfs(ByteBuffer at) {
        return ("{f_type=%s, f_bsize=%d, f_blocks=%d, f_bfree=%d, f_bavail=%d, f_files=%d, f_ffree=%d, "
                        + "f_fsid={val=[%s, %s]}, f_namelen=%d, f_frsize=%d, f_flags=%s}")
                .formatted(
                        Symbols.of("statfs_type").name(at.getLong(0)),
                        at.getLong(8),
                        at.getLong(16),
                        at.getLong(24),
                        at.getLong(32),
                        at.getLong(40),
                        at.getLong(48),
                        Text.hex(unsigned(at, 56)),
                        Text.hex(unsigned(at, 60)),
                        at.getLong(64),
                        at.getLong(72),
                        Symbols.of("statfs_flags").flags(at.getLong(80)));
    }

    /// 144 bytes.
    static String rusage(ByteBuffer at) {
        return "{ru_utime=%s, ru_stime=%s, ...}".formatted(timeval(at, 0), timeval(at, 16));
    }

    /// 390 bytes.
    static String utsname(ByteBuffer at) {
        return "{sysname=%s, nodename=%s, ...}".formatted(Text.field(at, 0, 65), Text.field(at, 65, 65));
    }

    /// 112 bytes.
    static String sysinfo(ByteBuffer at) {
        return ("{uptime=%d, loads=[%d, %d, %d], totalram=%d, freeram=%d, sharedram=%d, bufferram=%d, totalswap=%d, "
                        + "freeswap=%d, procs=%d, totalhigh=%d, freehigh=%d, mem_unit=%d}")
                .formatted(
                        at.getLong(0),
                        at.getLong(8),
                        at.getLong(16),
                        at.getLong(24),
                        at.getLong(32),
                        at.getLong(40),
                        at.getLong(48),
                        at.getLong(56),
                        at.getLong(64),
                        at.getLong(72),
                        Short.toUnsignedInt(at.getShort(80)),
                        at.getLong(88),
                        at.getLong(96),
                        unsigned(at, 104));
    }

    /// 32 bytes.
    static String tms(ByteBuffer at) {
        return "{tms_utime=%d, tms_stime=%d, tms_cutime=%d, tms_cstime=%d}"
                .formatted(at.getLong(0), at.getLong(8), at.getLong(16), at.getLong(24));
    }

    /// 16 bytes.
    static String rlimit(ByteBuffer at, String infinity) {
        return "{rlim_cur=%s, rlim_max=%s}".formatted(limit(at.getLong(0), infinity), limit(at.getLong(8), infinity));
    }

    private static String limit(long value, String infinity) {
        if (value == -1) {
            return infinity;
        }
        boolean kibibytes = Long.compareUnsigned(value, 1024) > 0 && value % 1024 == 0;
        return kibibytes
                ? Long.toUnsignedString(Long.divideUnsigned(value, 1024)) + "*1024"
                : Long.toUnsignedString(value);
    }

    /// 24 bytes.
    static String openHow(ByteBuffer at) {
        long flags = at.getLong(0);
        boolean creates = (flags & 0100 /* O_CREAT */) != 0 || (flags & 020200000) == 020200000 /* O_TMPFILE */;
        return "{flags=%s%s, resolve=%s}"
                .formatted(
                        ArgumentTypes.openFlags(flags),
                        creates ? ", mode=" + Text.mode(at.getLong(8)) : "",
                        Symbols.of("resolve").flags(at.getLong(16)));
    }

    /// 32 bytes.
    static String flock(ByteBuffer at, boolean withPid) {
        return "{l_type=%s, l_whence=%s, l_start=%d, l_len=%d%s}"
                .formatted(
                        Symbols.of("lock_type").name(at.getShort(0)),
                        Symbols.of("whence").name(at.getShort(2)),
                        at.getLong(8),
                        at.getLong(16),
                        withPid ? ", l_pid=" + at.getInt(24) : "");
    }

    /// Names of the signals of a set, as `[INT TERM]`, or of those that are not in it when it has most: 8 bytes.
    static String signalSet(long set) {
        boolean most = Long.bitCount(set) >= 64 * 2 / 3;
        long named = most ? ~set : set;
        List<String> names = new ArrayList<>();
        for (int signal = 1; signal <= 64; signal++) {
            if ((named & 1L << (signal - 1)) != 0) {
                names.add(signal(signal).substring("SIG".length()));
            }
        }
        return (most ? "~[" : "[") + String.join(" ", names) + "]";
    }

    static String signal(int signal) {
        if (signal >= 32 && signal <= 64) {
            return signal == 32 ? "SIGRTMIN" : "SIGRT_" + (signal - 32);
        }
        return Symbols.of("signal").name(signal, Integer.toString(signal));
    }

    /// 32 bytes.
    static String sigaction(ByteBuffer at) {
        long handler = at.getLong(0);
        long flags = at.getLong(8);
        String name = handler == 0 ? "SIG_DFL" : handler == 1 ? "SIG_IGN" : Text.hex(handler);
        boolean restores = (flags & 0x04000000) != 0;
        return "{sa_handler=%s, sa_mask=%s, sa_flags=%s%s}"
                .formatted(
                        name,
                        signalSet(at.getLong(24)),
                        Symbols.of("sigaction_flags").flags(flags),
                        restores ? ", sa_restorer=" + Text.address(at.getLong(16)) : "");
    }

    /// 24 bytes.
    static String stack(ByteBuffer at) {
        return "{ss_sp=%s, ss_flags=%s, ss_size=%d}"
                .formatted(
                        Text.address(at.getLong(0)),
                        Symbols.of("sigaltstack_flags").flags(unsigned(at, 8)),
                        at.getLong(16));
    }

    /// 64 bytes.
    static String sigevent(ByteBuffer at) {
        long value = at.getLong(0);
        int notify = at.getInt(12);
        return "{sigev_value={sival_int=%d, sival_ptr=%s}, sigev_signo=%s, sigev_notify=%s%s}"
                .formatted(
                        (int) value,
                        Text.address(value),
                        signal(at.getInt(8)),
                        Symbols.of("sigev_notify").name(notify),
                        notify == 4 ? ", sigev_notify_thread_id=" + at.getInt(16) : "");
    }

    /// 48 bytes.
    static String siginfo(ByteBuffer at) {
        int signal = at.getInt(0);
        int code = at.getInt(8);
        if (signal == 0 && code == 0) {
            return "{}";
        }
        String name = signal(signal);
        StringBuilder out = new StringBuilder("{si_signo=").append(name).append(", si_code=");
        out.append(
                code > 0 && code < 0x80
                        ? ofSignal(name, code)
                        : Symbols.of("si_code").name(code));
        if (name.equals("SIGCHLD") && code > 0) {
            int status = at.getInt(24);
            out.append(", si_pid=%d, si_uid=%d, si_status=%s, si_utime=%d, si_stime=%d"
                    .formatted(
                            at.getInt(16),
                            unsigned(at, 20),
                            code == 1 ? Integer.toString(status) : signal(status),
                            at.getLong(32),
                            at.getLong(40)));
        } else if (code > 0 && code < 0x80) {
            out.append(", si_addr=").append(Text.address(at.getLong(16)));
        } else if (code == -2 /* SI_TIMER */) {
            out.append(", si_timerid=%s, si_overrun=%d".formatted(Text.hex(unsigned(at, 16)), at.getInt(20)));
            value(out, at.getLong(24));
        } else if (code <= 0) {
            out.append(", si_pid=%d, si_uid=%d".formatted(at.getInt(16), unsigned(at, 20)));
            if (code == -1 /* SI_QUEUE */) {
                value(out, at.getLong(24));
            }
        }
        return out.append('}').toString();
    }

    private static void value(StringBuilder out, long value) {
        if (value != 0) {
            out.append(", si_int=%d, si_ptr=%s".formatted((int) value, Text.address(value)));
        }
    }

    private static String ofSignal(String name, int code) {
        return switch (name) {
            case "SIGCHLD", "SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGTRAP", "SIGIO" ->
                Symbols.of("si_code_" + name).name(code);
            default -> Text.hex(code);
        };
    }

    /// `[{WIFEXITED(s) && WEXITSTATUS(s) == 0}]`.
    static String waitStatus(int status) {
        if (status == 0xffff) {
            return "[{WIFCONTINUED(s)}]";
        }
        if ((status & 0xff) == 0x7f) {
            return "[{WIFSTOPPED(s) && WSTOPSIG(s) == %s}]".formatted(signal(status >>> 8 & 0xff));
        }
        if ((status & 0x7f) == 0) {
            return "[{WIFEXITED(s) && WEXITSTATUS(s) == %d}]".formatted(status >>> 8 & 0xff);
        }
        return "[{WIFSIGNALED(s) && WTERMSIG(s) == %s%s}]"
                .formatted(signal(status & 0x7f), (status & 0x80) != 0 ? " && WCOREDUMP(s)" : "");
    }

    /// Any length.
    static String sockaddr(ByteBuffer given) {
        ByteBuffer at = given.slice().order(ByteOrder.LITTLE_ENDIAN);
        if (at.limit() < 2) {
            return Text.quoted(at, false);
        }
        int family = Short.toUnsignedInt(at.getShort(0));
        String name = "{sa_family=" + Symbols.of("socket_family").name(family);
        ByteBuffer network = at.duplicate().order(ByteOrder.BIG_ENDIAN);
        if (family == AF_UNIX) {
            return name + path(at) + "}";
        }
        if (family == AF_INET && at.limit() >= 8) {
            return name
                    + ", sin_port=htons(%d), sin_addr=inet_addr(\"%d.%d.%d.%d\")}"
                            .formatted(
                                    Short.toUnsignedInt(network.getShort(2)),
                                    at.get(4) & 0xff,
                                    at.get(5) & 0xff,
                                    at.get(6) & 0xff,
                                    at.get(7) & 0xff);
        }
        if (family == AF_INET6 && at.limit() >= 28) {
            return name
                    + ", sin6_port=htons(%d), sin6_flowinfo=htonl(%d), inet_pton(AF_INET6, \"%s\", &sin6_addr), sin6_scope_id=%d}"
                            .formatted(
                                    Short.toUnsignedInt(network.getShort(2)),
                                    unsigned(network, 4),
                                    inet6(network),
                                    unsigned(at, 24));
        }
        if (family == AF_VSOCK && at.limit() >= 12) {
            return name + ", svm_cid=%s, svm_port=%s}".formatted(Text.hex(unsigned(at, 8)), Text.hex(unsigned(at, 4)));
        }
        return name + ", sa_data=" + Text.quoted(at.slice(2, at.limit() - 2), false) + "}";
    }

    private static String path(ByteBuffer at) {
        int length = at.limit() - 2;
        if (length <= 0) {
            return "";
        }
        if (at.get(2) == 0) {
            return ", sun_path=@" + Text.quoted(at.slice(3, length - 1), false);
        }
        return ", sun_path=" + Text.field(at, 2, length);
    }

    /// The longest run of zeroes becomes `::`.
    private static String inet6(ByteBuffer network) {
        int[] groups = new int[8];
        for (int i = 0; i < groups.length; i++) {
            groups[i] = Short.toUnsignedInt(network.getShort(8 + 2 * i));
        }
        int best = 0;
        int longest = 1;
        for (int i = 0; i < groups.length; i++) {
            int run = 0;
            while (i + run < groups.length && groups[i + run] == 0) {
                run++;
            }
            if (run > longest) {
                best = i;
                longest = run;
            }
        }
        StringBuilder out = new StringBuilder();
        for (int i = 0; i < groups.length; i++) {
            if (longest > 1 && i == best) {
                out.append("::");
                i += longest - 1;
            } else {
                out.append(out.isEmpty() || out.charAt(out.length() - 1) == ':' ? "" : ":")
                        .append(Integer.toHexString(groups[i]));
            }
        }
        return out.toString();
    }

    /// Control messages of a socket, as many as are whole.
    static String control(ByteBuffer at) {
        List<String> messages = new ArrayList<>();
        int offset = 0;
        while (at.limit() - offset >= 16) {
            long length = at.getLong(offset);
            if (length < 16 || length > at.limit() - offset) {
                break;
            }
            int level = at.getInt(offset + 8);
            int type = at.getInt(offset + 12);
            boolean socket = level == 1;
            String data = "";
            if (socket && type == 1 /* SCM_RIGHTS */) {
                List<String> descriptors = new ArrayList<>();
                for (int fd = offset + 16; fd + 4 <= offset + length; fd += 4) {
                    descriptors.add(Integer.toString(at.getInt(fd)));
                }
                data = ", cmsg_data=[" + String.join(", ", descriptors) + "]";
            } else if (socket && type == 2 /* SCM_CREDENTIALS */ && length >= 28) {
                data = ", cmsg_data={pid=%d, uid=%d, gid=%d}"
                        .formatted(at.getInt(offset + 16), at.getInt(offset + 20), at.getInt(offset + 24));
            }
            messages.add("{cmsg_len=%d, cmsg_level=%s, cmsg_type=%s%s}"
                    .formatted(
                            length,
                            Symbols.of("sockopt_level").name(level),
                            socket ? Symbols.of("cmsg_SOL_SOCKET").name(type) : Text.hex(type),
                            data));
            offset += (int) ((length + 7) & ~7);
        }
        return "[" + String.join(", ", messages) + "]";
    }

    /// 36 bytes: `struct termios` of the kernel.
    static String termios(ByteBuffer at) {
        int cflag = at.getInt(8);
        int lflag = at.getInt(12);
        String speed = (cflag & 0x100f) == 0xf ? "B38400" : "B?";
        return "{%s %sopost %sisig %sicanon %secho ...}"
                .formatted(
                        speed,
                        (at.getInt(4) & 1) != 0 ? "" : "-",
                        (lflag & 1) != 0 ? "" : "-",
                        (lflag & 2) != 0 ? "" : "-",
                        (lflag & 8) != 0 ? "" : "-");
    }

    /// 8 bytes.
    static String winsize(ByteBuffer at) {
        return "{ws_row=%d, ws_col=%d, ws_xpixel=%d, ws_ypixel=%d}"
                .formatted(
                        Short.toUnsignedInt(at.getShort(0)),
                        Short.toUnsignedInt(at.getShort(2)),
                        Short.toUnsignedInt(at.getShort(4)),
                        Short.toUnsignedInt(at.getShort(6)));
    }
}
