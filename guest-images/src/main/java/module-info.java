import org.jspecify.annotations.NullMarked;

/// What runs inside a microVM: the guest kernel, the agent protocol, image formats and their builders.
@NullMarked
module io.vivarium.guestimages {
    requires static org.jspecify;
    requires org.slf4j;
}
