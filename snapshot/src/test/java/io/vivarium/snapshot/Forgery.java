// SPDX-License-Identifier: Apache-2.0
package io.vivarium.snapshot;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;

/// Snapshot files by someone who knows the format: every digest fits, whatever the content is.
final class Forgery {
    static final int PRELUDE = 64;

    private static final byte[] MAGIC = {(byte) 0x89, 'V', 'I', 'V', '\r', '\n', 0x1a, '\n'};

    private Forgery() {}

    /// A file with a header and the memory that follows it.
    static byte[] file(byte[] header, byte[] memory) {
        int start = Math.ceilDiv(PRELUDE + header.length, 4096) * 4096;
        ByteBuffer file = ByteBuffer.allocate(start + memory.length).order(ByteOrder.LITTLE_ENDIAN);
        file.put(MAGIC).putInt(1).putInt(header.length).putLong(start).putLong(memory.length);
        byte[] digest = Digests.sha256(Arrays.copyOf(file.array(), 32), header);
        file.put(digest).put(header).position(start);
        return file.put(memory).array();
    }

    /// The section of the memory: one stretch, one run.
    static Consumer<StateWriter> memory(long address, long length, long runStart, long runLength, byte[] content) {
        return to -> to.section(
                "memory", 1, section -> section.list(List.of(address), (StateWriter each, Long start) -> each.u64(start)
                                .u64(length))
                        .text("")
                        .list(List.of(runStart), (StateWriter each, Long start) -> each.u64(start)
                                .u64(runLength))
                        .list(List.of(), (StateWriter _, Object _) -> {})
                        .bytes(Digests.sha256(content)));
    }
}
