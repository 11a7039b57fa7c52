// SPDX-License-Identifier: Apache-2.0
package io.vivarium.snapshot;

import io.vivarium.virtio.BalloonState;
import io.vivarium.virtio.BlockState;
import io.vivarium.virtio.ConsoleState;
import io.vivarium.virtio.DeviceState;
import io.vivarium.virtio.MacAddress;
import io.vivarium.virtio.NetState;
import io.vivarium.virtio.QueueState;
import io.vivarium.virtio.RngState;
import io.vivarium.virtio.VirtioFault;
import io.vivarium.virtio.VirtioMmioState;
import io.vivarium.virtio.VsockConnection;
import io.vivarium.virtio.VsockState;
import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;

/// The states of virtio devices in a snapshot file. Each kind of device has a version of its own, to be counted up when
/// what is written of it changes.
final class DeviceStates {
    private static final int TRANSPORT_VERSION = 1;

    private DeviceStates() {}

    /// A kind of device.
    private enum Kind {
        BALLOON("balloon", 1),
        BLOCK("block", 1),
        CONSOLE("console", 1),
        NET("net", 1),
        RNG("rng", 1),
        VSOCK("vsock", 1);

        private final String section;
        private final int version;

        Kind(String section, int version) {
            this.section = section;
            this.version = version;
        }

        static Kind of(DeviceState state) {
            return switch (state) {
                case BalloonState _ -> BALLOON;
                case BlockState _ -> BLOCK;
                case ConsoleState _ -> CONSOLE;
                case NetState _ -> NET;
                case RngState _ -> RNG;
                case VsockState _ -> VSOCK;
            };
        }
    }

    static void write(StateWriter to, VirtioMmioState state) {
        Kind kind = Kind.of(state.device());
        to.text(kind.name());
        to.section(kind.section, kind.version, section -> device(section, state.device()));
        to.section("virtio-mmio", TRANSPORT_VERSION, section -> transport(section, state));
    }

    private static void transport(StateWriter to, VirtioMmioState state) {
        to.u32(state.status())
                .u64(state.driverFeatures())
                .u32(state.deviceFeaturesSel())
                .u32(state.driverFeaturesSel())
                .u32(state.queueSel())
                .u32(state.interruptStatus())
                .u64(state.continueQueues())
                .list(state.queues(), DeviceStates::queue);
        VirtioMmioState.FaultState fault = state.fault();
        to.flag(fault != null);
        if (fault != null) {
            to.text(fault.kind().name()).text(fault.detail());
        }
    }

    private static void queue(StateWriter to, QueueState queue) {
        to.u32(queue.size()).u64(queue.descriptorArea()).u64(queue.driverArea()).u64(queue.deviceArea());
        QueueState.Progress progress = queue.progress();
        to.flag(progress != null);
        if (progress != null) {
            to.u32(progress.nextAvailable()).u32(progress.nextUsed()).u32(progress.usedNotified());
        }
    }

    private static void device(StateWriter to, DeviceState state) {
        switch (state) {
            case BalloonState balloon ->
                to.u32(balloon.target())
                        .u32(balloon.actual())
                        .u32(balloon.poison())
                        .u32(balloon.configGeneration())
                        .u32(balloon.statisticsHead());
            case BlockState block -> to.u64(block.capacity()).flag(block.readOnly());
            case ConsoleState console ->
                to.u32(console.columns())
                        .u32(console.rows())
                        .u32(console.configGeneration())
                        .flag(console.driverReady())
                        .list(console.ports(), DeviceStates::port);
            case NetState net ->
                to.u64(net.mac().bits())
                        .u32(net.mtu())
                        .flag(net.linkUp())
                        .u32(net.configGeneration())
                        .flag(net.transmitWaiting());
            case RngState rng -> to.flag(rng.waiting());
            case VsockState vsock ->
                to.u64(vsock.guestCid())
                        .u32(vsock.nextPort())
                        .flag(vsock.resetDue())
                        .list(vsock.refusals(), DeviceStates::refusal)
                        .list(vsock.connections(), DeviceStates::connection);
        }
    }

