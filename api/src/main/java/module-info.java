import org.jspecify.annotations.NullMarked;

/// Runs untrusted programs in microVMs.
@NullMarked
module io.vivarium.api {
    requires static org.jspecify;
    requires io.vivarium.snapshot;
    requires io.vivarium.guestimages;
    requires com.github.benmanes.caffeine;
    requires org.slf4j;
}
