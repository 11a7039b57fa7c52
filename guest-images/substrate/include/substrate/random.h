/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUBSTRATE_RANDOM_H
#define SUBSTRATE_RANDOM_H

#include <substrate/types.h>

/* Cryptographically strong bytes: ChaCha20 keyed by the host's boot seed and the processor's generator. */
void random_bytes(void *buf, size_t n);
void random_reseed(const void *seed, size_t n);

/* What /proc/sys/kernel/random/boot_id says is another from now on: the machine was saved, and is not the only one that goes on. */
void boot_id_renew(void);

#endif
