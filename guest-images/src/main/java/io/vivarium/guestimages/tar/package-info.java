/// Reading tar archives into root file systems.
@NullMarked
package io.vivarium.guestimages.tar;

import org.jspecify.annotations.NullMarked;
