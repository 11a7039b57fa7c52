// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm.x86;

/// This host's vCPUs cannot go on from the state of one, because it was saved on another host.
public final class IncompatibleCpuException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /// @param message what they lack
    public IncompatibleCpuException(String message) {
        super(message);
    }
}
