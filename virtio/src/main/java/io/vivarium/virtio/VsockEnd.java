// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

/// The host's end of a [VsockConnection]: told when it is worth trying again what had no success before.
///
/// Both are called with the device's lock held, often on a vCPU's thread: they may wake a thread, and nothing
/// else.
public interface VsockEnd {
    /// There are bytes to read, or there will be none any more; the phase may have changed.
    void readable();

    /// There may be room to write, or there will be none any more; the phase may have changed.
    void writable();
}
