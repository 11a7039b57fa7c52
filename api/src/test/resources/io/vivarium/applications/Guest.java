// SPDX-License-Identifier: Apache-2.0
// Threads, garbage collection, the compilers and the libraries of a JVM.
import java.io.*;
import java.net.*;
import java.nio.ByteBuffer;
import java.nio.channels.*;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.security.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.concurrent.atomic.*;
import java.util.stream.*;
import java.util.zip.*;

public class Guest {
    static volatile Object sink;

    public static void main(String[] args) throws Exception {
        System.out.println("== language");
        System.out.println(IntStream.rangeClosed(1, 20).mapToObj(Integer::toString).collect(Collectors.joining(",")));
        System.out.printf("%.10f %s %x%n", Math.sin(1), new java.math.BigInteger("2").pow(200), 48879);
        System.out.println("grüße".toUpperCase(Locale.ROOT) + " " + java.time.Instant.ofEpochSecond(86400) + " " + String.join("|", new TreeMap<>(Map.of("b", 1, "a", 2)).keySet()));

        System.out.println("== threads");
        AtomicLong total = new AtomicLong();
        try (ExecutorService pool = Executors.newFixedThreadPool(8)) {
            List<Future<Long>> parts = new ArrayList<>();
            for (int t = 0; t < 8; t++) {
                int start = t * 100_000;
                parts.add(pool.submit(() -> {
                    long sum = 0;
                    for (int i = start; i < start + 100_000; i++) { sum += i; total.incrementAndGet(); }
                    return sum;
                }));
            }
            long sum = 0;
            for (Future<Long> part : parts) sum += part.get();
            System.out.println(sum + " " + total.get());
        }
        try (ExecutorService virtual = Executors.newVirtualThreadPerTaskExecutor()) {
            System.out.println(virtual.invokeAll(Collections.<Callable<Integer>>nCopies(1000, () -> { Thread.sleep(1); return 1; })).stream().mapToInt(f -> f.resultNow()).sum());
        }
        SynchronousQueue<String> hand = new SynchronousQueue<>();
        Thread giver = new Thread(() -> { try { hand.put("handed over"); } catch (InterruptedException e) { throw new IllegalStateException(e); } });
        giver.start();
        System.out.println(hand.take());
        giver.join();
        Thread sleeper = new Thread(() -> { try { Thread.sleep(60_000); } catch (InterruptedException e) { System.out.println("interrupted"); } });
        sleeper.start();
        sleeper.interrupt();
        sleeper.join();
        Object monitor = new Object();
        synchronized (monitor) { monitor.wait(10); }
        System.out.println(LongStream.range(0, 1_000_000).parallel().filter(n -> n % 3 == 0).count());

        System.out.println("== garbage");
        Map<Integer, byte[]> kept = new HashMap<>();
        for (int i = 0; i < 20_000; i++) {
            byte[] block = new byte[16 << 10];
            block[i % block.length] = 1;
            kept.put(i % 500, block);
            sink = block;
        }
        System.gc();
        System.out.println(kept.size() + " " + (Runtime.getRuntime().totalMemory() > 0));
        try {
            List<byte[]> hoard = new ArrayList<>();
            while (true) hoard.add(new byte[8 << 20]);
        } catch (OutOfMemoryError e) {
            System.out.println("OutOfMemoryError");
        }

        System.out.println("== traps of the compiler's making");
        int nulls = 0, zeros = 0;
        for (int i = 0; i < 20_000; i++) {
            try { length(i % 2 == 0 ? null : "abc"); } catch (NullPointerException e) { nulls++; }
            try { divide(i, i % 2); } catch (ArithmeticException e) { zeros++; }
        }
        System.out.println(nulls + " " + zeros);
        try { recurse(0); } catch (StackOverflowError e) { System.out.println("StackOverflowError"); }

        System.out.println("== libraries");
        Path directory = Files.createTempDirectory("guest");
        Path file = Files.writeString(directory.resolve("file"), "text".repeat(10_000));
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE); FileLock lock = channel.lock()) {
            ByteBuffer mapped = channel.map(FileChannel.MapMode.READ_WRITE, 0, channel.size());
            mapped.put(0, (byte) 'T');
            System.out.println(channel.size() + " " + lock.isValid() + " " + Files.readString(file).substring(0, 4));
        }
        MessageDigest sha = MessageDigest.getInstance("SHA-256");
        System.out.println(HexFormat.of().formatHex(sha.digest(Files.readAllBytes(file))));
        CRC32C crc = new CRC32C();
        crc.update(Files.readAllBytes(file));
        System.out.println(crc.getValue() + " " + new SecureRandom().generateSeed(4).length);
        try (ServerSocketChannel server = ServerSocketChannel.open().bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0))) {
            Thread client = Thread.ofVirtual().start(() -> {
                try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), ((InetSocketAddress) server.getLocalAddress()).getPort())) {
                    socket.getOutputStream().write("over tcp".getBytes(StandardCharsets.UTF_8));
                } catch (IOException e) { throw new UncheckedIOException(e); }
            });
            try (SocketChannel accepted = server.accept()) {
                System.out.println(new String(Channels.newInputStream(accepted).readAllBytes(), StandardCharsets.UTF_8));
            }
            client.join();
        }
        try { new Socket("127.0.0.1", 1); } catch (ConnectException e) { System.out.println(e.getMessage()); }
        Process process = new ProcessBuilder("sh", "-c", "read x; echo \"got $x\"; exit 3").start();
        process.getOutputStream().write("this\n".getBytes(StandardCharsets.UTF_8));
        process.getOutputStream().close();
        System.out.print(new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8));
        System.out.println(process.waitFor());
        try { Files.readString(Path.of("/nowhere")); } catch (NoSuchFileException e) { System.out.println(e); }
        Runtime.getRuntime().addShutdownHook(new Thread(() -> System.out.println("shutdown")));
        System.err.println("to stderr");
        System.exit(17);
    }

    static int length(String s) { return s.length(); }
    static int divide(int a, int b) { return a / b; }
    static int recurse(int n) { return recurse(n + 1) + 1; }
}
