// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm.x86;

import java.lang.foreign.MemorySegment;

/// A structure that holds a part of a vCPU's state; [io.vivarium.kvm.Vcpu#read] and
/// [io.vivarium.kvm.Vcpu#write] move it.
///
/// Sealed, because KVM takes on trust that the memory is as long as the request and the counts in it say.
public sealed interface VcpuStruct
        permits KvmDebugregs, KvmFpu, KvmMpState, KvmMsrs, KvmRegs, KvmSregs, KvmVcpuEvents, KvmXcrs, KvmXsave {
    /// The bytes as KVM reads and writes them.
    MemorySegment segment();

    /// The request that reads it (`linux/kvm.h`).
    long getRequest();

    /// The request that writes it (`linux/kvm.h`).
    long setRequest();

    /// Looks at what the request returned.
    ///
    /// @param request the request that was made
    /// @param result what it returned, zero or more
    /// @throws IllegalStateException if KVM did only a part of it
    default void completed(long request, int result) {}
}
