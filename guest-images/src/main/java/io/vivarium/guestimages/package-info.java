/// Root file systems as immutable trees, and Vivarium's own guest kernel.
@NullMarked
package io.vivarium.guestimages;

import org.jspecify.annotations.NullMarked;
