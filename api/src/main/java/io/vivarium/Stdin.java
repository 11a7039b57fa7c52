// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;

/// Where a program's standard input comes from.
public sealed interface Stdin {
    /// `/dev/null`: reading finds the end at once.
    static Stdin none() {
        return None.INSTANCE;
    }

    /// These bytes, then the end.
    static Stdin of(byte[] bytes) {
        return new Bytes(bytes);
    }

    /// This text in UTF-8, then the end.
    static Stdin of(String text) {
        return new Bytes(text.getBytes(StandardCharsets.UTF_8));
    }

    /// What a stream gives until it ends. A thread of its own reads it as the program takes it; the stream is not
    /// closed. For one use: a second program finds what the first has left.
    static Stdin of(InputStream stream) {
        return new Stream(stream);
    }

    /// The content of a file on the host. It is opened when the program is started.
    static Stdin of(Path file) {
        return new File(file);
    }

    /// A pipe that the application writes to: [GuestProcess#stdin]. For [Sandbox#start]; [Sandbox#exec] refuses it, as
    /// nobody could write.
    static Stdin pipe() {
        return Pipe.INSTANCE;
    }

    /// See [Stdin#none].
    enum None implements Stdin {
        /// The only one.
        INSTANCE
    }

    /// See [Stdin#pipe].
    enum Pipe implements Stdin {
        /// The only one.
        INSTANCE
    }

    /// See [Stdin#of(byte[])].
    final class Bytes implements Stdin {
        private final byte[] bytes;

        private Bytes(byte[] bytes) {
            this.bytes = bytes.clone();
        }

        /// A copy of the bytes.
        public byte[] bytes() {
            return bytes.clone();
        }

        @Override
        public boolean equals(Object other) {
            return other instanceof Bytes that && Arrays.equals(bytes, that.bytes);
        }

        @Override
        public int hashCode() {
            return Arrays.hashCode(bytes);
        }

        @Override
        public String toString() {
            return "Bytes[" + bytes.length + "]";
        }
    }

    /// See [Stdin#of(InputStream)].
    record Stream(InputStream stream) implements Stdin {}

    /// See [Stdin#of(Path)].
    record File(Path path) implements Stdin {}
}
