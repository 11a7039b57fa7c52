/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_VSOCK_HOST_H
#define TEST_VSOCK_HOST_H

/* All connections to the host are gone. */
void vsock_host_ends(void);

#endif
