// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;

/// Keeps what it hears, as far as it has room.
final class RecordingListener implements PortListener {
    final ByteArrayOutputStream received = new ByteArrayOutputStream();
    int room = Integer.MAX_VALUE;
    int writable;
    int stateChanges;
    Runnable onReceived = () -> {};

    @Nullable
    RuntimeException failure;

    @Override
    public void received(GuestBytes bytes) {
        if (failure != null) {
            throw failure;
        }
        byte[] part = new byte[(int) Math.min(bytes.remaining(), room)];
        int length = bytes.read(part, 0, part.length);
        received.write(part, 0, length);
        room -= length;
        onReceived.run();
    }

    @Override
    public void writable() {
        writable++;
    }

    @Override
    public void stateChanged() {
        stateChanges++;
    }

    String text() {
        return received.toString(StandardCharsets.UTF_8);
    }
}
