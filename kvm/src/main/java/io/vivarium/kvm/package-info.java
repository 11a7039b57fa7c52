/// KVM machines: guest memory, vCPUs, the bus that devices sit on, and the loop that runs them.
@NullMarked
package io.vivarium.kvm;

import org.jspecify.annotations.NullMarked;
