// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/// The bytes of a regular file, which need not be in memory. The size is known beforehand; every [#open()]
/// gives the same bytes.
public interface Content {
    /// Number of bytes that [#open()] gives.
    long size();

    /// The bytes from the first on; the caller closes the stream.
    ///
    /// @throws IOException the bytes cannot be read any more
    InputStream open() throws IOException;

    /// A copy of `bytes`.
    static Content of(byte[] bytes) {
        byte[] copy = bytes.clone();
        return new Content() {
            @Override
            public long size() {
                return copy.length;
            }

            @Override
            public InputStream open() {
                return new ByteArrayInputStream(copy);
            }
        };
    }

    /// `text` in UTF-8.
    static Content of(String text) {
        return of(text.getBytes(StandardCharsets.UTF_8));
    }

    /// The bytes of a host file, read when they are needed. A file whose size changes meanwhile is refused by
    /// whoever reads it.
    ///
    /// @throws IOException the file's size cannot be found out
    static Content of(Path file) throws IOException {
        return of(file, Files.size(file));
    }

    /// As [#of(Path)], for a file whose size is known.
    static Content of(Path file, long size) {
        return new Content() {
            @Override
            public long size() {
                return size;
            }

            @Override
            public InputStream open() throws IOException {
                return Files.newInputStream(file);
            }
        };
    }
}
