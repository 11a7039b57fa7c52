// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal.strace;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// Puts trace records together to the lines that `strace -f` prints: a call and its result on one
/// line, unless another thread has something to say in between.
///
/// Not thread-safe.
public final class StraceLines {
    private static final int RESULT_COLUMN = 40;
    private static final int ERESTARTSYS = 512;

    private final Signatures signatures = Signatures.ofSubstrate();
    private final Consumer<String> lines;
    /// What each thread does: a call that it has not come back from, or nothing.
    private final Map<Integer, Traced> threads = new TreeMap<>();
    /// The thread whose call is begun on the current line; null when the last line is complete.
    private @Nullable Traced current;

    private static final class Traced {
        private final int id;
        private TraceRecord.@Nullable Entered entered;
        private String begun = "";
        private boolean interrupted;

        private Traced(int id) {
            this.id = id;
        }
    }

    /// @param lines is given each line, without its end
    public StraceLines(Consumer<String> lines) {
        this.lines = lines;
    }

    /// Takes the next record.
    public void accept(TraceRecord record) {
        Traced thread = thread(record.thread());
        if (current != null && current != thread) {
            interrupt(current);
        }
        switch (record) {
            case TraceRecord.Entered entered -> enter(thread, entered);
            case TraceRecord.Left left -> leave(thread, left);
            case TraceRecord.Signalled signalled -> {
                breakOff(thread);
                print(
                        thread,
                        "--- %s %s ---"
                                .formatted(
                                        Structures.signal(signalled.info().getInt(0)),
                                        Structures.siginfo(signalled.info())));
            }
            case TraceRecord.Stopped stopped -> {
                breakOff(thread);
                print(thread, "--- stopped by " + Structures.signal(stopped.signal()) + " ---");
            }
            case TraceRecord.Ended ended -> end(thread, ended);
        }
    }

    /// Nothing more comes: what is begun is printed as far as it is known.
    ///
    /// @param lost how many records there would have been
    public void finish(long lost) {
        if (current != null) {
            interrupt(current);
        }
        if (lost > 0) {
            lines.accept("+++ %d records lost +++".formatted(lost));
        }
    }

    private Traced thread(int id) {
        Traced found = threads.get(id);
        if (found != null) {
            return found;
        }
        if (!threads.isEmpty()) {
            if (current != null) {
                interrupt(current);
            }
            lines.accept("strace: Process " + id + " attached");
        }
        Traced added = new Traced(id);
        threads.put(id, added);
        return added;
    }

    private String prefix(Traced thread) {
        return threads.size() > 1 ? "[pid %5d] ".formatted(thread.id) : "";
    }

    private void print(Traced thread, String text) {
        lines.accept(prefix(thread) + text);
    }

    /// Another thread has something to say.
    private void interrupt(Traced thread) {
        print(thread, thread.begun + " <unfinished ...>");
        thread.interrupted = true;
        current = null;
    }

    /// The same thread has something to say though it has not come back: its call does not return.
    private void breakOff(Traced thread) {
        if (current == thread) {
            interrupt(thread);
        }
    }

    private void enter(Traced thread, TraceRecord.Entered entered) {
        breakOff(thread);
        thread.entered = entered;
        thread.interrupted = false;
        Call call = new Call(entered, null);
        List<ArgumentType> types = signatures.of(entered.name());
        List<String> early = new ArrayList<>();
        int at = 0;
        int[] order = order(entered.name(), types.size());
        while (at < order.length && !types.get(order[at]).late()) {
            add(early, types.get(order[at]), call, order[at]);
            at++;
        }
        boolean more = at < order.length;
        thread.begun = name(entered) + "(" + String.join(", ", early) + (more && !early.isEmpty() ? ", " : "");
        current = thread;
        if (returnsNever(entered.name())) {
            lines.accept(padded(prefix(thread), thread.begun + ")") + "= ?");
            thread.entered = null;
            current = null;
        }
    }

    private static boolean returnsNever(String name) {
        return name.equals("exit") || name.equals("exit_group");
    }

    private static void add(List<String> texts, ArgumentType type, Call call, int index) {
        String text = type.printer().print(call, index);
        if (text != null) {
            texts.add(text);
        }
    }

    private static String name(TraceRecord.Entered entered) {
        return entered.name().isEmpty() ? "syscall_" + Text.hex(entered.number()) : entered.name();
    }

    /// clone(2) is shown with its stack first, and the thread-local storage before the child's pointer.
    private static int[] order(String name, int count) {
        if (name.equals("clone")) {
            return new int[] {1, 0, 2, 4, 3};
        }
        int[] order = new int[count];
        for (int i = 0; i < count; i++) {
            order[i] = i;
        }
        return order;
    }

