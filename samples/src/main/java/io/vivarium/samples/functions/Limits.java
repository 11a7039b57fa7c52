// SPDX-License-Identifier: Apache-2.0
package io.vivarium.samples.functions;

import java.time.Duration;

/// What one call may use, besides its sandbox's memory.
///
/// @param time from when it has its sandbox
/// @param outputBytes of its result, and of what it says on standard error
record Limits(Duration time, int outputBytes) {}
