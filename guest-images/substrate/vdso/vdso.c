/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a program can ask without entering the kernel, under the names of vdso(7). Runs in the program: position-independent, and
 * nothing but its arguments, the time-stamp counter and the page of the clock, which lies before it.
 */
#include <asm/unistd.h>
#include <linux/time.h>
#include <substrate/clock.h>

extern const struct clock clock_page __attribute__((visibility("hidden")));

int __vdso_clock_gettime(int id, struct timespec *ts);
int __vdso_clock_getres(int id, struct timespec *ts);
int __vdso_gettimeofday(struct timeval *tv, struct timezone *tz);
long __vdso_time(long *seconds);
int __vdso_getcpu(unsigned int *cpu, unsigned int *node, void *cache);

#define NSEC_PER_SEC 1000000000UL

static inline u64 now(void)
{
	u32 low, high;
	/* What comes before in the program is done by then. */
	__asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return clock_monotonic(&clock_page, (u64)high << 32 | low);
}

static inline long ask_kernel(long number, long a, long b)
{
	long result;
	__asm__ volatile("syscall" : "=a"(result) : "0"(number), "D"(a), "S"(b) : "rcx", "r11", "memory");
	return result;
}

int __vdso_clock_gettime(int id, struct timespec *ts)
{
	u64 ns;
	switch (id) {
	case CLOCK_MONOTONIC:
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_MONOTONIC_COARSE:
	case CLOCK_BOOTTIME:
		ns = now();
		break;
	case CLOCK_REALTIME:
	case CLOCK_REALTIME_COARSE:
	case CLOCK_TAI:
		ns = now() + clock_page.realtime_offset;
		break;
	default:
		return (int)ask_kernel(__NR_clock_gettime, id, (long)ts);
	}
	ts->tv_sec = (long)(ns / NSEC_PER_SEC);
	ts->tv_nsec = (long)(ns % NSEC_PER_SEC);
	return 0;
}

int __vdso_clock_getres(int id, struct timespec *ts)
{
	return (int)ask_kernel(__NR_clock_getres, id, (long)ts);
}

int __vdso_gettimeofday(struct timeval *tv, struct timezone *tz)
{
	u64 ns = now() + clock_page.realtime_offset;
	if (tv) {
		tv->tv_sec = (long)(ns / NSEC_PER_SEC);
		tv->tv_usec = (long)(ns % NSEC_PER_SEC / 1000);
	}
	if (tz)
		*tz = (struct timezone){ 0, 0 };
	return 0;
}

long __vdso_time(long *seconds)
{
	long result = (long)((now() + clock_page.realtime_offset) / NSEC_PER_SEC);
	if (seconds)
		*seconds = result;
	return result;
}

/* There is one processor. */
int __vdso_getcpu(unsigned int *cpu, unsigned int *node, void *cache)
{
	(void)cache;
	if (cpu)
		*cpu = 0;
	if (node)
		*node = 0;
	return 0;
}

/* The names that vdso(7) gives without the prefix. */
__typeof__(__vdso_clock_gettime) clock_gettime __attribute__((weak, alias("__vdso_clock_gettime")));
__typeof__(__vdso_clock_getres) clock_getres __attribute__((weak, alias("__vdso_clock_getres")));
__typeof__(__vdso_gettimeofday) gettimeofday __attribute__((weak, alias("__vdso_gettimeofday")));
__typeof__(__vdso_time) time __attribute__((weak, alias("__vdso_time")));
__typeof__(__vdso_getcpu) getcpu __attribute__((weak, alias("__vdso_getcpu")));
