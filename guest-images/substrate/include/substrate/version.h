/* SPDX-License-Identifier: Apache-2.0 */
/* What uname(2) and /proc/version say. The number is the Linux release whose system calls are the measure. */
#ifndef SUBSTRATE_VERSION_H
#define SUBSTRATE_VERSION_H

#define SUBSTRATE_HOSTNAME "vivarium"
#define SUBSTRATE_RELEASE "6.1.0-substrate"
#define SUBSTRATE_VERSION "#1 Vivarium Substrate"

#endif
