/* SPDX-License-Identifier: Apache-2.0 */
/* What host.c and oracle.c, which use the C library, give the tests: declared with types both sides have. */
#ifndef TEST_FS_HOST_H
#define TEST_FS_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void host_shell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void *host_load(const char *path, uint64_t *size);
void *host_copy(const void *bytes, uint64_t size);
void host_free(void *p);
void host_print(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Made on demand, gone at the end, however the tests end. */
const char *host_temp_dir(void);
_Noreturn void host_abort(void);
bool host_is_root(void);
bool host_isolated(void (*function)(uint64_t argument), uint64_t argument, unsigned int seconds);
/* The number in a text, which must be one above 0. */
uint64_t host_parse(const char *text);
/* The number in a file of /proc; 0 when there is none. */
long host_number(const char *path);

bool oracle_start(const char *directory);
void *oracle_memory(size_t size);
long oracle_call(long nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f);
void oracle_stop(void);

#endif
