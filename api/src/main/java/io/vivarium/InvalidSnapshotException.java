// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

/// A file is no snapshot, or none that sandboxes can go on from here.
public final class InvalidSnapshotException extends SandboxException {
    private static final long serialVersionUID = 1L;

    /// Why they cannot.
    public enum Reason {
        /// The file does not begin as a snapshot does.
        NOT_A_SNAPSHOT,
        /// It is written in another version of the format.
        FORMAT_VERSION,
        /// It ends before its content does.
        TRUNCATED,
        /// A digest in it does not fit what it is of.
        ALTERED,
        /// Its digests fit, and yet it says what cannot be.
        MALFORMED,
        /// Another version of Vivarium has written it.
        VIVARIUM_VERSION,
        /// This host's KVM runs guests in another way than the one on which it was saved.
        KVM_KIND,
        /// This host's CPU lacks what programs of the guest may have found on the one on which it was saved.
        CPU,
        /// The guest's clock would go back, or go wrong.
        CLOCK,
        /// The guest has another image than the one given.
        IMAGE,
        /// The guest has other memory, or other disks, than the specification gives it.
        MACHINE,
        /// It holds what differs from another snapshot, which is not the one given.
        PARENT
    }

    private final Reason reason;

    /// @param reason why
    /// @param message why, with the values
    public InvalidSnapshotException(Reason reason, String message) {
        super(message);
        this.reason = reason;
    }

    /// @param reason why
    /// @param message why, with the values
    /// @param cause what found it out
    public InvalidSnapshotException(Reason reason, String message, Throwable cause) {
        super(message, cause);
        this.reason = reason;
    }

    /// Why.
    public Reason reason() {
        return reason;
    }
}
