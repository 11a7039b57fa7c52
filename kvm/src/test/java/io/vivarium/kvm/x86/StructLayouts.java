// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm.x86;

import java.lang.foreign.StructLayout;
import java.util.List;

/// The layouts of this package, for the test that compares them with the header's.
public final class StructLayouts {
    private StructLayouts() {}

    public static List<StructLayout> all() {
        return List.of(
                KvmRegs.LAYOUT,
                KvmSegment.LAYOUT,
                KvmDtable.LAYOUT,
                KvmSregs.LAYOUT,
                KvmFpu.LAYOUT,
                KvmDebugregs.LAYOUT,
                KvmMpState.LAYOUT,
                KvmXcr.LAYOUT,
                KvmXcrs.LAYOUT,
                KvmXsave.LAYOUT,
                KvmMsrs.LAYOUT,
                KvmMsrs.ENTRY,
                KvmVcpuEvents.LAYOUT,
                KvmClock.LAYOUT,
                CpuidEntries.LAYOUT,
                CpuidEntries.ENTRY,
                SyncRegs.LAYOUT);
    }
}
