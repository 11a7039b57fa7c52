// SPDX-License-Identifier: Apache-2.0
package io.vivarium.snapshot;

import com.code_intelligence.jazzer.junit.FuzzTest;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/// Whatever a snapshot file says, and be its digests right, it is taken or refused by name, and nothing else happens.
class SnapshotFileFuzzTest {
    /// Below what the digests protect.
    @FuzzTest
    void anyFile(byte[] bytes) throws IOException {
        open(bytes);
    }

    /// A header with the digest that it needs.
    @FuzzTest
    void anyHeader(byte[] header) throws IOException {
        open(Forgery.file(header, new byte[4096]));
    }

    private static void open(byte[] bytes) throws IOException {
        Path path = Files.createTempFile("vivarium-fuzz-", ".snapshot");
        try {
            Files.write(path, bytes);
            try (SnapshotFile file = SnapshotFile.open(path)) {
                file.liesWithin(new long[] {0, 1L << 32}, new long[] {1L << 30, 1L << 33});
            }
        } catch (InvalidSnapshotFileException e) {
            require(e.getMessage() != null);
        } finally {
            Files.delete(path);
        }
    }

    /// The state of a device.
    @FuzzTest
    void anyDevice(byte[] bytes) {
        StateReader reader = new StateReader(bytes);
        try {
            StateWriter same = new StateWriter();
            DeviceStates.write(same, DeviceStates.read(reader));
            // What is accepted is written as it was read.
            byte[] written = same.toBytes();
            for (int i = 0; i < written.length; i++) {
                require(written[i] == bytes[i]);
            }
        } catch (InvalidSnapshotFileException e) {
            require(e.getMessage() != null);
        }
    }

    private static void require(boolean condition) {
        if (!condition) {
            throw new AssertionError("not as it was read");
        }
    }
}
