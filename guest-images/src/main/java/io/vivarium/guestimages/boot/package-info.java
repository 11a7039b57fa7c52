// SPDX-License-Identifier: Apache-2.0
/// Guest kernels as ELF files, and the Linux x86 64-bit boot protocol.
package io.vivarium.guestimages.boot;
