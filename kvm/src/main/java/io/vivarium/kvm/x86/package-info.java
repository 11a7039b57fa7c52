/// The x86-64 state of a vCPU, as `linux/kvm.h` lays it out. No other package knows a register.
package io.vivarium.kvm.x86;
