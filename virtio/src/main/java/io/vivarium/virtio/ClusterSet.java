// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import org.jspecify.annotations.Nullable;

/// A set of clusters by their number, which takes memory for those ranges only that have members.
final class ClusterSet {
    private static final int LEAF_WORDS = 512;
    private static final int LEAF_BITS = LEAF_WORDS * Long.SIZE;

    private final long @Nullable [][] leaves;
    private long size;

    /// @param capacity one more than the highest number that it can contain
    ClusterSet(long capacity) {
        leaves = new long @Nullable [Math.toIntExact(Math.ceilDiv(capacity, LEAF_BITS))][];
    }

    /// How many clusters it contains.
    long size() {
        return size;
    }

    boolean contains(long cluster) {
        long[] leaf = leaves[(int) (cluster / LEAF_BITS)];
        return leaf != null && (leaf[word(cluster)] & bit(cluster)) != 0;
    }

    void add(long cluster) {
        int index = (int) (cluster / LEAF_BITS);
        long[] leaf = leaves[index];
        if (leaf == null) {
            leaf = new long[LEAF_WORDS];
            leaves[index] = leaf;
        }
        if ((leaf[word(cluster)] & bit(cluster)) == 0) {
            leaf[word(cluster)] |= bit(cluster);
            size++;
        }
    }

    void remove(long cluster) {
        long[] leaf = leaves[(int) (cluster / LEAF_BITS)];
        if (leaf != null && (leaf[word(cluster)] & bit(cluster)) != 0) {
            leaf[word(cluster)] &= ~bit(cluster);
            size--;
        }
    }

    private static int word(long cluster) {
        return (int) (cluster % LEAF_BITS) / Long.SIZE;
    }

    private static long bit(long cluster) {
        return 1L << cluster;
    }
}
