// SPDX-License-Identifier: Apache-2.0
/// Root file systems from Debian packages: an archive's indexes, the dependencies between packages, and what is in them
/// (Debian Policy 4.6, deb(5), deb822(5), the Debian repository format).
package io.vivarium.guestimages.debian;
