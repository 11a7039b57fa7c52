// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal.strace;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/// The types of arguments of the guest kernel's table, `types.tbl`, by name.
final class ArgumentTypes {
    private static final int O_ACCMODE = 3;
    private static final int O_CREAT = 0100;
    private static final int O_TMPFILE = 020200000;
    private static final int CLONE_THREAD_POINTERS = 0x100000 | 0x1000; /* CLONE_PARENT_SETTID, CLONE_PIDFD */
    private static final int CLONE_CHILD_POINTERS = 0x1000000 | 0x200000; /* CLONE_CHILD_SETTID, CLONE_CHILD_CLEARTID */
    private static final int CLONE_SETTLS = 0x80000;
    private static final int FUTEX_COMMAND = 0x7f;
    private static final String RLIM64_INFINITY = "RLIM64_INFINITY";
    private static final Map<String, ArgumentType> TYPES = types();

    private ArgumentTypes() {}

    static ArgumentType of(String name) {
        ArgumentType type = TYPES.get(name);
        if (type == null) {
            throw new IllegalArgumentException("no way to print arguments of type " + name);
        }
        return type;
    }

    private static Map<String, ArgumentType> types() {
        Map<String, ArgumentType> types = new HashMap<>();
        numbers(types);
        symbols(types);
        memory(types);
        structures(types);
        processes(types);
        sockets(types);
        return Map.copyOf(types);
    }

    private static void early(Map<String, ArgumentType> types, String name, ArgumentType.Printer printer) {
        types.put(name, ArgumentType.early(printer));
    }

    private static void late(Map<String, ArgumentType> types, String name, ArgumentType.Printer printer) {
        types.put(name, ArgumentType.late(printer));
    }

    private static void numbers(Map<String, ArgumentType> types) {
        for (String name : List.of("fd", "int", "pid", "id")) {
            early(types, name, (Call call, int i) -> Integer.toString(call.integer(i)));
        }
        early(types, "uint", (Call call, int i) -> Integer.toUnsignedString(call.integer(i)));
        for (String name : List.of("size", "ulong")) {
            early(types, name, (Call call, int i) -> Long.toUnsignedString(call.argument(i)));
        }
        early(types, "offset", (Call call, int i) -> Long.toString(call.argument(i)));
        early(types, "hex", (Call call, int i) -> Text.hex(call.argument(i)));
        early(types, "hex_offset", (Call call, int i) -> Text.hex(call.argument(i)));
        early(types, "high_half", (_, _) -> null);
        for (String name : List.of("address", "pointer")) {
            early(types, name, (Call call, int i) -> Text.address(call.argument(i)));
        }
        early(types, "mode", (Call call, int i) -> Text.mode(call.integer(i) & 0xffff));
        early(types, "node_mode", (Call call, int i) -> Structures.fileMode(call.integer(i) & 0xffff));
        early(types, "device", (Call call, int i) -> {
            int type = call.integer(i - 1) & 0170000;
            return type == 0020000 || type == 0060000 ? Text.device(Integer.toUnsignedLong(call.integer(i))) : null;
        });
        early(
                types,
                "directory",
                (Call call, int i) -> call.integer(i) == -100 ? "AT_FDCWD" : Integer.toString(call.integer(i)));
        early(types, "signal", (Call call, int i) -> Structures.signal(call.integer(i)));
    }

