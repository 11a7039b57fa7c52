// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import io.vivarium.SandboxException;
import java.util.function.Supplier;

/// Carries the reason why something has no result to those who wait for it; each makes an exception of its own from it,
/// so that each stack trace is its own.
final class EarlyEnd extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final transient Supplier<? extends SandboxException> why;

    EarlyEnd(Supplier<? extends SandboxException> why) {
        super("ended early", null, false, false);
        this.why = why;
    }

    SandboxException exception() {
        return why.get();
    }
}
