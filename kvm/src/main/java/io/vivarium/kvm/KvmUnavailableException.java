// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm;

/// KVM cannot be used here.
public final class KvmUnavailableException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final transient KvmProbe.Unavailable unavailable;

    KvmUnavailableException(KvmProbe.Unavailable unavailable) {
        super(unavailable.reason() + ". " + unavailable.remedy());
        this.unavailable = unavailable;
    }

    /// What is wrong and what to do about it.
    public KvmProbe.Unavailable unavailable() {
        return unavailable;
    }
}