    private static void symbols(Map<String, ArgumentType> types) {
        for (String set : List.of(
                "access_mode",
                "at_flags",
                "close_range_flags",
                "epoll_flags",
                "eventfd_flags",
                "faccessat_flags",
                "falloc_flags",
                "flock_operation",
                "getrandom_flags",
                "memfd_flags",
                "message_flags",
                "mlock_flags",
                "mlockall_flags",
                "mount_flags",
                "mremap_flags",
                "msync_flags",
                "pidfd_flags",
                "rename_flags",
                "rwf_flags",
                "signalfd_flags",
                "socket_flags",
                "splice_flags",
                "statx_mask",
                "sync_file_range_flags",
                "timer_flags",
                "timerfd_flags",
                "timerfd_settime_flags",
                "umount_flags",
                "unlinkat_flags",
                "wait_flags",
                "xattr_flags")) {
            Symbols symbols = Symbols.of(set);
            String none = set.equals("access_mode") ? "F_OK" : "0";
            early(types, set, (Call call, int i) -> symbols.flags(Integer.toUnsignedLong(call.integer(i)), none));
        }
        for (String set : List.of(
                "arch_prctl_code",
                "clock",
                "epoll_operation",
                "fadvise",
                "fcntl_command",
                "ioctl_request",
                "itimer_which",
                "madvise",
                "membarrier_command",
                "prctl_option",
                "priority_which",
                "rlimit_resource",
                "sched_policy",
                "shutdown_how",
                "sigprocmask_how",
                "socket_family",
                "sockopt_level",
                "waitid_type",
                "whence")) {
            Symbols symbols = Symbols.of(set);
            early(types, set, (Call call, int i) -> symbols.nameOrRemark(Integer.toUnsignedLong(call.integer(i))));
        }
        early(types, "rusage_who", (Call call, int i) -> Symbols.of("rusage_who")
                .name(Integer.toUnsignedLong(call.integer(i))));
        early(types, "statx_flags", (Call call, int i) -> statxFlags(call.integer(i)));
        early(types, "open_flags", (Call call, int i) -> openFlags(Integer.toUnsignedLong(call.integer(i))));
        early(types, "open_only_flags", (Call call, int i) -> Symbols.of("open_flags")
                .flags(Integer.toUnsignedLong(call.integer(i))));
        early(
                types,
                "creation_mode",
                (Call call, int i) ->
                        (call.integer(i - 1) & O_CREAT) != 0 || (call.integer(i - 1) & O_TMPFILE) == O_TMPFILE
                                ? Text.mode(call.integer(i) & 0xffff)
                                : null);
        early(types, "mmap_protection", (Call call, int i) -> Symbols.of("mmap_protection")
                .flags(call.argument(i), "PROT_NONE"));
        early(types, "mmap_flags", (Call call, int i) -> mmapFlags(call.argument(i)));
        early(
                types,
                "mremap_address",
                (Call call, int i) -> (call.argument(3) & 6) != 0 ? Text.address(call.argument(i)) : null);
    }

    private static String statxFlags(int flags) {
        String sync = (flags & 0x6000) == 0 ? "AT_STATX_SYNC_AS_STAT" : "";
        String rest = Symbols.of("statx_flags").flagsOrEmpty(flags);
        return sync.isEmpty() || rest.isEmpty() ? sync + rest : sync + "|" + rest;
    }

    static String openFlags(long flags) {
        String access =
                switch ((int) flags & O_ACCMODE) {
                    case 0 -> "O_RDONLY";
                    case 1 -> "O_WRONLY";
                    case 2 -> "O_RDWR";
                    default -> "O_ACCMODE";
                };
        /* What the C library never sets and the kernel tells on 64-bit machines: 0100000. */
        String large = (flags & 0100000) != 0 ? "|O_LARGEFILE" : "";
        String rest = Symbols.of("open_flags").flagsOrEmpty(flags & ~(O_ACCMODE | 0100000L));
        return access + large + (rest.isEmpty() ? "" : "|" + rest);
    }

    private static String mmapFlags(long flags) {
        String type =
                switch ((int) flags & 0xf) {
                    case 1 -> "MAP_SHARED";
                    case 2 -> "MAP_PRIVATE";
                    case 3 -> "MAP_SHARED_VALIDATE";
                    default -> Text.hex(flags & 0xf);
                };
        String rest = Symbols.of("mmap_flags").flagsOrEmpty(flags & ~0xfL);
        return type + (rest.isEmpty() ? "" : "|" + rest);
    }

    private static String address(Call call, int index) {
        return Text.address(call.argument(index));
    }

