// SPDX-License-Identifier: Apache-2.0
import org.jspecify.annotations.NullMarked;

/// Small programs that show Vivarium in use.
@NullMarked
module io.vivarium.samples {
    requires static transitive org.jspecify;
    requires io.vivarium.api;
    requires java.net.http;
    requires jdk.httpserver;
}
