// SPDX-License-Identifier: Apache-2.0
import org.jspecify.annotations.NullMarked;

/// What runs inside a microVM, as data: root file systems, guest kernels and their boot parameters, and the
/// protocol spoken with the agent in the guest. This module knows no KVM; it reads and writes bytes.
@NullMarked
module io.vivarium.guestimages {
    requires static org.jspecify;
    requires transitive java.net.http;
    requires org.tukaani.xz;

    exports io.vivarium.guestimages;
    exports io.vivarium.guestimages.boot;
    exports io.vivarium.guestimages.debian;
    exports io.vivarium.guestimages.erofs;
    exports io.vivarium.guestimages.fetch;
    exports io.vivarium.guestimages.oci;
    exports io.vivarium.guestimages.tar;
}
