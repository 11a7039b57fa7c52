// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import java.nio.ByteBuffer;

/// The way to the guest's agent: a reliable, ordered stream of bytes.
interface AgentChannel {
    /// Sends as much as the guest has room for, without waiting. When that is not all, [FrameQueue#writable] is called
    /// once there is room again.
    ///
    /// @param bytes whose position moves
    /// @throws IllegalStateException if the channel is closed
    void write(ByteBuffer bytes);
}
