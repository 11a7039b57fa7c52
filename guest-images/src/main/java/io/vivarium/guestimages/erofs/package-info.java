// SPDX-License-Identifier: Apache-2.0
/// Writing and checking EROFS images, the read-only file systems that guests map.
package io.vivarium.guestimages.erofs;