    private static String text(TraceRecord.Piece piece) {
        return Text.quoted(piece.bytes(), piece.cut());
    }

    private static void memory(Map<String, ArgumentType> types) {
        early(types, "path", (Call call, int i) -> call.before(i, 0)
                .map(ArgumentTypes::text)
                .orElse(address(call, i)));
        early(types, "in_buffer", (Call call, int i) -> call.before(i, 0)
                .map(ArgumentTypes::text)
                .orElse(address(call, i)));
        for (String name : List.of("out_buffer", "out_path")) {
            late(types, name, (Call call, int i) -> call.after(i, 0)
                    .map(piece -> buffer(call, piece))
                    .orElse(address(call, i)));
        }
        late(types, "out_random", (Call call, int i) -> call.after(i, 0)
                .map(piece -> Text.hexQuoted(piece.bytes(), piece.cut()))
                .orElse(address(call, i)));
        early(types, "in_vector", (Call call, int i) -> vector(call.before(i), address(call, i)));
        late(types, "out_vector", (Call call, int i) -> vector(call.after(i), address(call, i)));
        early(types, "strings", (Call call, int i) -> strings(call.before(i), address(call, i)));
        early(types, "environment", (Call call, int i) -> call.before(i, 4)
                .map(piece -> {
                    int count = piece.bytes().getInt(0);
                    return "%s /* %d var%s */".formatted(address(call, i), count, count == 1 ? "" : "s");
                })
                .orElse(address(call, i)));
        late(types, "inout_offset", (Call call, int i) -> offset(call, i));
    }

    /// A path that getcwd(2) fills in counts its NUL.
    private static String buffer(Call call, TraceRecord.Piece piece) {
        ByteBuffer bytes = piece.bytes();
        int length = bytes.remaining();
        boolean terminated = call.name().equals("getcwd") && length > 0 && bytes.get(length - 1) == 0;
        return Text.quoted(terminated ? bytes.slice(0, length - 1) : bytes, piece.cut());
    }

    private static String offset(Call call, int index) {
        Optional<TraceRecord.Piece> before = call.before(index, 8);
        Optional<TraceRecord.Piece> after = call.after(index, 8);
        if (before.isEmpty()) {
            return address(call, index);
        }
        long from = before.get().bytes().getLong(0);
        return after.isEmpty() || after.get().bytes().getLong(0) == from
                ? "[" + from + "]"
                : "[" + from + "] => [" + after.get().bytes().getLong(0) + "]";
    }

    /// An array of iovecs and, one piece for each, the beginning of what they point to.
    private static String vector(List<TraceRecord.Piece> pieces, String otherwise) {
        if (pieces.isEmpty() || pieces.getFirst().faulted()) {
            return otherwise;
        }
        ByteBuffer array = pieces.getFirst().bytes();
        List<String> elements = new ArrayList<>();
        for (int k = 0; k < array.remaining() / 16; k++) {
            boolean known = k + 1 < pieces.size() && !pieces.get(k + 1).faulted();
            elements.add("{iov_base=%s, iov_len=%s}"
                    .formatted(
                            known ? text(pieces.get(k + 1)) : Text.address(array.getLong(16 * k)),
                            Long.toUnsignedString(array.getLong(16 * k + 8))));
        }
        if (pieces.getFirst().cut()) {
            elements.add("...");
        }
        return "[" + String.join(", ", elements) + "]";
    }

    private static String strings(List<TraceRecord.Piece> pieces, String otherwise) {
        List<String> elements = new ArrayList<>();
        for (TraceRecord.Piece piece : pieces) {
            boolean more = piece.cut() && piece.bytes().remaining() == 0;
            elements.add(piece.faulted() ? "???" : more ? "..." : text(piece));
        }
        return otherwise.equals("NULL") ? otherwise : "[" + String.join(", ", elements) + "]";
    }

