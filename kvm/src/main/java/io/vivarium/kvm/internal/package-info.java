/// System calls, the only native code that Vivarium enters.
package io.vivarium.kvm.internal;
