/// Guest kernels and the boot protocol that starts them.
package io.vivarium.guestimages.boot;
