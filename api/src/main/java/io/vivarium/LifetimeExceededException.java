// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import java.time.Duration;

/// The sandbox reached its [SandboxSpec#withMaxLifetime] and was stopped.
public final class LifetimeExceededException extends SandboxException {
    private static final long serialVersionUID = 1L;

    /// @param limit the longest life allowed
    public LifetimeExceededException(Duration limit) {
        super("the sandbox was stopped at the end of its lifetime of " + limit);
    }
}
