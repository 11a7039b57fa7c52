/// KVM virtual machines: memory, vCPUs and the machine they make.
package io.vivarium.kvm;
