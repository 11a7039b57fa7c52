// SPDX-License-Identifier: Apache-2.0
import org.jspecify.annotations.NullMarked;

/// The state of machines, kept apart from the machines that have it.
@NullMarked
module io.vivarium.snapshot {
    requires static transitive org.jspecify;
    requires transitive io.vivarium.virtio;

    exports io.vivarium.snapshot;
}
