// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.boot;

import io.vivarium.guestimages.ImageException;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;

/// Vivarium's own guest kernel, as it is packed into this module.
public final class Substrate {
    private static final String KERNEL_FILE = "/io/vivarium/guestimages/substrate.elf";
    private static final String SIGNATURES = "/io/vivarium/guestimages/signatures.tbl";

    private Substrate() {}

    /// The kernel, parsed once.
    public static KernelImage kernel() {
        return Holder.KERNEL;
    }

    /// The table of what the arguments of system calls are: lines of `SIGNATUREn(call, type, …)`.
    public static String systemCallSignatures() {
        return new String(read(SIGNATURES), StandardCharsets.UTF_8);
    }

    private static byte[] read(String resource) {
        try (InputStream in = Substrate.class.getResourceAsStream(resource)) {
            if (in == null) {
                throw new IllegalStateException("a part of the guest kernel is missing from this build: " + resource);
            }
            return in.readAllBytes();
        } catch (IOException e) {
            throw new UncheckedIOException("reading " + resource, e);
        }
    }

    private static final class Holder {
        static final KernelImage KERNEL = load();

        private static KernelImage load() {
            try {
                return KernelImage.parse(MemorySegment.ofArray(read(KERNEL_FILE)));
            } catch (ImageException e) {
                throw new IllegalStateException("the guest kernel in this build is broken", e);
            }
        }
    }
}
