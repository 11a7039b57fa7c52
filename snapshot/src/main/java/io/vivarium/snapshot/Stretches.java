// SPDX-License-Identifier: Apache-2.0
package io.vivarium.snapshot;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;

/// Stretches of guest-physical memory, and where each is in a file that has one behind the other.
///
/// An *address* is of the guest's memory, an *offset* counts from the start of that file. Immutable.
final class Stretches {
    private final List<Stretch> list;
    private final long[] offsets;
    private final long size;

    /// A stretch of guest-physical memory.
    ///
    /// @param guestPhysicalAddress where it starts
    /// @param length bytes
    record Stretch(long guestPhysicalAddress, long length) {
        long end() {
            return guestPhysicalAddress + length;
        }

        boolean contains(long address) {
            return address >= guestPhysicalAddress && address < end();
        }
    }

    /// Of those given, ascending, which do not overlap.
    Stretches(List<Stretch> stretches) {
        list = List.copyOf(stretches);
        offsets = new long[list.size()];
        long end = 0;
        for (int i = 0; i < offsets.length; i++) {
            offsets[i] = end;
            end += list.get(i).length;
        }
        size = end;
    }

    /// These, and all that others cover as well. A stretch of one and a stretch of the other either start at the same
    /// address or do not overlap.
    Stretches and(Stretches others) {
        SortedMap<Long, Long> lengths = new TreeMap<>();
        for (Stretches each : List.of(this, others)) {
            each.list.forEach(stretch -> lengths.merge(stretch.guestPhysicalAddress, stretch.length, Math::max));
        }
        List<Stretch> all = new ArrayList<>();
        for (Map.Entry<Long, Long> stretch : lengths.entrySet()) {
            all.add(new Stretch(stretch.getKey(), stretch.getValue()));
        }
        return new Stretches(all);
    }

    /// Ascending.
    List<Stretch> list() {
        return list;
    }

    /// Where each of [#list] starts in the file.
    long offset(int index) {
        return offsets[index];
    }

    /// Bytes of all.
    long size() {
        return size;
    }

    /// The address of what is at an offset.
    ///
    /// @throws IndexOutOfBoundsException if nothing is
    long address(long offset) {
        for (int i = 0; i < offsets.length; i++) {
            long within = offset - offsets[i];
            if (within >= 0 && within < list.get(i).length) {
                return list.get(i).guestPhysicalAddress + within;
            }
        }
        throw new IndexOutOfBoundsException("offset 0x%x of %s".formatted(offset, list));
    }

    /// The offset of what is at an address; -1 for what is not covered.
    long offsetOf(long address) {
        for (int i = 0; i < offsets.length; i++) {
            if (list.get(i).contains(address)) {
                return offsets[i] + address - list.get(i).guestPhysicalAddress;
            }
        }
        return -1;
    }

    /// How many bytes from an address on are covered: 0 if it is not.
    long coveredFrom(long address) {
        for (Stretch stretch : list) {
            if (stretch.contains(address)) {
                return stretch.end() - address;
            }
        }
        return 0;
    }
}
