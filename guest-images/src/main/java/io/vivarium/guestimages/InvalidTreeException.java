// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages;

/// A path or a node that cannot be part of a [RootFs]. The message is `<path>: <reason>`.
public final class InvalidTreeException extends IllegalArgumentException {
    private static final long serialVersionUID = 1L;

    private final String path;
    private final String reason;

    /// @param path the path inside the tree, as it was given
    /// @param reason what is wrong, in words
    public InvalidTreeException(String path, String reason) {
        super(path + ": " + reason);
        this.path = path;
        this.reason = reason;
    }

    /// The path inside the tree, as it was given.
    public String path() {
        return path;
    }

    /// What is wrong, in words, without the path.
    public String reason() {
        return reason;
    }
}
