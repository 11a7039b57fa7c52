/* SPDX-License-Identifier: Apache-2.0 */
#include <substrate/device.h>

#include "../virtio/balloon.h"
#include "../virtio/block.h"
#include "../virtio/console.h"
#include "../virtio/rng.h"
#include "../virtio/vsock.h"
#include "agent.h"

static bool polling;

bool devices_poll(void)
{
	if (polling)
		return false;
	polling = true;
	bool some = virtio_console_poll();
	some |= virtio_vsock_poll();
	some |= virtio_block_poll();
	some |= virtio_rng_poll();
	some |= virtio_balloon_poll();
	some |= agent_poll();
	polling = false;
	return some;
}
