// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.fetch;

/// Hears how fetching goes on. Called by the thread that fetches, for every item at its beginning,
/// after each MiB, and at its end.
@FunctionalInterface
public interface FetchListener {
    /// Takes no notice.
    FetchListener NONE = (String item, long bytes, long total, boolean cached) -> {};

    /// Some bytes of an item have come.
    ///
    /// @param item a digest, or the name of a package
    /// @param bytes how many are there
    /// @param total how many there will be
    /// @param cached whether they were there before
    void progress(String item, long bytes, long total, boolean cached);
}
