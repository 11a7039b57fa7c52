/* SPDX-License-Identifier: Apache-2.0 */
/* The driver of the memory balloon (virtio 1.2, 5.5): lends the host the free memory that it asks for. */
#ifndef VIRTIO_BALLOON_H
#define VIRTIO_BALLOON_H

#include <substrate/types.h>

/* Does what the host asks for. True when there was something. */
bool virtio_balloon_poll(void);

#endif
