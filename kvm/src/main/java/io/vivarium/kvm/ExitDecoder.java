// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm;

import io.vivarium.kvm.internal.KvmExit;
import java.util.Arrays;
import java.util.HexFormat;

/// Reads an exit out of `struct kvm_run`, for the exits that are rare enough to become objects.
final class ExitDecoder {
    private ExitDecoder() {}

    /// Reads the last exit.
    static VcpuExit decode(KvmRun run) {
        int reason = run.exitReason();
        return switch (reason) {
            case KvmExit.KVM_EXIT_UNKNOWN -> new VcpuExit.UnknownHardware(run.hardwareExitReason());
            case KvmExit.KVM_EXIT_EXCEPTION -> new VcpuExit.GuestException(run.exception(), run.exceptionErrorCode());
            case KvmExit.KVM_EXIT_IO ->
                new VcpuExit.Io(
                        run.ioDirection() == KvmExit.KVM_EXIT_IO_OUT, run.ioPort(), run.ioSize(), run.ioCount());
            case KvmExit.KVM_EXIT_HYPERCALL -> new VcpuExit.Hypercall(run.hypercallNr());
            case KvmExit.KVM_EXIT_DEBUG -> new VcpuExit.Debug();
            case KvmExit.KVM_EXIT_HLT -> new VcpuExit.Hlt();
            case KvmExit.KVM_EXIT_MMIO ->
                new VcpuExit.Mmio(run.mmioIsWrite(), run.mmioPhysAddr(), run.mmioLen(), run.mmioData());
            case KvmExit.KVM_EXIT_IRQ_WINDOW_OPEN -> new VcpuExit.IrqWindowOpen();
            case KvmExit.KVM_EXIT_SHUTDOWN -> new VcpuExit.Shutdown();
            case KvmExit.KVM_EXIT_FAIL_ENTRY -> new VcpuExit.FailEntry(run.entryFailureReason(), run.entryFailureCpu());
            case KvmExit.KVM_EXIT_INTR -> new VcpuExit.Intr();
            case KvmExit.KVM_EXIT_NMI -> new VcpuExit.Nmi();
            case KvmExit.KVM_EXIT_INTERNAL_ERROR -> decodeInternalError(run);
            case KvmExit.KVM_EXIT_SYSTEM_EVENT -> new VcpuExit.SystemEvent(run.systemEventType());
            case KvmExit.KVM_EXIT_X86_RDMSR -> new VcpuExit.Msr(false, run.msrIndex(), 0);
            case KvmExit.KVM_EXIT_X86_WRMSR -> new VcpuExit.Msr(true, run.msrIndex(), run.msrData());
            case KvmExit.KVM_EXIT_X86_BUS_LOCK -> new VcpuExit.BusLock();
            case KvmExit.KVM_EXIT_NOTIFY -> new VcpuExit.Notify(run.notifyFlags());
            default -> new VcpuExit.Unknown(reason);
        };
    }

    private static VcpuExit decodeInternalError(KvmRun run) {
        int suberror = run.internalSuberror();
        long[] data = run.internalData();
        if (suberror == KvmExit.KVM_INTERNAL_ERROR_EMULATION && run.hasFailedInstruction()) {
            return new VcpuExit.KvmInternalError(
                    suberror, HexFormat.ofDelimiter(" ").formatHex(run.emulationFailureInstruction()));
        }
        return new VcpuExit.KvmInternalError(
                suberror,
                String.join(" ", Arrays.stream(data).mapToObj(Long::toHexString).toList()));
    }
}
