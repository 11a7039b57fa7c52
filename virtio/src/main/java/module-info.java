// SPDX-License-Identifier: Apache-2.0
import org.jspecify.annotations.NullMarked;

/// Virtio 1.2 over MMIO: the transport, the queues and the devices.
@NullMarked
module io.vivarium.virtio {
    requires static transitive org.jspecify;
    requires transitive io.vivarium.kvm;
    requires jdk.jfr;

    exports io.vivarium.virtio;
}
