// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import com.code_intelligence.jazzer.junit.FuzzTest;
import io.vivarium.snapshot.InvalidSnapshotFileException;

/// What a file says of ready-made processes is anyone's making: it is read as it would be written, or refused.
class SavedProcessFuzzTest {
    @FuzzTest
    void anyBytesAreReadOrRefused(byte[] bytes) {
        try {
            SavedProcess read = SavedProcessTest.read(bytes);
            SavedProcess again = SavedProcessTest.read(SavedProcessTest.bytes(read));
            if (!again.command().equals(read.command())) {
                throw new AssertionError("read otherwise than written: " + read);
            }
        } catch (InvalidSnapshotFileException | IllegalArgumentException e) {
            // Refused.
        }
    }
}
