// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

/// Hears of a balloon. Called without the device's lock, usually on a vCPU thread, which waits: no method may
/// block.
public interface BalloonListener {
    /// [VirtioBalloon#actual] changed.
    default void actualChanged() {}

    /// [VirtioBalloon#statistics] are new.
    default void statisticsChanged() {}
}
