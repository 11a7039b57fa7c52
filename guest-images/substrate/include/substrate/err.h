/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUBSTRATE_ERR_H
#define SUBSTRATE_ERR_H

#include <asm/errno.h>
#include <substrate/types.h>

/* Codes that never reach a program: signal delivery turns them into EINTR or a restart (as in Linux). */
#define ERESTARTSYS 512

/* A pointer or, in the last page of the address space, a negative errno. */
static inline void *ERR_PTR(long error) { return (void *)error; }
static inline long PTR_ERR(const void *ptr) { return (long)ptr; }
static inline bool IS_ERR(const void *ptr) { return (unsigned long)ptr >= (unsigned long)-4095L; }

#endif
