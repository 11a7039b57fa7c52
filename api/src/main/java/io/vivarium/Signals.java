// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

/// Names of Linux's signals on x86-64 (`asm/signal.h`).
final class Signals {
    static final int SIGKILL = 9;
    static final int MAX = 64;
    private static final int SIGRTMIN = 32;

    private static final String[] NAMES =
            ("HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD"
                            + " CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS")
                    .split(" ", -1);

    private Signals() {}

    static String name(int signal) {
        if (signal >= 1 && signal <= NAMES.length) {
            return "SIG" + NAMES[signal - 1];
        }
        return signal >= SIGRTMIN && signal <= MAX ? "SIGRTMIN+" + (signal - SIGRTMIN) : "signal " + signal;
    }
}
