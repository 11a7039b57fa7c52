/// Guest kernels as ELF files, and the Linux x86 64-bit boot protocol.
@NullMarked
package io.vivarium.guestimages.boot;

import org.jspecify.annotations.NullMarked;
