import org.jspecify.annotations.NullMarked;

/// The state of a machine: saved, restored, cloned, reset.
@NullMarked
module io.vivarium.snapshot {
    requires static org.jspecify;
    requires transitive io.vivarium.virtio;
    requires org.slf4j;
}
