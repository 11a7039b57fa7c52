// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm;

import java.util.ArrayList;
import java.util.List;

/// Which device answers at which address, in one address space: ports or MMIO.
///
/// Immutable; a look-up allocates nothing.
///
/// @param <D> the kind of device
final class Bus<D> {
    /// @param device answers from `first` to `first + length - 1`
    record Window<D>(long first, long length, D device) {
        long end() {
            return first + length;
        }
    }

    private final long[] starts;
    private final long[] ends;
    private final List<Window<D>> windows;

    /// @throws IllegalArgumentException if two windows overlap
    Bus(List<Window<D>> windows) {
        List<Window<D>> sorted = ascending(windows);
        for (int i = 1; i < sorted.size(); i++) {
            if (sorted.get(i - 1).end() > sorted.get(i).first()) {
                throw new IllegalArgumentException(
                        "two devices at 0x%x".formatted(sorted.get(i).first()));
            }
        }
        this.windows = List.copyOf(sorted);
        this.starts = new long[sorted.size()];
        this.ends = new long[sorted.size()];
        for (int i = 0; i < starts.length; i++) {
            starts[i] = sorted.get(i).first();
            ends[i] = sorted.get(i).end();
        }
    }

    private static <D> List<Window<D>> ascending(List<Window<D>> windows) {
        List<Window<D>> sorted = new ArrayList<>(windows.size());
        for (Window<D> window : windows) {
            int at = 0;
            while (at < sorted.size() && sorted.get(at).first() <= window.first()) {
                at++;
            }
            sorted.add(at, window);
        }
        return sorted;
    }

    /// The window that an access lies wholly inside, or -1.
    int find(long address, int size) {
        int low = 0;
        int high = starts.length - 1;
        while (low <= high) {
            int middle = (low + high) >>> 1;
            if (address < starts[middle]) {
                high = middle - 1;
            } else if (address >= ends[middle]) {
                low = middle + 1;
            } else {
                return size <= ends[middle] - address ? middle : -1;
            }
        }
        return -1;
    }

    /// Address of the first byte of a window.
    long first(int window) {
        return starts[window];
    }

    D device(int window) {
        return windows.get(window).device();
    }

    List<Window<D>> windows() {
        return windows;
    }
}
