// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm;

/// A guest (or its configuration) named guest-physical memory that it does not have, or that it may only read.
public final class GuestAddressException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final long address;
    private final long length;

    GuestAddressException(long address, long length, String reason) {
        super("guest-physical 0x%x, %d bytes: %s".formatted(address, length, reason));
        this.address = address;
        this.length = length;
    }

    /// The guest-physical address asked for, unsigned.
    public long address() {
        return address;
    }

    /// The number of bytes asked for, as given: it may be negative.
    public long length() {
        return length;
    }
}
