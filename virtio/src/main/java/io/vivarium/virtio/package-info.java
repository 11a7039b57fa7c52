/// Virtio 1.2 devices, their queues and their MMIO transport.
package io.vivarium.virtio;
