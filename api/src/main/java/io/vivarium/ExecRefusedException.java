// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

/// A program was not started: there is none at that path, it is not one that the guest can run, or the guest has no
/// room for it. The sandbox goes on.
public sealed class ExecRefusedException extends SandboxException permits ProgramNotFoundException {
    private static final long serialVersionUID = 1L;

    private final String errno;

    /// @param errno such as `EACCES`
    /// @param reason in words, from the guest
    public ExecRefusedException(String errno, String reason) {
        super(reason + " (" + errno + ")");
        this.errno = errno;
    }

    /// The name of Linux's error, such as `EACCES`, `ENOEXEC` or `E2BIG`.
    public String errno() {
        return errno;
    }
}
