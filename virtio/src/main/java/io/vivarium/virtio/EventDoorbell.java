// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import io.vivarium.kvm.EventFd;
import io.vivarium.kvm.Vm;

/// Takes the notifications of one queue off the vCPU's thread: the guest's write to `QueueNotify` signals an eventfd
/// in the kernel (ioeventfd) and the guest goes on at once, while a thread of the owner, in [#run], has the device look
/// at the queue.
///
/// Without one, a queue is served *inline*, on the thread of the vCPU that notified of it: for a request that the
/// guest waits for, that is quicker by the wake-up of a thread. A doorbell is for a queue whose guest has better to do
/// meanwhile.
///
/// Notifications that come close together become one. The owner runs it on one platform thread, and closes it, and
/// waits for that thread to end, before it closes the machine. Thread-safe.
public final class EventDoorbell implements Runnable, AutoCloseable {
    private final Vm vm;
    private final long address;
    private final VirtioMmioTransport transport;
    private final int queue;
    private final EventFd event = new EventFd();
    private volatile boolean closed;

    /// Has writes signal from now on.
    ///
    /// @param vm of the guest
    /// @param window guest-physical address of the transport's window
    /// @param transport of the device
    /// @param queue index of one of its queues
    /// @throws io.vivarium.kvm.KvmException with `EEXIST` if the queue has a doorbell
    public EventDoorbell(Vm vm, long window, VirtioMmioTransport transport, int queue) {
        this.vm = vm;
        this.address = window + VirtioMmioTransport.QUEUE_NOTIFY;
        this.transport = transport;
        this.queue = queue;
        try {
            vm.notifyOnWrite(address, Integer.BYTES, queue, event);
        } catch (RuntimeException e) {
            event.close();
            throw e;
        }
    }

    /// Has the device look at its queue whenever the guest has notified of it, until this is closed.
    @Override
    public void run() {
        while (!closed) {
            try {
                event.await();
            } catch (IllegalStateException e) {
                if (closed) {
                    return;
                }
                throw e;
            }
            if (!closed) {
                transport.notified(queue);
            }
        }
    }

    /// Has the queue served inline again, and ends [#run]; a notification that was not yet looked at is looked at here.
    /// Idempotent.
    @Override
    public synchronized void close() {
        if (!closed) {
            vm.exitOnWrite(address, Integer.BYTES, queue, event);
            closed = true;
            event.close();
            transport.notified(queue);
        }
    }
}
