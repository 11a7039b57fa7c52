// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import com.code_intelligence.jazzer.junit.FuzzTest;

/// Any register access and any memory content cause named faults, and nothing else.
final class HostileGuestFuzzTest {
    @FuzzTest
    void transport(byte[] program) {
        HostileGuest.run(HostileConsole::new, program);
    }
}
