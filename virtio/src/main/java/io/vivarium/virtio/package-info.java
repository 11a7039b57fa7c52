// SPDX-License-Identifier: Apache-2.0
/// Virtio 1.2 devices, their queues and their MMIO transport.
///
/// A device ([io.vivarium.virtio.VirtioConsole]) sits behind a transport
/// ([io.vivarium.virtio.VirtioMmioTransport]) that a machine maps into its guest's address space. Everything
/// a driver writes, into registers or into memory, is hostile until checked: each descriptor is read once,
/// checked, then used; each loop is bounded by the size of a queue; and what breaks the contract is a
/// [io.vivarium.virtio.VirtioFault] with a name.
@NullMarked
package io.vivarium.virtio;

import org.jspecify.annotations.NullMarked;
