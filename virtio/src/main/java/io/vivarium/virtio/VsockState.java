// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import java.nio.ByteBuffer;
import java.util.List;

/// What a [VirtioVsock] remembers. Who listens on the host's ports is the host's and not part of it.
///
/// @param guestCid the guest's context id
/// @param nextPort the port of the host from which one for the next connection is looked for
/// @param resetDue whether the driver is still to be told of a transport reset (virtio 1.2 §5.10.6.7)
/// @param refusals answers that wait for receive buffers, in their order
/// @param connections in no order
public record VsockState(
        long guestCid, int nextPort, boolean resetDue, List<Refusal> refusals, List<Connection> connections)
        implements DeviceState {
    /// Copies the lists.
    public VsockState {
        refusals = List.copyOf(refusals);
        connections = List.copyOf(connections);
    }

    /// A packet of the guest that is to be answered with `VIRTIO_VSOCK_OP_RST`.
    ///
    /// @param cid to which it was sent
    /// @param port to which it was sent
    /// @param guestPort from which it was sent
    /// @param type of its socket, whether there is such a type or not
    public record Refusal(long cid, int port, int guestPort, int type) {}

    /// A connection. Counters are of 32 bits, free-running, as in `struct virtio_vsock_hdr`.
    ///
    /// @param hostPort of the host's end
    /// @param guestPort of the guest's end
    /// @param phase how far it is
    /// @param due a bit for each packet that waits for a receive buffer: [VsockConnection] names them
    /// @param peerShutdown `VIRTIO_VSOCK_SHUTDOWN_F_…` of the guest
    /// @param shutdown `VIRTIO_VSOCK_SHUTDOWN_F_…` of the host
    /// @param sent bytes to the guest
    /// @param peerBufAlloc the guest's buffer space
    /// @param peerFwdCnt bytes of those sent that have left the guest's buffer
    /// @param window buffer space of the host
    /// @param toldBufAlloc of that, what the guest knows
    /// @param taken bytes that have left the host's buffer
    /// @param toldFwdCnt of those, what the guest knows
    /// @param buffered bytes from the guest that the host has not read
    public record Connection(
            int hostPort,
            int guestPort,
            VsockConnection.Phase phase,
            int due,
            int peerShutdown,
            int shutdown,
            int sent,
            int peerBufAlloc,
            int peerFwdCnt,
            int window,
            int toldBufAlloc,
            int taken,
            int toldFwdCnt,
            ByteBuffer buffered) {
        /// Copies the bytes.
        public Connection {
            buffered = ByteBuffer.allocate(buffered.remaining())
                    .put(buffered.duplicate())
                    .flip()
                    .asReadOnlyBuffer();
        }
    }
}
