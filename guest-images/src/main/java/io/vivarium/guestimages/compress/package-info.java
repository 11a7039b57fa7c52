// SPDX-License-Identifier: Apache-2.0
/// Reading compressed streams: gzip, xz and zstd, recognised by their first bytes, with a limit on how much may come
// out.
package io.vivarium.guestimages.compress;
