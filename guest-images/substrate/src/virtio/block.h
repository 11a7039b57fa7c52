/* SPDX-License-Identifier: Apache-2.0 */
/* The driver of virtio block devices (virtio 1.2, 5.2). What it does for the file system is in <substrate/block.h>. */
#ifndef VIRTIO_BLOCK_H
#define VIRTIO_BLOCK_H

#include <substrate/types.h>

/* Wakes those whose requests are done. True when there were some. */
bool virtio_block_poll(void);

#endif
