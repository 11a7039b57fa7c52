// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

/// There is no program at that path in the image, nor, for a name without `/`, in the directories of `PATH`.
public final class ProgramNotFoundException extends ExecRefusedException {
    private static final long serialVersionUID = 1L;

    /// @param reason in words, from the guest
    public ProgramNotFoundException(String reason) {
        super("ENOENT", reason);
    }
}
