// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.debian;

import java.io.IOException;

/// An index, a package or a relation that is not as it should be. The message says what is wrong, without where.
final class DebianFormatException extends IOException {
    private static final long serialVersionUID = 1L;

    private final String reason;

    DebianFormatException(String reason) {
        super(reason);
        this.reason = reason;
    }

    String reason() {
        return reason;
    }
}
