// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// 64 MiB each way at the same time: the guest's vCPU on one thread, a writer and a slow reader of the host
/// on others, and buffers much smaller than what goes through them.
@Timeout(value = 120, unit = TimeUnit.SECONDS, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
final class ConsoleThreadsTest {
    private static final long BYTES = 64L << 20;
    private static final int BUFFER = 4096;
    private static final int QUEUE = 16;

    /// Bytes that differ from place to place, and can be made anywhere.
    private static void pattern(byte[] target, int length, long position) {
        for (int i = 0; i < length; i++) {
            long x = (position + i) * 0x9e37_79b9_7f4a_7c15L;
            target[i] = (byte) (x >>> 56);
        }
    }

    private static long expectedChecksum() {
        CRC32C crc = new CRC32C();
        byte[] part = new byte[1 << 16];
        for (long position = 0; position < BYTES; position += part.length) {
            pattern(part, part.length, position);
            crc.update(part);
        }
        return crc.getValue();
    }

    /// A host's pipe: bounded, filled by the vCPU, emptied by a reader that then says so.
    private static final class Pipe implements PortListener {
        final Semaphore writable = new Semaphore(0);
        private final byte[] held = new byte[3000]; // less than a buffer of the guest
        private int length;
        private boolean leftSome;

        @Override
        public synchronized void received(GuestBytes bytes) {
            length += bytes.read(held, length, held.length - length);
            leftSome = bytes.remaining() > 0;
            notifyAll();
        }

        @Override
        public void writable() {
            writable.release();
        }

        /// Takes all there is; whether the port is to be resumed.
        synchronized boolean take(CRC32C crc, long[] total) throws InterruptedException {
            while (length == 0) {
                wait();
            }
            crc.update(held, 0, length);
            total[0] += length;
            length = 0;
            boolean resume = leftSome;
            leftSome = false;
            return resume;
        }
    }

    @ParameterizedTest
    @ValueSource(longs = {0, DriverHarness.EVENT_IDX})
    void everyByteArrivesInOrder(long features) throws InterruptedException {
        VirtioConsole console = VirtioConsole.builder().port("stream").build();
        ConsolePort port = console.port("stream");
        Pipe pipe = new Pipe();
        port.connect(pipe);
        Queue<Throwable> failures = new ConcurrentLinkedQueue<>();
        AtomicBoolean abandoned = new AtomicBoolean();
        long[] readByHost = new long[1];
        CRC32C readByHostChecksum = new CRC32C();

        try (ConsoleDriver driver = new ConsoleDriver(console)) {
            driver.start(2, QUEUE, features);
            driver.handshake(2);
            Guest guest = new Guest(driver, abandoned);
            Thread vcpu = thread("vcpu", failures, guest::run);
            Thread writer = thread("writer", failures, () -> write(port, pipe));
            Thread reader = thread("reader", failures, () -> {
                while (readByHost[0] < BYTES) {
                    if (pipe.take(readByHostChecksum, readByHost)) {
                        port.resume();
                    }
                }
            });
            for (Thread thread : new Thread[] {vcpu, writer, reader}) {
                try {
                    thread.join();
                } finally {
                    if (!failures.isEmpty()) {
                        abandoned.set(true);
                        vcpu.interrupt();
                        writer.interrupt();
                        reader.interrupt();
                    }
                }
            }
            assertThat(failures).isEmpty();
            assertThat(driver.driver.transport.fault()).isNull();
            assertThat(readByHost[0]).isEqualTo(BYTES);
            assertThat(guest.received).isEqualTo(BYTES);
            long expected = expectedChecksum();
            assertThat(readByHostChecksum.getValue()).isEqualTo(expected);
            assertThat(guest.checksum.getValue()).isEqualTo(expected);
            assertThat(port.bytesFromGuest()).isEqualTo(BYTES);
            assertThat(port.bytesToGuest()).isEqualTo(BYTES);
        }
    }

    private interface Body {
        void run() throws InterruptedException;
    }

    private static Thread thread(String name, Queue<Throwable> failures, Body body) {
        return Thread.ofPlatform().name(name).start(() -> {
            try {
                body.run();
            } catch (InterruptedException | RuntimeException | AssertionError e) {
                failures.add(e);
            }
        });
    }

    private static void write(ConsolePort port, Pipe pipe) throws InterruptedException {
        byte[] part = new byte[10_000];
        MemorySegment segment = MemorySegment.ofArray(part);
        for (long position = 0; position < BYTES; ) {
            int length = (int) Math.min(part.length, BYTES - position);
            pattern(part, length, position);
            long done = port.write(segment, 0, length);
            while (done < length) {
                pipe.writable.acquire();
                done += port.write(segment, done, length - done);
            }
            position += length;
        }
    }

    /// One vCPU: it does what it can, and halts until it is interrupted.
    private static final class Guest {
        final CRC32C checksum = new CRC32C();
        long received;
        private final ConsoleDriver driver;
        private final AtomicBoolean abandoned;
        private final DriverQueue rx;
        private final DriverQueue tx;
        private final long[] receiveBuffers = new long[QUEUE];
        private final long[] sendBuffers = new long[QUEUE];
        private final byte[] part = new byte[BUFFER];
        private long sent;

        Guest(ConsoleDriver driver, AtomicBoolean abandoned) {
            this.driver = driver;
            this.abandoned = abandoned;
            rx = driver.driver.queue(ConsoleDriver.rx(1));
            tx = driver.driver.queue(ConsoleDriver.tx(1));
            for (int i = 0; i < QUEUE; i++) {
                receiveBuffers[i] = driver.driver.ram.allocate(BUFFER);
                sendBuffers[i] = driver.driver.ram.allocate(BUFFER);
            }
        }

        void run() throws InterruptedException {
            boolean eventIdx = driver.driver.eventIdx();
            provide();
            while (received < BYTES || sent < BYTES || tx.freeDescriptors() < QUEUE) {
                if (abandoned.get()) {
                    throw new AssertionError("abandoned");
                }
                boolean took = takeReceived();
                boolean reaped = reapSent();
                boolean progress = sendMore() || took || reaped;
                if (!progress && !rx.enableInterrupts(eventIdx) && !tx.enableInterrupts(eventIdx)) {
                    driver.driver.interrupts.acquire();
                    driver.driver.interrupts.drainPermits();
                    driver.driver.acknowledge();
                }
            }
        }

        private void provide() {
            while (rx.freeDescriptors() > 0) {
                // The descriptor that is free next names the buffer.
                int next = rx.nextFree();
                rx.add(DriverQueue.Buffer.writable(receiveBuffers[next], BUFFER));
            }
            driver.driver.kickIfWanted(ConsoleDriver.rx(1));
        }

        private boolean takeReceived() {
            boolean any = false;
            for (DriverQueue.Used used = rx.poll(); used != null; used = rx.poll()) {
                int length = (int) used.written();
                MemorySegment.copy(
                        driver.driver.ram.ram(), ValueLayout.JAVA_BYTE, receiveBuffers[used.head()], part, 0, length);
                checksum.update(part, 0, length);
                received += length;
                any = true;
            }
            if (any) {
                provide();
            }
            return any;
        }

        private boolean reapSent() {
            boolean any = false;
            while (tx.poll() != null) {
                any = true;
            }
            return any;
        }

        private boolean sendMore() {
            boolean any = false;
            while (sent < BYTES && tx.freeDescriptors() > 0) {
                int length = (int) Math.min(BUFFER - sent % 77, BYTES - sent);
                pattern(part, length, sent);
                long buffer = sendBuffers[tx.nextFree()];
                MemorySegment.copy(part, 0, driver.driver.ram.ram(), ValueLayout.JAVA_BYTE, buffer, length);
                tx.add(DriverQueue.Buffer.readable(buffer, length));
                sent += length;
                any = true;
            }
            if (any) {
                driver.driver.kickIfWanted(ConsoleDriver.tx(1));
            }
            return any;
        }
    }
}
