// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import java.time.Duration;

/// What a program used, as the guest kernel counted it.
///
/// @param user processor time in the program
/// @param system processor time in the guest kernel on its behalf
/// @param maxResidentBytes the most memory it held at once
public record Usage(Duration user, Duration system, long maxResidentBytes) {
    /// Nothing known: the program did not live to be asked.
    public static final Usage UNKNOWN = new Usage(Duration.ZERO, Duration.ZERO, 0);
}
