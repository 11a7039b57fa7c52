// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.compress;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.code_intelligence.jazzer.junit.FuzzTest;
import io.vivarium.guestimages.Mutations;
import io.vivarium.guestimages.Tool;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.SequenceInputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Random;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.tukaani.xz.LZMA2Options;
import org.tukaani.xz.XZOutputStream;

class CompressionTest {
    private static final int RATIO = 250;

    /// `printf hello | zstd`: one raw block and a checksum.
    private static final byte[] HELLO = HexFormat.of().parseHex("28b52ffd0458290000" + "68656c6c6f" + "a36d9f88");

    @TempDir
    private Path temporary;

    private static byte[] decompress(byte[] packed) throws IOException {
        try (InputStream in = Compression.decompress(new ByteArrayInputStream(packed), RATIO)) {
            return in.readAllBytes();
        }
    }

    /// Text, noise, runs, and repetitions at all distances.
    private static byte[] sample(int size) {
        Random random = new Random(size);
        byte[] bytes = new byte[size];
        int at = 0;
        while (at < size) {
            int length = Math.min(1 + random.nextInt(5000), size - at);
            switch (random.nextInt(4)) {
                case 0 -> {
                    byte[] noise = new byte[length];
                    random.nextBytes(noise);
                    System.arraycopy(noise, 0, bytes, at, length);
                }
                case 1 -> Arrays.fill(bytes, at, at + length, (byte) random.nextInt());
                case 2 -> {
                    for (int i = 0; i < length; i++) {
                        bytes[at + i] = (byte) ('a' + (int) Math.abs(random.nextGaussian() * 4) % 26);
                    }
                }
                default -> {
                    int from = at == 0 ? 0 : random.nextInt(at);
                    System.arraycopy(bytes, from, bytes, at, Math.min(length, at - from));
                }
            }
            at += length;
        }
        return bytes;
    }