    private void leave(Traced thread, TraceRecord.Left left) {
        TraceRecord.Entered entered = thread.entered;
        if (entered == null) {
            // A thread that was made by a call of its parent's comes back from that, in no record of its own.
            return;
        }
        Call call = new Call(entered, left);
        List<ArgumentType> types = signatures.of(entered.name());
        List<String> late = new ArrayList<>();
        boolean begun = false;
        for (int index : order(entered.name(), types.size())) {
            begun |= types.get(index).late();
            if (begun) {
                add(late, types.get(index), call, index);
            }
        }
        String before = thread.begun;
        if (late.isEmpty() && before.endsWith(", ")) {
            before = before.substring(0, before.length() - 2);
        }
        String start = thread.interrupted ? "<... " + name(entered) + " resumed>" : before;
        String text = start + String.join(", ", late) + ")";
        lines.accept(padded(prefix(thread), text) + "= " + result(call));
        thread.entered = null;
        current = null;
    }

    private static String padded(String prefix, String text) {
        StringBuilder line = new StringBuilder(prefix).append(text).append(' ');
        while (line.length() < RESULT_COLUMN) {
            line.append(' ');
        }
        return line.toString();
    }

    private static String result(Call call) {
        long result = call.result();
        if (call.name().equals("rt_sigreturn") && !call.failed()) {
            return Long.toString(result);
        }
        if (result == -ERESTARTSYS) {
            return "? ERESTARTSYS (" + Symbols.of("errno").text(ERESTARTSYS) + ")";
        }
        if (call.failed()) {
            Symbols errno = Symbols.of("errno");
            String name = errno.name(-result, "");
            return name.isEmpty() ? Long.toString(result) : "-1 %s (%s)".formatted(name, errno.text(-result));
        }
        return switch (call.name()) {
            case "mmap", "mremap", "brk" -> Text.hex(result);
            case "umask" -> Text.mode(result);
            case "fcntl" -> fcntl(call, result);
            case "poll", "ppoll" -> result == 0 ? "0 (Timeout)" : result + revents(call);
            case "select", "pselect6" -> result == 0 ? "0 (Timeout)" : result + sets(call);
            default -> Long.toString(result);
        };
    }

    private static String fcntl(Call call, long result) {
        return switch (Symbols.of("fcntl_command").name(call.integer(1))) {
            case "F_GETFD" -> result == 1 ? "0x1 (flags FD_CLOEXEC)" : Text.hex(result);
            case "F_GETFL" -> Text.hex(result) + " (flags " + ArgumentTypes.openFlags(result) + ")";
            case "F_GET_SEALS" ->
                Text.hex(result) + " (seals " + Symbols.of("seals").flags(result) + ")";
            default -> Long.toString(result);
        };
    }

    private static String revents(Call call) {
        return call.after(0, 0)
                .map(piece -> {
                    List<String> ready = new ArrayList<>();
                    for (int at = 0; at + 8 <= piece.bytes().remaining(); at += 8) {
                        int events = Short.toUnsignedInt(piece.bytes().getShort(at + 6));
                        if (events != 0) {
                            ready.add("{fd=%d, revents=%s}"
                                    .formatted(
                                            piece.bytes().getInt(at),
                                            Symbols.of("poll_events").flags(events)));
                        }
                    }
                    return " ([" + String.join(", ", ready) + "])";
                })
                .orElse("");
    }

    private static String sets(Call call) {
        List<String> sets = new ArrayList<>();
        List<String> names = List.of("in", "out", "except");
        for (int index = 1; index <= names.size(); index++) {
            String name = names.get(index - 1);
            call.after(index, 0)
                    .map(piece -> ArgumentTypes.descriptors(piece.bytes()))
                    .filter(set -> !set.equals("[]"))
                    .ifPresent(set -> sets.add(name + " " + set));
        }
        return sets.isEmpty() ? "" : " (" + String.join(", ", sets) + ")";
    }

    private void end(Traced thread, TraceRecord.Ended ended) {
        if (thread.entered != null) {
            String start = current == thread
                    ? thread.begun + " <unfinished ...>)"
                    : "<... " + name(thread.entered) + " resumed>)";
            lines.accept(padded(prefix(thread), start) + "= ?");
        }
        current = null;
        print(
                thread,
                ended.signal() != 0
                        ? "+++ killed by " + Structures.signal(ended.signal()) + " +++"
                        : "+++ exited with " + ended.code() + " +++");
        threads.remove(thread.id);
    }
}
