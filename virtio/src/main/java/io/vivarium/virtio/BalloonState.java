// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

/// What a [VirtioBalloon] remembers.
///
/// @param target `num_pages`: how many pages the driver is to give up
/// @param actual `actual`: how many the driver says it has given up
/// @param poison `poison_val`
/// @param configGeneration changes with `num_pages`
/// @param statisticsHead the descriptor of the request that the device holds to ask for statistics with; -1 if it
///     holds none
public record BalloonState(int target, int actual, int poison, int configGeneration, int statisticsHead)
        implements DeviceState {}
