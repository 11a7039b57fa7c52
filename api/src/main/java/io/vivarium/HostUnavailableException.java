// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

/// This host cannot run sandboxes, or not now: see [Host#probe].
public final class HostUnavailableException extends SandboxException {
    private static final long serialVersionUID = 1L;

    private final String reason;
    private final String remedy;

    /// @param unavailable what the probe found
    public HostUnavailableException(Host.Unavailable unavailable) {
        super(unavailable.reason() + ". " + unavailable.remedy());
        this.reason = unavailable.reason();
        this.remedy = unavailable.remedy();
    }

    /// What is missing.
    public String reason() {
        return reason;
    }

    /// What to do about it.
    public String remedy() {
        return remedy;
    }
}
