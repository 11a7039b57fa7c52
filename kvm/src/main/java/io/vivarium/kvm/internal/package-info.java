/// The system calls of Linux.
@NullMarked
package io.vivarium.kvm.internal;

import org.jspecify.annotations.NullMarked;
