// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/// The example in the protocol's document is a conversation that the protocol allows.
class AgentProtocolDocumentTest {
    private static final Pattern HEX_LINE =
            Pattern.compile("(?m)^(host|guest| {4,5}) +((?:[0-9a-f]{2} {1,2})+|(?:[0-9a-f]{2} {1,2})*[0-9a-f]{2}$)");

    private record Frame(String sender, ByteBuffer bytes) {}

    @Test
    void theExampleIsMadeOfWholeFrames() throws IOException {
        String document = Files.readString(Path.of("docs/agent-protocol.md"));
        List<Frame> frames = frames(document.substring(document.indexOf("## An example")));

        List<String> seen = new ArrayList<>();
        for (Frame frame : frames) {
            ByteBuffer bytes = frame.bytes();
            assertThat(bytes.getInt(0)).as("length in %s", bytes).isEqualTo(bytes.remaining() - 12);
            assertThat(bytes.getShort(6)).isZero();
            seen.add("%s 0x%04x %d".formatted(frame.sender(), Short.toUnsignedInt(bytes.getShort(4)), bytes.getInt(8)));
        }

        assertThat(seen)
                .containsExactly(
                        "host 0x0001 0",
                        "guest 0x8001 0",
                        "host 0x0010 1",
                        "guest 0x8010 1",
                        "guest 0x8012 1",
                        "guest 0x8016 1");
        long nanos = frames.getFirst().bytes().getLong(16);
        assertThat(Instant.EPOCH.plus(Duration.ofNanos(nanos))).isEqualTo(Instant.parse("2026-01-01T00:00:00Z"));
    }

    private static List<Frame> frames(String example) {
        List<String> senders = new ArrayList<>();
        List<ByteArrayOutputStream> contents = new ArrayList<>();
        Matcher line = HEX_LINE.matcher(example);
        while (line.find()) {
            if (!line.group(1).isBlank()) {
                senders.add(line.group(1));
                contents.add(new ByteArrayOutputStream());
            }
            contents.getLast().writeBytes(HexFormat.of().parseHex(line.group(2).replace(" ", "")));
        }
        List<Frame> frames = new ArrayList<>();
        for (int i = 0; i < senders.size(); i++) {
            ByteBuffer bytes = ByteBuffer.wrap(contents.get(i).toByteArray()).order(ByteOrder.LITTLE_ENDIAN);
            frames.add(new Frame(senders.get(i), bytes));
        }
        return frames;
    }
}
