// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

/// A system call that a program made and the guest kernel answered with `ENOSYS`, because it does not have it.
///
/// @param number of the x86-64 table
/// @param name such as `io_uring_setup`; empty where the guest kernel knows none
/// @param times how often the program tried, 1 or more
public record UnsupportedCall(int number, String name, long times) {}
