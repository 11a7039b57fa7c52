// SPDX-License-Identifier: Apache-2.0
package io.vivarium.snapshot;

/// A file is no snapshot, or none that can go on here.
public final class InvalidSnapshotFileException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /// Why it cannot go on.
    public enum Reason {
        /// It does not begin as a snapshot does.
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
        /// This host's KVM runs guests in another way.
        KVM_KIND,
        /// This host's CPU lacks what programs of the guest may have found on the one that it was saved on.
        CPU,
        /// The guest's clock would go back, or go wrong.
        CLOCK,
        /// The guest has another root image than the one that is there.
        IMAGE,
        /// The guest has other memory or other disks than it is to have.
        MACHINE,
        /// It holds what differs from another snapshot, which is not the one that is there.
        PARENT
    }

    private final Reason reason;

    /// @param reason why
    /// @param message why, with the values
    public InvalidSnapshotFileException(Reason reason, String message) {
        super(message);
        this.reason = reason;
    }

    /// @param reason why
    /// @param message why, with the values
    /// @param cause what found it out
    public InvalidSnapshotFileException(Reason reason, String message, Throwable cause) {
        super(message, cause);
        this.reason = reason;
    }

    /// Why.
    public Reason reason() {
        return reason;
    }
}
