// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

/// How much of its memory a guest uses, as its kernel says.
///
/// @param total bytes that programs and files share; less than [SandboxSpec#memory] by what the kernel itself takes
/// @param available bytes of it that are free, or become free when they are needed
public record MemoryUsage(long total, long available) {
    /// Bytes that programs and files hold.
    public long used() {
        return total - available;
    }
}