    private static void port(StateWriter to, ConsoleState.Port port) {
        to.text(port.name())
                .flag(port.added())
                .flag(port.ready())
                .flag(port.toldOpen())
                .u32(port.messages())
                .flag(port.guestOpen());
        ConsoleState.PartlyRead sent = port.sent();
        to.flag(sent != null);
        if (sent != null) {
            to.u32(sent.head()).u64(sent.read());
        }
        to.u64(port.bytesFromGuest()).u64(port.bytesToGuest());
    }

    private static void refusal(StateWriter to, VsockState.Refusal refusal) {
        to.u64(refusal.cid()).u32(refusal.port()).u32(refusal.guestPort()).u32(refusal.type());
    }

    private static void connection(StateWriter to, VsockState.Connection connection) {
        byte[] buffered = new byte[connection.buffered().remaining()];
        connection.buffered().duplicate().get(buffered);
        to.u32(connection.hostPort())
                .u32(connection.guestPort())
                .text(connection.phase().name())
                .u32(connection.due())
                .u32(connection.peerShutdown())
                .u32(connection.shutdown())
                .u32(connection.sent())
                .u32(connection.peerBufAlloc())
                .u32(connection.peerFwdCnt())
                .u32(connection.window())
                .u32(connection.toldBufAlloc())
                .u32(connection.taken())
                .u32(connection.toldFwdCnt())
                .bytes(buffered);
    }

    static VirtioMmioState read(StateReader from) {
        Kind kind = kind(from);
        DeviceState device = from.section(kind.section, kind.version, section -> device(section, kind));
        return from.section("virtio-mmio", TRANSPORT_VERSION, section -> transport(section, device));
    }

    private static Kind kind(StateReader from) {
        try {
            return from.constant(Kind.class);
        } catch (IllegalArgumentException e) {
            throw StateReader.malformed("a device of no kind");
        }
    }

    private static VirtioMmioState transport(StateReader from, DeviceState device) {
        return new VirtioMmioState(
                from.u32(),
                from.u64(),
                from.u32(),
                from.u32(),
                from.u32(),
                from.u32(),
                from.u64(),
                from.list(DeviceStates::queue),
                fault(from),
                device);
    }

    private static VirtioMmioState.@Nullable FaultState fault(StateReader from) {
        return from.flag() ? new VirtioMmioState.FaultState(from.constant(VirtioFault.Kind.class), from.text()) : null;
    }

    private static QueueState queue(StateReader from) {
        return new QueueState(from.u32(), from.u64(), from.u64(), from.u64(), progress(from));
    }

    private static QueueState.@Nullable Progress progress(StateReader from) {
        return from.flag() ? new QueueState.Progress(from.u32(), from.u32(), from.u32()) : null;
    }

    private static DeviceState device(StateReader from, Kind kind) {
        return switch (kind) {
            case BALLOON -> new BalloonState(from.u32(), from.u32(), from.u32(), from.u32(), from.u32());
            case BLOCK -> new BlockState(from.u64(), from.flag());
            case CONSOLE ->
                new ConsoleState(from.u32(), from.u32(), from.u32(), from.flag(), from.list(DeviceStates::port));
            case NET -> new NetState(new MacAddress(from.u64()), from.u32(), from.flag(), from.u32(), from.flag());
            case RNG -> new RngState(from.flag());
            case VSOCK ->
                new VsockState(
                        from.u64(),
                        from.u32(),
                        from.flag(),
                        from.list(DeviceStates::refusal),
                        from.list(DeviceStates::connection));
        };
    }

    private static ConsoleState.Port port(StateReader from) {
        return new ConsoleState.Port(
                from.text(),
                from.flag(),
                from.flag(),
                from.flag(),
                from.u32(),
                from.flag(),
                from.flag() ? new ConsoleState.PartlyRead(from.u32(), from.u64()) : null,
                from.u64(),
                from.u64());
    }

    private static VsockState.Refusal refusal(StateReader from) {
        return new VsockState.Refusal(from.u64(), from.u32(), from.u32(), from.u32());
    }

    private static VsockState.Connection connection(StateReader from) {
        return new VsockState.Connection(
                from.u32(),
                from.u32(),
                from.constant(VsockConnection.Phase.class),
                from.u32(),
                from.u32(),
                from.u32(),
                from.u32(),
                from.u32(),
                from.u32(),
                from.u32(),
                from.u32(),
                from.u32(),
                from.u32(),
                ByteBuffer.wrap(from.bytes()));
    }
}
