// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.json;

/// Text that is not JSON, or JSON that is not what was expected.
public final class JsonException extends Exception {
    private static final long serialVersionUID = 1L;

    private final String reason;

    /// @param reason what is wrong, and where
    public JsonException(String reason) {
        super(reason);
        this.reason = reason;
    }

    /// What is wrong, and where.
    public String reason() {
        return reason;
    }
}
