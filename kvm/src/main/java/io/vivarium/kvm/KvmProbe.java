// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm;

import io.vivarium.kvm.x86.PrivilegeProbe;

/// Whether machines can run here, found out by trying.
public sealed interface KvmProbe {
    /// They can.
    ///
    /// @param kind how the host's KVM runs guest kernels
    record Ready(KvmKind kind) implements KvmProbe {}

    /// They cannot.
    sealed interface Unavailable extends KvmProbe {
        /// What is wrong, in a sentence.
        String reason();

        /// What to do about it, in a sentence.
        String remedy();
    }

    /// There is no KVM device.
    record Missing(String device) implements Unavailable {
        @Override
        public String reason() {
            return device + " is not there";
        }

        @Override
        public String remedy() {
            return "Load the kernel module (modprobe kvm_intel or kvm_amd), switch virtualization on in the firmware, "
                    + "or, in a container, pass the device in (--device " + device + ").";
        }
    }

    /// This user may not open the KVM device.
    record NoPermission(String device) implements Unavailable {
        @Override
        public String reason() {
            return "this user may not open " + device;
        }

        @Override
        public String remedy() {
            return "Add the user to the group that owns the device (usermod -aG kvm USER) and log in again.";
        }
    }

    /// The KVM speaks another version of its interface.
    record WrongVersion(int found) implements Unavailable {
        @Override
        public String reason() {
            return "KVM speaks API version " + found + ", not 12";
        }

        @Override
        public String remedy() {
            return "Use a Linux kernel from 2.6.22 on: all of them speak version 12.";
        }
    }

    /// The JVM runs on another system or architecture than Linux on x86-64.
    record WrongArchitecture(String found) implements Unavailable {
        @Override
        public String reason() {
            return "this is " + found + ", not Linux on x86-64";
        }

        @Override
        public String remedy() {
            return "Run on Linux on x86-64.";
        }
    }

    /// The KVM lacks something that every machine needs.
    record LacksCapability(Capability capability) implements Unavailable {
        @Override
        public String reason() {
            return "KVM lacks " + capability.symbol();
        }

        @Override
        public String remedy() {
            return "Use Linux 5.4 or newer.";
        }
    }

    /// The JVM denies native calls.
    record NativeAccessDenied(String message) implements Unavailable {
        @Override
        public String reason() {
            return message;
        }

        @Override
        public String remedy() {
            return "Start the JVM with the flag named there.";
        }
    }

    /// KVM is there and fails all the same.
    record Broken(String what) implements Unavailable {
        @Override
        public String reason() {
            return "KVM does not work: " + what;
        }

        @Override
        public String remedy() {
            return "Look into the kernel's log (dmesg).";
        }
    }

    /// Opens KVM and runs a handful of guest instructions. Takes a millisecond or two.
    static KvmProbe probe() {
        try (Kvm kvm = Kvm.open()) {
            return new Ready(PrivilegeProbe.kind(kvm));
        } catch (KvmUnavailableException e) {
            return e.unavailable();
        } catch (KvmException | IllegalStateException e) {
            return new Broken(String.valueOf(e.getMessage()));
        }
    }
}
