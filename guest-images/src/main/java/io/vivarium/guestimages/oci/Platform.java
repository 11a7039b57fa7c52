// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.oci;

import io.vivarium.guestimages.json.JsonException;
import io.vivarium.guestimages.json.JsonReader;

/// What an image's programs run on, in Go's names.
///
/// @param os such as `linux`
/// @param architecture such as `amd64`
/// @param variant such as `v2`; may be empty
record Platform(String os, String architecture, String variant) {
    /// What guests run.
    static final Platform GUEST = new Platform("linux", "amd64", "");

    static Platform read(JsonReader json) throws JsonException {
        return new Platform(
                json.requiredText("os"),
                json.requiredText("architecture"),
                json.text("variant").orElse(""));
    }

    /// Whether guests run it. Variants of amd64 (`v2` …) need processors that a host may not have.
    boolean runsInGuests() {
        return os.equals(GUEST.os)
                && architecture.equals(GUEST.architecture)
                && (variant.isEmpty() || variant.equals("v1"));
    }

    @Override
    public String toString() {
        return os + "/" + architecture + (variant.isEmpty() ? "" : "/" + variant);
    }
}
