/// Writing and checking EROFS images, the read-only file systems that guests map.
@NullMarked
package io.vivarium.guestimages.erofs;

import org.jspecify.annotations.NullMarked;
