/* SPDX-License-Identifier: Apache-2.0 */
/* Clocks from the time-stamp counter: read without leaving the guest. */
#include <substrate/clock.h>
#include <substrate/cpu.h>
#include <substrate/printk.h>
#include <substrate/sched.h>
#include <substrate/time.h>

/* A page of its own: programs can read it (mm/vdso.c). */
static union {
	struct clock clock;
	u8 page[4096];
} shared __attribute__((aligned(4096)));

const void *clock_page_address(void)
{
	return &shared;
}

void time_init(u64 tsc_khz)
{
	if (!tsc_khz) {
		/* SDM vol. 2, CPUID leaf 15h: crystal frequency and ratio. */
		u32 leaf[4];
		cpuid(0x15, 0, leaf);
		if (!leaf[0] || !leaf[1] || !leaf[2])
			panic("the frequency of the TSC is not known: tsc_early_khz= is missing on the command line");
		tsc_khz = (u64)leaf[2] * leaf[1] / leaf[0] / 1000;
	}
	shared.clock.boot_tsc = rdtsc();
	shared.clock.mult = (1000000UL << 32) / tsc_khz;
}

u64 monotonic_ns(void)
{
	return clock_monotonic(&shared.clock, rdtsc());
}

u64 realtime_ns(void)
{
	return monotonic_ns() + shared.clock.realtime_offset;
}

void realtime_set(u64 ns)
{
	shared.clock.realtime_offset = ns - monotonic_ns();
}

u64 deadline_ns(s64 seconds, s64 nanoseconds)
{
	const s64 limit = (s64)(NO_DEADLINE / NSEC_PER_SEC) / 4;
	return seconds >= limit ? NO_DEADLINE / 4 : (u64)seconds * NSEC_PER_SEC + (u64)nanoseconds;
}

u64 deadline_after(u64 ns)
{
	u64 now = monotonic_ns();
	return ns > NO_DEADLINE - 1 - now ? NO_DEADLINE - 1 : now + ns;
}

u64 realtime_to_monotonic(u64 ns)
{
	return ns > shared.clock.realtime_offset ? ns - shared.clock.realtime_offset : 0;
}
