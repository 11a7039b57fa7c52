// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import io.vivarium.LaunchFailedException;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;

/// Vivarium's own guest kernel, from the jar of the guest images.
final class SubstrateKernel {
    private static final String RESOURCE = "io/vivarium/guestimages/substrate.elf";

    private SubstrateKernel() {}

    /// The kernel; read once.
    ///
    /// @throws LaunchFailedException if the jar has none
    static KernelElf get() {
        return Holder.KERNEL;
    }

    private static final class Holder {
        private static final KernelElf KERNEL = read();

        private static KernelElf read() {
            try (InputStream in = SubstrateKernel.class.getClassLoader().getResourceAsStream(RESOURCE)) {
                if (in == null) {
                    throw new LaunchFailedException("the guest kernel " + RESOURCE + " is not on the module path");
                }
                return KernelElf.parse(in.readAllBytes());
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }
}
