// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.oci;

import java.nio.charset.StandardCharsets;
import java.util.Base64;

/// A name and a password for a registry.
///
/// @param user without `:`
/// @param password or token
public record Credentials(String user, String password) {
    /// @throws IllegalArgumentException the name has a `:` in it, which cannot be sent
    public Credentials {
        if (user.indexOf(':') >= 0) {
            throw new IllegalArgumentException("a user name cannot have ':' in it");
        }
    }

    /// RFC 7617.
    String header() {
        String pair = user + ":" + password;
        return "Basic " + Base64.getEncoder().encodeToString(pair.getBytes(StandardCharsets.UTF_8));
    }

    /// Without the password.
    @Override
    public String toString() {
        return "credentials of " + user;
    }
}