    private static ArgumentType.Printer in(int bytes, Function<ByteBuffer, String> printer) {
        return (Call call, int i) ->
                call.before(i, bytes).map(piece -> printer.apply(piece.bytes())).orElse(address(call, i));
    }

    private static ArgumentType.Printer out(int bytes, Function<ByteBuffer, String> printer) {
        return (Call call, int i) ->
                call.after(i, bytes).map(piece -> printer.apply(piece.bytes())).orElse(address(call, i));
    }

    private static String integers(ByteBuffer at) {
        return IntStream.range(0, at.remaining() / 4)
                .mapToObj(k -> Integer.toString(at.getInt(4 * k)))
                .collect(Collectors.joining(", ", "[", "]"));
    }

    private static void structures(Map<String, ArgumentType> types) {
        late(types, "out_fd_pair", out(8, ArgumentTypes::integers));
        late(types, "out_stat", out(144, Structures::stat));
        late(types, "out_statx", out(256, Structures::statx));
        late(types, "out_statfs", out(120, Structures::statfs));
        early(types, "open_how", in(24, Structures::openHow));
        early(types, "in_times", in(32, at -> "[%s, %s]".formatted(futureTime(at, 0), futureTime(at, 16))));
        early(types, "in_timevals", in(32, at -> "[%s, %s]"
                .formatted(Structures.timeval(at, 0), Structures.timeval(at, 16))));
        early(types, "in_utimbuf", in(16, at -> "{actime=%d, modtime=%d}".formatted(at.getLong(0), at.getLong(8))));
        early(types, "in_timespec", in(16, at -> Structures.timespec(at, 0)));
        late(types, "out_timespec", out(16, at -> Structures.timespec(at, 0)));
        late(types, "remaining_timespec", out(16, at -> Structures.timespec(at, 0)));
        early(types, "in_timeval", in(16, at -> Structures.timeval(at, 0)));
        late(types, "out_timeval", out(16, at -> Structures.timeval(at, 0)));
        early(types, "in_itimerspec", in(32, Structures::itimerspec));
        late(types, "out_itimerspec", out(32, Structures::itimerspec));
        early(types, "in_itimerval", in(32, Structures::itimerval));
        late(types, "out_itimerval", out(32, Structures::itimerval));
        late(types, "out_long", out(8, at -> "[" + at.getLong(0) + "]"));
        late(types, "out_uint", out(4, at -> "[" + Integer.toUnsignedString(at.getInt(0)) + "]"));
        late(types, "out_timer_id", out(4, at -> "[" + at.getInt(0) + "]"));
        late(types, "out_tms", out(32, Structures::tms));
        late(types, "out_utsname", out(390, Structures::utsname));
        late(types, "out_sysinfo", out(112, Structures::sysinfo));
        early(types, "in_ids", in(0, ArgumentTypes::integers));
        late(
                types,
                "out_ids",
                (Call call, int i) -> call.integer(0) == 0
                        ? address(call, i)
                        : out(0, ArgumentTypes::integers).print(call, i));
        late(types, "fcntl_argument", ArgumentTypes::fcntl);
        late(types, "ioctl_argument", ArgumentTypes::ioctl);
        early(types, "in_epoll_event", in(12, at -> epollEvent(at, 0)));
        late(types, "out_epoll_events", out(0, at -> IntStream.range(0, at.remaining() / 12)
                .mapToObj(k -> epollEvent(at, 12 * k))
                .collect(Collectors.joining(", ", "[", "]"))));
        early(types, "pollfds", in(0, at -> IntStream.range(0, at.remaining() / 8)
                .mapToObj(k -> "{fd=%d, events=%s}"
                        .formatted(at.getInt(8 * k), Symbols.of("poll_events").flags(at.getShort(8 * k + 4) & 0xffff)))
                .collect(Collectors.joining(", ", "[", "]"))));
        early(types, "fd_set", in(0, ArgumentTypes::descriptors));
    }

