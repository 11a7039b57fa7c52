// SPDX-License-Identifier: Apache-2.0
/// Fetching what images are made from over HTTP: with timeouts, resumed after a cut, and kept by digest.
package io.vivarium.guestimages.fetch;
