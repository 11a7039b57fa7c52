import org.jspecify.annotations.NullMarked;

/// Virtio 1.2 over MMIO: the transport, the queues and the devices.
@NullMarked
module io.vivarium.virtio {
    requires static org.jspecify;
    requires transitive io.vivarium.kvm;
    requires org.slf4j;
}