    /// utimensat(2): UTIME_NOW and UTIME_OMIT.
    private static String futureTime(ByteBuffer at, int offset) {
        return switch ((int) at.getLong(offset + 8)) {
            case 0x3fffffff -> "UTIME_NOW";
            case 0x3ffffffe -> "UTIME_OMIT";
            default -> Structures.timespec(at, offset);
        };
    }

    private static String epollEvent(ByteBuffer at, int offset) {
        return "{events=%s, data={u32=%s, u64=%s}}"
                .formatted(
                        Symbols.of("epoll_events").flags(Integer.toUnsignedLong(at.getInt(offset))),
                        Integer.toUnsignedString(at.getInt(offset + 4)),
                        Long.toUnsignedString(at.getLong(offset + 4)));
    }

    /// The numbers of the bits that are set.
    static String descriptors(ByteBuffer at) {
        return IntStream.range(0, at.remaining() * 8)
                .filter(bit -> (at.get(bit / 8) >> bit % 8 & 1) != 0)
                .mapToObj(Integer::toString)
                .collect(Collectors.joining(" ", "[", "]"));
    }

    private static @Nullable String fcntl(Call call, int index) {
        String command = Symbols.of("fcntl_command").name(call.integer(1));
        return switch (command) {
            case "F_GETFD", "F_GETFL", "F_GETOWN", "F_GETSIG", "F_GETPIPE_SZ", "F_GET_SEALS", "F_GETLEASE" -> null;
            case "F_SETFD" -> call.integer(index) == 1 ? "FD_CLOEXEC" : Text.hex(call.integer(index));
            case "F_SETFL" -> openFlags(Integer.toUnsignedLong(call.integer(index)));
            case "F_ADD_SEALS" -> Symbols.of("seals").flags(call.integer(index));
            case "F_GETLK", "F_OFD_GETLK" ->
                call.after(index, 32)
                        .or(() -> call.before(index, 32))
                        .map(piece -> Structures.flock(piece.bytes(), true))
                        .orElse(address(call, index));
            case "F_SETLK", "F_SETLKW", "F_OFD_SETLK", "F_OFD_SETLKW" ->
                call.before(index, 32)
                        .map(piece -> Structures.flock(piece.bytes(), false))
                        .orElse(address(call, index));
            default -> Integer.toString(call.integer(index));
        };
    }

    private static @Nullable String ioctl(Call call, int index) {
        String request = Symbols.of("ioctl_request").name(Integer.toUnsignedLong(call.integer(1)));
        return switch (request) {
            case "TCGETS" -> out(36, Structures::termios).print(call, index);
            case "TCSETS", "TCSETSW", "TCSETSF" -> in(36, Structures::termios).print(call, index);
            case "TIOCGWINSZ" -> out(8, Structures::winsize).print(call, index);
            case "TIOCSWINSZ" -> in(8, Structures::winsize).print(call, index);
            case "TIOCGPGRP", "FIONREAD", "TIOCGSID", "TIOCGPTN", "TIOCOUTQ" ->
                out(4, at -> "[" + at.getInt(0) + "]").print(call, index);
            case "TIOCSPGRP", "FIONBIO", "TIOCSPTLCK", "TIOCPKT", "FIOASYNC" ->
                in(4, at -> "[" + at.getInt(0) + "]").print(call, index);
            case "TIOCNOTTY", "TIOCEXCL", "TIOCNXCL", "FIOCLEX", "FIONCLEX" -> null;
            case "TIOCSCTTY", "TCSBRK", "TCXONC", "TCFLSH", "TCSBRKP" -> Integer.toString(call.integer(index));
            default -> Text.hex(call.argument(index));
        };
    }

