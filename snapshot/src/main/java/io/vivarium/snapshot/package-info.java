// SPDX-License-Identifier: Apache-2.0
/// What machines start from.
package io.vivarium.snapshot;
