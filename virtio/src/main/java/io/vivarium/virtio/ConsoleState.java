// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import java.util.List;
import org.jspecify.annotations.Nullable;

/// What a [VirtioConsole] remembers. Listeners are the host's and not part of it: after a restore a
/// port waits for one as a new port does, and the guest is told only if the host's side then differs
/// from what it was told last.
///
/// @param columns 0 if the console has no size
/// @param rows 0 if the console has no size
/// @param configGeneration changes with the size
/// @param driverReady whether the driver has said that it can have ports
/// @param ports by their number
public record ConsoleState(int columns, int rows, int configGeneration, boolean driverReady, List<Port> ports)
        implements DeviceState {
    /// Copies the list.
    public ConsoleState {
        ports = List.copyOf(ports);
    }

    /// A port.
    ///
    /// @param name by which the guest finds it
    /// @param added whether the driver was told of the port
    /// @param ready whether the driver has said that it has the port
    /// @param toldOpen whether the driver was told last that the host has the port open
    /// @param messages a bit for each control message that the driver is to be sent (virtio 1.2 §5.3.6.2)
    /// @param guestOpen whether the guest has the port open
    /// @param sent the request of the guest that its listener has not yet read to its end; null if there is none
    /// @param bytesFromGuest so far
    /// @param bytesToGuest so far
    public record Port(
            String name,
            boolean added,
            boolean ready,
            boolean toldOpen,
            int messages,
            boolean guestOpen,
            @Nullable PartlyRead sent,
            long bytesFromGuest,
            long bytesToGuest) {}

    /// A request of which a part was read.
    ///
    /// @param head the descriptor that it begins with
    /// @param read bytes
    public record PartlyRead(int head, long read) {}
}
