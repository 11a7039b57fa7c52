// SPDX-License-Identifier: Apache-2.0
/// What sandboxes are made of.
package io.vivarium.internal;
