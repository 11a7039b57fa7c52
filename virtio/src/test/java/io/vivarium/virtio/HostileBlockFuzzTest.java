// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import com.code_intelligence.jazzer.junit.FuzzTest;

/// Any requests to a block device cause statuses or named faults, and nothing else.
final class HostileBlockFuzzTest {
    @FuzzTest
    void requests(byte[] program) {
        HostileGuest.run(HostileBlock::new, program);
    }
}
