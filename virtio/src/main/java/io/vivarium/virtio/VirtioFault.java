// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

/// What a driver did that a device cannot go on from. The device stops and asks to be reset
/// (`DEVICE_NEEDS_RESET`), or the machine ends: see [FaultPolicy]. The guest alone causes it, and it never
/// harms the host.
public final class VirtioFault extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /// What was wrong. Sections are those of virtio 1.2.
    public enum Kind {
        /// A queue's size is zero, no power of two, or more than `QueueNumMax` (§2.7, §4.2.2.2).
        QUEUE_SIZE,
        /// An area of a queue does not start at a multiple of 16, 2 or 4 bytes (§2.7).
        QUEUE_AREA_ALIGNMENT,
        /// An area of a queue is not wholly in one region of guest memory, or its used ring cannot be
        /// written.
        QUEUE_AREA_ADDRESS,
        /// `avail.idx` moved back, or further than the queue has entries (§2.7.6).
        AVAILABLE_INDEX,
        /// The available ring names a descriptor that the table does not have.
        HEAD_INDEX,
        /// `next` names a descriptor that the table does not have.
        NEXT_INDEX,
        /// A chain has more descriptors than its queue, as one with a loop has (§2.7.5.3.1).
        CHAIN_LENGTH,
        /// A chain has more than 2^32 bytes (§2.7.5).
        CHAIN_BYTES,
        /// A buffer is not wholly in one region of guest memory.
        BUFFER_ADDRESS,
        /// A device-writable buffer is in memory that the guest itself may only read.
        BUFFER_READ_ONLY,
        /// A buffer without a byte.
        BUFFER_EMPTY,
        /// A device-readable descriptor follows a device-writable one (§2.7.4.2).
        READABLE_AFTER_WRITABLE,
        /// An indirect descriptor, though `VIRTIO_F_INDIRECT_DESC` was not negotiated (§2.7.5.3.1).
        INDIRECT_NOT_NEGOTIATED,
        /// An indirect descriptor in an indirect table (§2.7.5.3.1).
        INDIRECT_NESTED,
        /// A descriptor with both `INDIRECT` and `NEXT` (§2.7.5.3.1).
        INDIRECT_WITH_NEXT,
        /// An indirect table that is empty, or no multiple of 16 bytes.
        INDIRECT_TABLE_SIZE,
        /// An indirect table that is not wholly in one region of guest memory.
        INDIRECT_TABLE_ADDRESS,
        /// A device-readable buffer where the device writes, or the other way round (§5.3.6.1).
        BUFFER_DIRECTION,
        /// A console control message that is not 8 bytes long (§5.3.6.2).
        CONTROL_LENGTH,
        /// A buffer for a console control message that is too small for it.
        CONTROL_BUFFER,
        /// A console control message about a port that the device does not have.
        CONTROL_PORT,
        /// A console control message whose event no driver may send, or none has.
        CONTROL_EVENT,
        /// A console control message that was not its turn.
        CONTROL_ORDER,
        /// A vsock packet without a whole header, or with less payload than its header says (§5.10.6).
        PACKET_LENGTH,
        /// A vsock packet from another context id than the guest's own (§5.10.6.4).
        PACKET_SOURCE,
        /// More vsock payload than the host has given credit for, or credit for more than was sent (§5.10.6.3).
        PACKET_CREDIT,
        /// A vsock receive buffer without room for a header and a byte, or an event buffer without room for an
        /// event.
        PACKET_BUFFER,
        /// A block request without all of its header (§5.2.6).
        BLOCK_HEADER,
        /// A block request without a byte for its status (§5.2.6).
        BLOCK_STATUS,
        /// A request of page numbers for a balloon that is no multiple of 4 bytes, or has too many (§5.5.6).
        BALLOON_REQUEST_SIZE,
        /// A page number that is not in guest memory, or in memory that the guest may only read (§5.5.6).
        BALLOON_PAGE,
        /// A frame to transmit that has no whole header, or that asks for offloads that were not negotiated
        /// (§5.1.6.2.1).
        NET_HEADER,
        /// A frame to transmit that is shorter than an Ethernet header, or longer than the MTU allows (§5.1.6.2.1).
        NET_FRAME_LENGTH,
        /// A receive buffer without room for the header (§5.1.6.3.1).
        NET_BUFFER
    }

    private final Kind kind;
    private final String detail;

    /// @param kind what was wrong
    /// @param detail where, and with which values
    public VirtioFault(Kind kind, String detail) {
        super(kind + ": " + detail);
        this.kind = kind;
        this.detail = detail;
    }

    /// What was wrong.
    public Kind kind() {
        return kind;
    }

    /// Where, and with which values.
    public String detail() {
        return detail;
    }
}
