// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.oci;

import io.vivarium.guestimages.ImageException;
import io.vivarium.guestimages.fetch.Digest;
import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.security.MessageDigest;

/// A blob while it is read: [#finish()] says whether it was the one that was asked for.
final class VerifiedStream extends FilterInputStream {
    private final String source;
    private final Descriptor descriptor;
    private final MessageDigest sum;
    private long count;

    VerifiedStream(String source, Descriptor descriptor, InputStream in) {
        super(in);
        this.source = source;
        this.descriptor = descriptor;
        this.sum = descriptor.digest().algorithm().start();
    }

    @Override
    public int read() throws IOException {
        byte[] single = new byte[1];
        return read(single, 0, 1) < 0 ? -1 : Byte.toUnsignedInt(single[0]);
    }

    @Override
    public int read(byte[] target, int offset, int length) throws IOException {
        int read = super.read(target, offset, length);
        if (read > 0) {
            sum.update(target, offset, read);
            count += read;
            if (count > descriptor.size()) {
                throw new ImageException(
                        source, descriptor.digest() + " has more than the " + descriptor.size() + " bytes promised");
            }
        }
        return read;
    }

    @Override
    public long skip(long wanted) throws IOException {
        return readNBytes((int) Math.min(wanted, 1 << 16)).length;
    }

    @Override
    public boolean markSupported() {
        return false;
    }

    /// Reads what is left, and compares size and digest.
    ///
    /// @throws ImageException they are others
    void finish() throws IOException {
        byte[] ignored = new byte[1 << 16];
        int read = 0;
        while (read >= 0) {
            read = read(ignored, 0, ignored.length);
        }
        if (count != descriptor.size()) {
            throw new ImageException(
                    source, descriptor.digest() + " has " + count + " bytes instead of " + descriptor.size());
        }
        Digest found = Digest.finish(descriptor.digest().algorithm(), sum);
        if (!found.equals(descriptor.digest())) {
            throw new ImageException(source, descriptor.digest() + ": the content has another digest: " + found);
        }
    }
}
