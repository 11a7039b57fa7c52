// SPDX-License-Identifier: Apache-2.0
/// A server that runs functions, each call in a sandbox that nobody has used before.
package io.vivarium.samples.functions;
