// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import java.util.Collections;
import java.util.EnumMap;
import java.util.Map;

/// What a guest says of its memory (virtio 1.2 §5.5.6.3, §5.5.6.4). The guest's word: nothing vouches for it.
///
/// @param values by their tag; the driver chooses which it supplies. Unsigned
public record BalloonStatistics(Map<Tag, Long> values) {
    /// Which statistic; the ordinal is the tag's number.
    public enum Tag {
        /// Bytes swapped in.
        SWAP_IN,
        /// Bytes swapped out.
        SWAP_OUT,
        /// Major page faults.
        MAJFLT,
        /// Minor page faults.
        MINFLT,
        /// Bytes not used for anything.
        MEMFREE,
        /// Bytes in all.
        MEMTOT,
        /// Bytes that can be had without swapping.
        AVAIL,
        /// Bytes that can be reclaimed from caches quickly.
        CACHES,
        /// Successful allocations of huge pages.
        HTLB_PGALLOC,
        /// Failed allocations of huge pages.
        HTLB_PGFAIL
    }

    /// Copies the map.
    public BalloonStatistics {
        EnumMap<Tag, Long> copy = new EnumMap<>(Tag.class);
        copy.putAll(values);
        values = Collections.unmodifiableMap(copy);
    }
}
