/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel around the file system, as the host tests have it. */
#ifndef TEST_FS_SHIM_H
#define TEST_FS_SHIM_H

#include <substrate/err.h>
#include <substrate/fs.h>
#include <substrate/mm.h>
#include <substrate/syscall.h>
#include <substrate/task.h>
#include <substrate/types.h>
#include "host.h"

struct wait_queue;

/* Memory in use, for finding leaks; and how many more allocations succeed (negative: all). */
extern long shim_allocations, shim_frames, shim_fail_after;
/* Only one allocation fails, not all from it on. */
extern bool shim_fail_once;
/* Addresses from…to do not exist for the program. */
extern u64 shim_bad_from, shim_bad_to;
/* What happens instead of sleeping: changes something and returns 0, or ends the wait with an error. NULL: sleeping is an error. */
extern long (*shim_sleep)(struct wait_queue *q);
extern int shim_last_signal;
/* When armed, panic() comes back to shim_try() instead of ending the test. */
extern char shim_panic_text[256];

/* Frames of the whole machine; the file system may use half for data. */
extern u64 shim_total_frames;

/* Mounts an image (page-aligned, exactly `size` bytes) and gives the test task descriptors and a working directory: false when
 * fs_init panicked. */
bool shim_boot(const void *image, u64 size);
/* Frees everything and checks that nothing is left. */
void shim_shut_down(void);

/* A system call of the test task: CALL(write, fd, "x", 1). Arguments that are left out are 0. */
long call(long nr, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f);
#define CALL_PADDED(function, nr, a, b, c, d, e, f, ...) \
	function(nr, (u64)(a), (u64)(b), (u64)(c), (u64)(d), (u64)(e), (u64)(f))
#define CALL(name, ...) CALL_PADDED(call, __NR_##name, __VA_ARGS__, 0, 0, 0, 0, 0, 0)

/* Ends the test with a message when `ok` is false. */
#define CHECK(ok, ...)                                                            \
	do {                                                                          \
		if (!(ok))                                                                \
			check_failed(__FILE__, __LINE__, #ok, __VA_ARGS__);                   \
	} while (0)
#define CHECK_EQ(actual, expected) check_equal(__FILE__, __LINE__, #actual, (long)(actual), (long)(expected))
noreturn void check_failed(const char *file, int line, const char *what, const char *fmt, ...) printf_like(4, 5);
void check_equal(const char *file, int line, const char *what, long actual, long expected);

/* Does the text have this part in it? */
bool contains(const char *text, const char *part);

/* The seed of what is random in the tests: the same in every run, unless the command line gives another. */
extern u64 shim_seed;
/* A generator of test data: the same numbers for the same seed, which is not 0. */
u64 next_random(u64 *state);

/* ---- the tests ---- */

void test_image(void);
void test_paths(void);
void test_files(void);
void test_pipes(void);
void test_locks(void);
void test_proc(void);
void test_random(void);
void test_corrupt(void);
void test_exhaustion(void);
void test_disk(void);

#endif
