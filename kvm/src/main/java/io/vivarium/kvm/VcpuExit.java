// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm;

import io.vivarium.kvm.internal.KvmExit;

/// What `KVM_RUN` reported: one record per `exit_reason` that KVM has on x86 (`linux/kvm.h`).
public sealed interface VcpuExit {
    /// The exit in words.
    String describe();

    /// `KVM_EXIT_UNKNOWN`: KVM itself does not know why.
    record UnknownHardware(long hardwareReason) implements VcpuExit {
        @Override
        public String describe() {
            return "KVM does not know why the CPU left the guest: hardware reason 0x%x".formatted(hardwareReason);
        }
    }

    /// `KVM_EXIT_EXCEPTION`: an exception that KVM hands on.
    record GuestException(int vector, int errorCode) implements VcpuExit {
        @Override
        public String describe() {
            return "exception %d, error code 0x%x".formatted(vector, errorCode);
        }
    }

    /// `KVM_EXIT_IO`: port I/O.
    record Io(boolean out, int port, int size, int count) implements VcpuExit {
        @Override
        public String describe() {
            return "%s port 0x%x, %d x %d bytes".formatted(out ? "out to" : "in from", port, count, size);
        }
    }

    /// `KVM_EXIT_MMIO`: an access to a guest-physical address that is not writable memory.
    record Mmio(boolean write, long address, int length, long data) implements VcpuExit {
        @Override
        public String describe() {
            return write
                    ? "write of 0x%x, %d bytes, to guest-physical 0x%x".formatted(data, length, address)
                    : "read of %d bytes from guest-physical 0x%x".formatted(length, address);
        }
    }

    /// `KVM_EXIT_HYPERCALL`: a hypercall that KVM hands on.
    record Hypercall(long number) implements VcpuExit {
        @Override
        public String describe() {
            return "hypercall %d".formatted(number);
        }
    }

    /// `KVM_EXIT_DEBUG`: a breakpoint or single step.
    record Debug() implements VcpuExit {
        @Override
        public String describe() {
            return "debug exception";
        }
    }

    /// `KVM_EXIT_HLT`: the guest waits for an interrupt.
    record Hlt() implements VcpuExit {
        @Override
        public String describe() {
            return "hlt";
        }
    }

    /// `KVM_EXIT_IRQ_WINDOW_OPEN`: the guest can take an interrupt now.
    record IrqWindowOpen() implements VcpuExit {
        @Override
        public String describe() {
            return "interrupt window open";
        }
    }

    /// `KVM_EXIT_SHUTDOWN`: triple fault.
    record Shutdown() implements VcpuExit {
        @Override
        public String describe() {
            return "triple fault";
        }
    }

    /// `KVM_EXIT_FAIL_ENTRY`: the CPU refuses the guest's state.
    record FailEntry(long hardwareReason, int cpu) implements VcpuExit {
        @Override
        public String describe() {
            return "the CPU refuses to enter the guest: hardware reason 0x%x on CPU %d".formatted(hardwareReason, cpu);
        }
    }

    /// `KVM_EXIT_INTR`: a signal arrived.
    record Intr() implements VcpuExit {
        @Override
        public String describe() {
            return "signal";
        }
    }

    /// `KVM_EXIT_NMI`: a non-maskable interrupt of the host.
    record Nmi() implements VcpuExit {
        @Override
        public String describe() {
            return "NMI of the host";
        }
    }

    /// `KVM_EXIT_INTERNAL_ERROR`: KVM gives up.
    ///
    /// @param data what KVM added, in hexadecimal
    record KvmInternalError(int suberror, String data) implements VcpuExit {
        @Override
        public String describe() {
            String what =
                    switch (suberror) {
                        case KvmExit.KVM_INTERNAL_ERROR_EMULATION -> "cannot emulate an instruction";
                        case KvmExit.KVM_INTERNAL_ERROR_SIMUL_EX -> "met exceptions at the same time";
                        case KvmExit.KVM_INTERNAL_ERROR_DELIVERY_EV -> "failed to deliver an event";
                        case KvmExit.KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON -> "met an unexpected exit reason";
                        default -> "failed with suberror " + suberror;
                    };
            return "KVM " + what + (data.isEmpty() ? "" : ": " + data);
        }
    }

    /// `KVM_EXIT_SYSTEM_EVENT`: the guest asked the platform for something.
    record SystemEvent(int type) implements VcpuExit {
        @Override
        public String describe() {
            return "system event " + type;
        }
    }

    /// `KVM_EXIT_X86_RDMSR` or `KVM_EXIT_X86_WRMSR`: an MSR that KVM hands on.
    record Msr(boolean write, int index, long data) implements VcpuExit {
        @Override
        public String describe() {
            return write ? "wrmsr 0x%x = 0x%x".formatted(index, data) : "rdmsr 0x%x".formatted(index);
        }
    }

    /// `KVM_EXIT_X86_BUS_LOCK`: the guest locked the bus.
    record BusLock() implements VcpuExit {
        @Override
        public String describe() {
            return "bus lock";
        }
    }

    /// `KVM_EXIT_NOTIFY`: the guest kept the CPU from taking events.
    record Notify(int flags) implements VcpuExit {
        @Override
        public String describe() {
            return "no event window in the guest for too long, flags 0x%x".formatted(flags);
        }
    }

    /// Any other reason.
    record Unknown(int reason) implements VcpuExit {
        @Override
        public String describe() {
            return "exit reason " + reason;
        }
    }
}
