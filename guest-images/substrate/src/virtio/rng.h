/* SPDX-License-Identifier: Apache-2.0 */
/* The driver of the entropy device (virtio 1.2, 5.4). */
#ifndef VIRTIO_RNG_H
#define VIRTIO_RNG_H

#include <substrate/types.h>

struct iobuf;

/* Whether the machine has one. */
bool virtio_rng_present(void);
/* Random bytes of the host, some at least; sleeps. How many; -ENODEV: there is no device that works. */
ssize_t virtio_rng_read(struct iobuf *io);
/* Wakes who waits for them. True when there were some. */
bool virtio_rng_poll(void);

#endif
