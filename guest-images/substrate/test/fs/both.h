/* SPDX-License-Identifier: Apache-2.0 */
/* Calls made on Substrate's file system and on the host's kernel, whose answers must be the same. */
#ifndef TEST_FS_BOTH_H
#define TEST_FS_BOTH_H

#include "tree.h"

/* The same open file on both sides. */
struct pair {
	long ours, host;
};

/* The answer both give. Arguments are evaluated twice; memory among them is read-only or in `shared`. */
#define BOTH(name, ...) both_answer(__FILE__, __LINE__, #name, CALL(name, __VA_ARGS__), HOST(name, __VA_ARGS__))
/* With a descriptor first. */
#define BOTH_FD(name, pair, ...) \
	both_answer(__FILE__, __LINE__, #name, CALL(name, (pair).ours, __VA_ARGS__), HOST(name, (pair).host, __VA_ARGS__))
/* With results, which go to shared->kernel and shared->host: as many bytes as both answer must be the same. */
#define BOTH_READ(name, pair, ...)                                                                                   \
	both_bytes(__FILE__, __LINE__, #name, CALL(name, (pair).ours, shared->kernel, __VA_ARGS__),                      \
	           HOST(name, (pair).host, shared->host, __VA_ARGS__))

long both_answer(const char *file, int line, const char *what, long ours, long host);
long both_bytes(const char *file, int line, const char *what, long ours, long host);
/* Opens on both sides; a failure must be the same, and is in both members. */
struct pair both_open(const char *path, u32 flags, u32 mode);
long both_close(struct pair fd);
/* Reading end, writing end. */
void both_pipe(struct pair ends[2], u32 flags);

#endif