    @ParameterizedTest
    @CsvSource({"1, 0", "1, 1", "1, 100", "3, 5000", "3, 3000000", "9, 700000", "19, 3000000"})
    void readsWhatZstdWrites(int level, int size) throws Exception {
        Tool zstd = Tool.required("zstd", "zstd");
        byte[] plain = sample(size);
        Path file = Files.write(temporary.resolve("plain"), plain);
        Path packed = temporary.resolve("packed.zst");
        zstd.run("-q", "-" + level, "--no-progress", file, "-o", packed);

        assertThat(decompress(Files.readAllBytes(packed))).isEqualTo(plain);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"--ultra -22 --long=27", "--no-check", "--no-content-size --fast=5", "-T2 -1", "--rsyncable"})
    void readsWhatZstdWritesWithOptions(String options) throws Exception {
        Tool zstd = Tool.required("zstd", "zstd");
        byte[] plain = sample(6_000_000);
        Path file = Files.write(temporary.resolve("plain"), plain);
        Path packed = temporary.resolve("packed.zst");
        Object[] arguments = (options + " -q --no-progress " + file + " -o " + packed).split(" ", -1);
        zstd.run(arguments);

        assertThat(decompress(Files.readAllBytes(packed))).isEqualTo(plain);
    }

    @Test
    void framesOneAfterTheOther() throws IOException {
        byte[] skippable = HexFormat.of().parseHex("5a2a4d18" + "03000000" + "aabbcc");
        ByteArrayOutputStream frames = new ByteArrayOutputStream();
        frames.writeBytes(HELLO);
        frames.writeBytes(skippable);
        frames.writeBytes(HELLO);

        assertThat(decompress(frames.toByteArray())).asString().isEqualTo("hellohello");
    }

    /// The checksums of the xxHash specification's own test: XXH64 of nothing.
    @Test
    void hashes() {
        assertThat(new XxHash64().digest()).isEqualTo(0xEF46DB3751D8E999L);
        XxHash64 pieces = new XxHash64();
        XxHash64 whole = new XxHash64();
        byte[] bytes = sample(1000);
        whole.update(bytes, 0, 1000);
        for (int at = 0, step = 1; at < 1000; at += step, step = Math.min(step + 3, 1000 - at)) {
            pieces.update(bytes, at, Math.min(step, 1000 - at));
        }
        assertThat(pieces.digest()).isEqualTo(whole.digest());
    }

    @Test
    void gzipAndXz() throws IOException {
        byte[] plain = sample(200_000);
        assertThat(decompress(gzip(plain))).isEqualTo(plain);
        assertThat(decompress(xz(plain))).isEqualTo(plain);
        assertThat(decompress(plain)).isEqualTo(plain);
    }

    private static byte[] gzip(byte[] plain) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try (OutputStream gzip = new GZIPOutputStream(out)) {
            gzip.write(plain);
        }
        return out.toByteArray();
    }

    private static byte[] xz(byte[] plain) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try (OutputStream xz = new XZOutputStream(out, new LZMA2Options(1))) {
            xz.write(plain);
        }
        return out.toByteArray();
    }

    @Test
    void cutAnywhereIsTooShort() throws IOException {
        for (byte[] packed : new byte[][] {gzip(sample(3000)), xz(sample(3000)), HELLO}) {
            for (int length = 6; length < packed.length; length += 7) {
                byte[] cut = Arrays.copyOf(packed, length);
                assertThatThrownBy(() -> decompress(cut)).isInstanceOf(EOFException.class);
            }
        }
    }

    @ParameterizedTest
    @CsvSource({
        "28b52ffd 00 58 0f0000 00, damaged zstd data: a block is of the reserved type",
        "28b52ffd 08 58 010000, damaged zstd data: a reserved bit is set",
        "28b52ffd 01 58 05 010000, zstd data need a dictionary",
        "28b52ffd 00 f8 010000, zstd data need a window of more than 128 MiB",
        "28b52ffd 04 58 290000 68656c6c6f 00000000, damaged zstd data: the checksum is wrong",
        "28b52ffd 20 06 290000 68656c6c6f, damaged zstd data: a frame has 5 bytes instead of 6",
        "28b52ffd 00 58 0d0000 00, damaged zstd data: a block is too short",
        "28b52ffd 00 58 0d0010 00, damaged zstd data: a block of 131073 bytes is larger than it may be",
        "28b52ffd 04 58 290000 68656c6c6f a36d9f88 12345678, damaged zstd data: a frame begins with 0x78563412",
        "1f8b00, damaged gzip data: Unsupported compression method",
        "fd377a585a00 ffff 00000000 00000000, damaged xz data"
    })
    void damageIsNamed(String hex, String message) {
        byte[] packed = HexFormat.of().parseHex(hex.replace(" ", ""));
        assertThatThrownBy(() -> decompress(packed))
                .isInstanceOf(CorruptDataException.class)
                .hasMessageContaining(message);
    }

    @Test
    void whatExpandsTooMuchIsRefused() throws IOException {
        ByteArrayOutputStream packed = new ByteArrayOutputStream();
        byte[] zeros = new byte[1 << 20];
        try (OutputStream gzip = new GZIPOutputStream(packed)) {
            for (int i = 0; i < 100; i++) {
                gzip.write(zeros);
            }
        }
        // A zstd block of one repeated byte: 128 KiB out of four.
        ByteArrayOutputStream bomb = new ByteArrayOutputStream();
        bomb.writeBytes(HexFormat.of().parseHex("28b52ffd0058"));
        for (int i = 0; i < 1000; i++) {
            bomb.writeBytes(HexFormat.of().parseHex("02001000"));
        }

        assertThatThrownBy(() -> drain(packed.toByteArray()))
                .hasMessageStartingWith("gzip data expand more than 250 times");
        assertThatThrownBy(() -> drain(bomb.toByteArray()))
                .hasMessageStartingWith("zstd data expand more than 250 times");
    }

    private static void drain(byte[] packed) throws IOException {
        try (InputStream in = Compression.decompress(
                new SequenceInputStream(new ByteArrayInputStream(packed), InputStream.nullInputStream()), RATIO)) {
            in.transferTo(OutputStream.nullOutputStream());
        }
    }

    @Test
    void damagedZstd() throws Exception {
        Tool zstd = Tool.required("zstd", "zstd");
        Path file = Files.write(temporary.resolve("plain"), sample(20_000));
        Path packed = temporary.resolve("packed.zst");
        zstd.run("-q", "--no-check", file, "-o", packed);
        byte[] good = Files.readAllBytes(packed);
        AtomicInteger refused = new AtomicInteger();

        Mutations.of(good, good.length, 3_000, (byte[] damaged) -> {
            if (!accepts(damaged)) {
                refused.incrementAndGet();
            }
        });

        assertThat(refused.get()).as("damaged data that were refused").isGreaterThan(300);
    }

    private static boolean accepts(byte[] input) throws IOException {
        try (InputStream in = Compression.decompress(new ByteArrayInputStream(input), RATIO)) {
            byte[] buffer = new byte[1 << 16];
            long left = 64 << 20;
            for (int count = in.read(buffer); count >= 0 && left > 0; count = in.read(buffer)) {
                left -= count;
            }
            return true;
        } catch (CorruptDataException e) {
            assertThat(e).hasMessageMatching("(?s).*(zstd|gzip|xz).*");
            return false;
        } catch (EOFException e) {
            return false;
        }
    }

    @FuzzTest
    void anyBytesAreDataOrRefused(byte[] input) throws IOException {
        accepts(input);
        byte[] framed = new byte[input.length + 6];
        System.arraycopy(HELLO, 0, framed, 0, 4);
        framed[4] = 0;
        framed[5] = 0x58;
        System.arraycopy(input, 0, framed, 6, input.length);
        accepts(framed);
    }
}
