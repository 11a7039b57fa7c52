// SPDX-License-Identifier: Apache-2.0
/// Reading tar archives into root file systems.
package io.vivarium.guestimages.tar;
