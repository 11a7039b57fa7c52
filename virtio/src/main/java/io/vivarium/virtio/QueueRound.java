// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import org.jspecify.annotations.Nullable;

/// Serves the requests of one queue whose every request can be served at once: at most one round of the queue
/// at a time, so that a notification costs a bounded time, and no faster than a [RateLimiter] admits.
///
/// Guarded by the device's lock. Makes no objects per request.
final class QueueRound {
    /// Serves a request.
    interface Server {
        /// Reads what is to be read of a request, and writes what is to be written; it is given back to the
        /// driver afterwards.
        ///
        /// @throws VirtioFault if it is not as it must be
        void serve(VirtQueue queue, DescriptorChain request);
    }

    private final RateLimiter limiter;
    private final Server server;
    private @Nullable DescriptorChain request;
    private boolean waiting;

    /// @param limiter asked before a request is taken, and charged with the bytes it moved
    /// @param server serves each request
    QueueRound(RateLimiter limiter, Server server) {
        this.limiter = limiter;
        this.server = server;
    }

    /// Serves what is available.
    void run(VirtQueue queue, VirtioTransport transport) {
        DescriptorChain chain = request;
        if (chain == null) {
            chain = queue.newChain();
            request = chain;
        }
        try {
            run(queue, transport, chain);
        } finally {
            transport.notifyUsed(queue);
        }
    }

    private void run(VirtQueue queue, VirtioTransport transport, DescriptorChain chain) {
        waiting = false;
        for (int budget = queue.size(); budget > 0; budget--) {
            if (!queue.isAvailable() && !queue.enableNotifications()) {
                return;
            }
            waiting = !limiter.admits();
            if (waiting) {
                queue.disableNotifications();
                return;
            }
            queue.pop(chain);
            server.serve(queue, chain);
            if (transport.queue(queue.index()) != queue) {
                return; // The device failed meanwhile.
            }
            limiter.charge(chain.wasRead() + chain.written());
            queue.push(chain);
        }
        if (queue.enableNotifications()) {
            transport.continueLater(queue);
        }
    }

    /// The time has come for which the limiter had it wait.
    ///
    /// @param queue null if there is none any more
    /// @param transport null if there is no driver any more
    void resume(@Nullable VirtQueue queue, @Nullable VirtioTransport transport) {
        limiter.resumed();
        if (waiting && queue != null && transport != null) {
            try {
                run(queue, transport);
            } catch (VirtioFault e) {
                transport.fail(e);
            }
        }
    }

    /// Whether requests may be waiting for the limiter, of which the driver has notified already.
    boolean isWaiting() {
        return waiting;
    }

    /// Goes on where another was. Its limiter is full again: so it need not wait.
    void restore(boolean wasWaiting, @Nullable VirtQueue queue, @Nullable VirtioTransport transport) {
        if (wasWaiting && queue != null && transport != null) {
            run(queue, transport);
        }
    }

    /// The driver has taken the queue back.
    void stopped() {
        request = null;
        waiting = false;
    }
}
