// SPDX-License-Identifier: Apache-2.0
/// The trace records of a guest, as text: what strace(1) would print of the same program.
package io.vivarium.internal.strace;