    private static void processes(Map<String, ArgumentType> types) {
        early(types, "in_sigset", in(8, at -> Structures.signalSet(at.getLong(0))));
        late(types, "out_sigset", out(8, at -> Structures.signalSet(at.getLong(0))));
        early(types, "signal_frame", (Call call, int i) -> call.before(i, 8)
                .map(piece -> "{mask=" + Structures.signalSet(piece.bytes().getLong(0)) + "}")
                .orElse(""));
        early(types, "pselect_mask", (Call call, int i) -> pselectMask(call, i));
        early(types, "in_sigaction", in(32, Structures::sigaction));
        late(types, "out_sigaction", out(32, Structures::sigaction));
        early(types, "in_stack", in(24, Structures::stack));
        late(types, "out_stack", out(24, Structures::stack));
        early(types, "in_sigevent", in(64, Structures::sigevent));
        early(types, "in_siginfo", in(48, Structures::siginfo));
        late(types, "out_siginfo", out(48, Structures::siginfo));
        late(types, "out_taken_siginfo", out(48, Structures::siginfo));
        late(types, "out_wait_status", out(4, at -> Structures.waitStatus(at.getInt(0))));
        late(types, "out_wait_rusage", out(144, Structures::rusage));
        late(types, "out_rusage", out(144, Structures::rusage));
        early(types, "in_rlimit", (Call call, int i) -> limit(call, i, call.before(i, 16)));
        late(types, "out_rlimit", (Call call, int i) -> limit(call, i, call.after(i, 16)));
        late(types, "out_cpu_set", out(0, ArgumentTypes::descriptors));
        early(types, "in_cpu_set", in(8, ArgumentTypes::descriptors));
        early(types, "in_sched_param", in(4, at -> "[" + at.getInt(0) + "]"));
        late(types, "out_sched_param", out(4, at -> "[" + at.getInt(0) + "]"));
        late(types, "prctl_argument", ArgumentTypes::prctl);
        early(types, "prctl_rest", (_, _) -> null);
        clone(types);
        futex(types);
    }

    private static String pselectMask(Call call, int index) {
        List<TraceRecord.Piece> pieces = call.before(index);
        if (pieces.isEmpty() || pieces.getFirst().bytes().remaining() < 16) {
            return address(call, index);
        }
        ByteBuffer words = pieces.getFirst().bytes();
        boolean known = pieces.size() > 1 && pieces.get(1).bytes().remaining() == 8;
        String set = known ? Structures.signalSet(pieces.get(1).bytes().getLong(0)) : Text.address(words.getLong(0));
        return "{sigmask=%s, sigsetsize=%d}".formatted(set, words.getLong(8));
    }

    private static String limit(Call call, int index, Optional<TraceRecord.Piece> piece) {
        String infinity = call.name().equals("prlimit64") ? RLIM64_INFINITY : "RLIM_INFINITY";
        return piece.map(found -> Structures.rlimit(found.bytes(), infinity)).orElse(address(call, index));
    }

    private static @Nullable String prctl(Call call, int index) {
        return switch (Symbols.of("prctl_option").name(call.integer(0))) {
            case "PR_SET_NAME" -> call.before(index, 0).map(ArgumentTypes::text).orElse(address(call, index));
            case "PR_GET_NAME" -> call.after(index, 0).map(ArgumentTypes::text).orElse(address(call, index));
            case "PR_SET_PDEATHSIG" -> Structures.signal(call.integer(index));
            case "PR_GET_DUMPABLE", "PR_GET_KEEPCAPS", "PR_GET_SECUREBITS", "PR_GET_TIMERSLACK" -> null;
            case "PR_GET_PDEATHSIG", "PR_GET_CHILD_SUBREAPER" -> address(call, index);
            default -> Long.toUnsignedString(call.argument(index));
        };
    }

