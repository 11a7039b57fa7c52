// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm;

/// A Linux or KVM call failed.
public final class KvmException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final String call;
    private final Errno errno;

    /// @param call the call, named as in its manual page or in `linux/kvm.h`, with what tells it apart from others
    /// @param errno the error it ended with
    public KvmException(String call, Errno errno) {
        super(call + ": " + errno);
        this.call = call;
        this.errno = errno;
    }

    /// The call that failed, such as `KVM_CREATE_VM`.
    public String call() {
        return call;
    }

    /// The error it ended with.
    public Errno errno() {
        return errno;
    }

    /// Passes on a successful result.
    ///
    /// @param call the call, named as in its manual page or in `linux/kvm.h`
    /// @param result what the kernel returned: `-errno` or a value of zero or more
    /// @throws KvmException if the result is an error
    static long check(String call, long result) {
        if (result < 0) {
            throw new KvmException(call, new Errno((int) -result));
        }
        return result;
    }

    /// Passes on a successful result.
    ///
    /// @param call the call, named as in its manual page or in `linux/kvm.h`
    /// @param subject what tells it apart from others; it becomes text only when the call failed
    /// @param result what the kernel returned: `-errno` or a value of zero or more
    /// @throws KvmException if the result is an error
    static long check(String call, Object subject, long result) {
        return result < 0 ? check(call + " " + subject, result) : result;
    }
}
