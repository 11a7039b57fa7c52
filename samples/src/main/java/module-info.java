import org.jspecify.annotations.NullMarked;

/// Small programs that show Vivarium in use.
@NullMarked
module io.vivarium.samples {
    requires static org.jspecify;
    requires io.vivarium.api;
}
