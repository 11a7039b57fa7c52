// SPDX-License-Identifier: Apache-2.0
/// Root file systems as immutable trees, and Vivarium's own guest kernel.
package io.vivarium.guestimages;
