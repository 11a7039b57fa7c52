// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm;

import java.util.List;
import org.jspecify.annotations.Nullable;

/// Why a machine failed, and what its vCPU was at.
///
/// @param vcpu index of the vCPU
/// @param reason what happened, in words
/// @param registers its registers, several to a line, or why they could not be read
/// @param instruction the bytes at its instruction pointer, in hexadecimal, or why they could not be read
/// @param lastConsoleLines what the guest last wrote to its console
/// @param cause what a device threw, if that was it
public record MachineReport(
        int vcpu,
        String reason,
        String registers,
        String instruction,
        List<String> lastConsoleLines,
        @Nullable Throwable cause) {
    /// Copies the lines.
    public MachineReport {
        lastConsoleLines = List.copyOf(lastConsoleLines);
    }

    /// The report as text of several lines.
    @Override
    public String toString() {
        StringBuilder text = new StringBuilder();
        text.append("vCPU ").append(vcpu).append(": ").append(reason).append('\n');
        text.append(registers).append('\n');
        text.append("instruction: ").append(instruction);
        if (!lastConsoleLines.isEmpty()) {
            text.append("\nlast lines of the console:");
            lastConsoleLines.forEach(line -> text.append("\n  ").append(line));
        }
        return text.toString();
    }
}