    private static void clone(Map<String, ArgumentType> types) {
        early(types, "clone_stack", (Call call, int i) -> "child_stack=" + address(call, i));
        early(types, "clone_flags", (Call call, int i) -> "flags=" + cloneFlags(call.argument(i)));
        late(types, "clone_parent_tid", (Call call, int i) -> {
            if ((call.argument(0) & CLONE_THREAD_POINTERS) == 0) {
                return null;
            }
            return "parent_tid="
                    + call.after(i, 4)
                            .map(piece -> "[" + piece.bytes().getInt(0) + "]")
                            .orElse(address(call, i));
        });
        early(
                types,
                "clone_tls",
                (Call call, int i) -> (call.argument(0) & CLONE_SETTLS) != 0 ? "tls=" + address(call, i) : null);
        early(
                types,
                "clone_child_tid",
                (Call call, int i) ->
                        (call.argument(0) & CLONE_CHILD_POINTERS) != 0 ? "child_tidptr=" + address(call, i) : null);
        early(types, "clone_args", in(64, ArgumentTypes::cloneArguments));
    }

    private static String cloneFlags(long all) {
        long flags = all & ~0xffL;
        int signal = (int) all & 0xff;
        String names = Symbols.of("clone_flags").flagsOrEmpty(flags);
        if (signal == 0) {
            return names.isEmpty() ? "0" : names;
        }
        return names.isEmpty() ? Structures.signal(signal) : names + "|" + Structures.signal(signal);
    }

    /// `struct clone_args` of clone3(2), 64 bytes in its first version.
    private static String cloneArguments(ByteBuffer at) {
        long flags = at.getLong(0);
        StringBuilder out =
                new StringBuilder("{flags=").append(Symbols.of("clone_flags").flags(flags));
        if ((flags & 0x1000 /* CLONE_PIDFD */) != 0) {
            out.append(", pidfd=").append(Text.address(at.getLong(8)));
        }
        if ((flags & CLONE_CHILD_POINTERS) != 0) {
            out.append(", child_tid=").append(Text.address(at.getLong(16)));
        }
        if ((flags & 0x100000 /* CLONE_PARENT_SETTID */) != 0) {
            out.append(", parent_tid=").append(Text.address(at.getLong(24)));
        }
        long signal = at.getLong(32);
        out.append(", exit_signal=").append(signal == 0 ? "0" : Structures.signal((int) signal));
        out.append(", stack=").append(Text.address(at.getLong(40)));
        out.append(", stack_size=").append(Text.hex(at.getLong(48)));
        if ((flags & CLONE_SETTLS) != 0) {
            out.append(", tls=").append(Text.address(at.getLong(56)));
        }
        return out.append('}').toString();
    }

    private static void futex(Map<String, ArgumentType> types) {
        early(types, "futex_operation", (Call call, int i) -> {
            int operation = call.integer(i);
            String command = Symbols.of("futex_command").name(operation & FUTEX_COMMAND);
            return command
                    + ((operation & 0x80) != 0 ? "_PRIVATE" : "")
                    + ((operation & 0x100) != 0 ? "|FUTEX_CLOCK_REALTIME" : "");
        });
        early(types, "futex_value", (Call call, int i) -> switch (futexCommand(call)) {
            case "FUTEX_UNLOCK_PI", "FUTEX_LOCK_PI", "FUTEX_TRYLOCK_PI" -> null;
            default -> Integer.toUnsignedString(call.integer(i));
        });
        early(types, "futex_timeout", (Call call, int i) -> switch (futexCommand(call)) {
            case "FUTEX_WAIT", "FUTEX_WAIT_BITSET", "FUTEX_LOCK_PI", "FUTEX_WAIT_REQUEUE_PI" ->
                call.before(i, 16)
                        .map(piece -> Structures.timespec(piece.bytes(), 0))
                        .orElse(address(call, i));
            case "FUTEX_REQUEUE", "FUTEX_CMP_REQUEUE", "FUTEX_WAKE_OP", "FUTEX_CMP_REQUEUE_PI" ->
                Integer.toUnsignedString(call.integer(i));
            default -> null;
        });
        early(types, "futex_address2", (Call call, int i) -> switch (futexCommand(call)) {
            case "FUTEX_REQUEUE",
                    "FUTEX_CMP_REQUEUE",
                    "FUTEX_WAKE_OP",
                    "FUTEX_CMP_REQUEUE_PI",
                    "FUTEX_WAIT_REQUEUE_PI" -> address(call, i);
            case "FUTEX_WAIT_BITSET" -> address(call, i);
            default -> null;
        });
        early(types, "futex_value3", (Call call, int i) -> switch (futexCommand(call)) {
            case "FUTEX_CMP_REQUEUE", "FUTEX_CMP_REQUEUE_PI" -> Integer.toUnsignedString(call.integer(i));
            case "FUTEX_WAKE_OP" -> Text.hex(Integer.toUnsignedLong(call.integer(i)));
            case "FUTEX_WAIT_BITSET", "FUTEX_WAKE_BITSET" ->
                call.integer(i) == -1 ? "FUTEX_BITSET_MATCH_ANY" : Text.hex(Integer.toUnsignedLong(call.integer(i)));
            default -> null;
        });
    }

