// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

/// How far the download of a part of an image has come.
///
/// @param item the part: the digest of a layer, or the name of a package
/// @param bytes how many are there
/// @param total how many there will be
/// @param cached whether it was there before
public record PullProgress(String item, long bytes, long total, boolean cached) {
    /// Whether the part is there.
    public boolean isComplete() {
        return bytes == total;
    }
}
