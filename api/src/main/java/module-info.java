// SPDX-License-Identifier: Apache-2.0
import org.jspecify.annotations.NullMarked;

/// Runs untrusted programs in microVMs.
///
/// Needs native access: `--enable-native-access=io.vivarium.kvm`.
@NullMarked
module io.vivarium.api {
    requires static transitive org.jspecify;
    requires io.vivarium.snapshot;
    requires io.vivarium.guestimages;
    requires com.github.benmanes.caffeine;
    requires org.slf4j;
    requires jdk.jfr;

    exports io.vivarium;
}
