// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import java.time.Duration;

/// A [SandboxPool] had no sandbox to give in the time that its caller could wait: all that it may have are taken.
public final class PoolExhaustedException extends SandboxException {
    private static final long serialVersionUID = 1L;

    /// @param waited how long
    /// @param statistics of the pool when it gave up
    PoolExhaustedException(Duration waited, SandboxPool.Statistics statistics) {
        super(("no sandbox was free within %s: %d are taken, %d on their way, and the pool may have %d; "
                        + "close sandboxes sooner, wait longer, or give the pool more")
                .formatted(waited, statistics.taken(), statistics.coming(), statistics.most()));
    }
}
