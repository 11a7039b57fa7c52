// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import io.vivarium.DiskError;
import io.vivarium.virtio.BlockException;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Tells of what failed on one disk. A guest can have requests fail as often as it likes: only the first is a warning.
final class DiskErrors implements Consumer<BlockException> {
    private static final Logger LOG = LoggerFactory.getLogger("io.vivarium.Disk");

    private final String disk;
    private final Optional<Consumer<DiskError>> listener;
    private final AtomicBoolean warned = new AtomicBoolean();

    DiskErrors(String disk, Optional<Consumer<DiskError>> listener) {
        this.disk = disk;
        this.listener = listener;
    }

    @Override
    public void accept(BlockException exception) {
        DiskError.Reason reason =
                switch (exception.kind()) {
                    case TRUNCATED -> DiskError.Reason.TRUNCATED;
                    case NO_SPACE -> DiskError.Reason.NO_SPACE;
                    case MEMORY_LIMIT -> DiskError.Reason.MEMORY_LIMIT;
                    case IO -> DiskError.Reason.IO;
                    case STOPPED -> DiskError.Reason.STOPPED;
                };
        DiskError error = new DiskError(disk, reason, exception.detail());
        if (reason != DiskError.Reason.STOPPED && warned.compareAndSet(false, true)) {
            LOG.warn("disk {}; the guest sees an I/O error, as with those that follow", error, exception);
        } else {
            LOG.debug("disk {}", error);
        }
        try {
            listener.ifPresent(told -> told.accept(error));
        } catch (RuntimeException e) {
            LOG.error("the listener of disk {} failed", disk, e);
        }
    }
}
