// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import com.code_intelligence.jazzer.junit.FuzzTest;

/// Any requests to a network device, in memory that changes under it, cause named faults, and nothing else.
final class NetFuzzTest {
    @FuzzTest
    void requests(byte[] program) {
        HostileGuest.run(HostileNet::new, program);
    }
}
