// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.boot;

import io.vivarium.guestimages.ImageException;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;

/// Vivarium's own guest kernel, as it is packed into this module.
public final class Substrate {
    private static final String RESOURCE = "/io/vivarium/guestimages/substrate.elf";

    private Substrate() {}

    /// The kernel, parsed once.
    public static KernelImage kernel() {
        return Holder.KERNEL;
    }

    private static final class Holder {
        static final KernelImage KERNEL = load();

        private static KernelImage load() {
            try {
                return KernelImage.parse(MemorySegment.ofArray(read()));
            } catch (ImageException e) {
                throw new IllegalStateException("the guest kernel in this build is broken", e);
            }
        }

        private static byte[] read() {
            try (InputStream in = Substrate.class.getResourceAsStream(RESOURCE)) {
                if (in == null) {
                    throw new IllegalStateException("the guest kernel is missing from this build: " + RESOURCE);
                }
                return in.readAllBytes();
            } catch (IOException e) {
                throw new UncheckedIOException("reading " + RESOURCE, e);
            }
        }
    }
}