    private static String futexCommand(Call call) {
        return Symbols.of("futex_command").name(call.integer(1) & FUTEX_COMMAND);
    }

    private static void sockets(Map<String, ArgumentType> types) {
        early(types, "socket_type", (Call call, int i) -> {
            String flags = Symbols.of("socket_flags").flagsOrEmpty(call.integer(i) & ~0xf);
            return Symbols.of("socket_type").name(call.integer(i) & 0xf) + (flags.isEmpty() ? "" : "|" + flags);
        });
        early(types, "socket_protocol", (Call call, int i) -> {
            boolean internet = call.integer(0) == 2 || call.integer(0) == 10;
            return internet ? Symbols.of("socket_protocol").name(call.integer(i)) : Integer.toString(call.integer(i));
        });
        early(types, "in_sockaddr", in(0, Structures::sockaddr));
        late(types, "out_sockaddr", out(0, Structures::sockaddr));
        late(types, "inout_socklen", (Call call, int i) -> {
            Optional<TraceRecord.Piece> before = call.before(i, 4);
            Optional<TraceRecord.Piece> after = call.after(i, 4);
            if (before.isEmpty()) {
                return address(call, i);
            }
            int given = before.get().bytes().getInt(0);
            int told = after.isEmpty() ? given : after.get().bytes().getInt(0);
            return told == given ? "[%d]".formatted(given) : "[%d => %d]".formatted(given, told);
        });
        early(types, "sockopt_name", (Call call, int i) -> switch (call.integer(1)) {
            case 1 -> Symbols.of("sockopt_socket").name(call.integer(i));
            case 6 -> Symbols.of("sockopt_tcp").name(call.integer(i));
            default -> Text.hex(call.integer(i));
        });
        early(types, "in_sockopt", in(4, ArgumentTypes::integers));
        late(types, "out_sockopt", out(4, ArgumentTypes::integers));
        early(types, "in_msghdr", (Call call, int i) -> message(call.before(i), address(call, i)));
        late(types, "out_msghdr", (Call call, int i) -> message(call.after(i), address(call, i)));
    }

    /// The header (56 bytes), the address, the control messages, then as [#vector].
    private static String message(List<TraceRecord.Piece> pieces, String otherwise) {
        if (pieces.size() < 3 || pieces.getFirst().bytes().remaining() < 56) {
            return otherwise;
        }
        ByteBuffer header = pieces.getFirst().bytes();
        ByteBuffer name = pieces.get(1).bytes();
        long control = header.getLong(40);
        return "{msg_name=%s, msg_namelen=%d, msg_iov=%s, msg_iovlen=%d%s, msg_controllen=%d, msg_flags=%s}"
                .formatted(
                        name.remaining() > 0 ? Structures.sockaddr(name) : Text.address(header.getLong(0)),
                        header.getInt(8),
                        vector(pieces.subList(3, pieces.size()), Text.address(header.getLong(16))),
                        header.getLong(24),
                        control > 0
                                ? ", msg_control="
                                        + Structures.control(pieces.get(2).bytes())
                                : "",
                        control,
                        Symbols.of("message_flags").flags(Integer.toUnsignedLong(header.getInt(48))));
    }
}
