/* SPDX-License-Identifier: Apache-2.0 */
/* What /proc says about the machine (proc(5)). */
#include <cpuid.h>
#include <substrate/block.h>
#include <substrate/mm.h>
#include <substrate/random.h>
#include <substrate/string.h>
#include <substrate/task.h>
#include <substrate/time.h>
#include <substrate/version.h>
#include "made.h"

#define TICK_NS (NSEC_PER_SEC / USER_HZ)

struct cpuid_leaf {
	u32 a, b, c, d;
};

static struct cpuid_leaf cpuid(u32 leaf, u32 sub)
{
	struct cpuid_leaf l = { 0, 0, 0, 0 };

	if (__get_cpuid_max(leaf & 0x80000000u, NULL) >= leaf)
		__cpuid_count(leaf, sub, l.a, l.b, l.c, l.d);
	return l;
}

static void print_flags(struct text *t)
{
	/* Names as Linux has them (arch/x86/include/asm/cpufeatures.h), in the order of its bits. */
	static const struct { u32 leaf; u8 reg, bit; const char *name; } flags[] = {
		{ 1, 3, 0, "fpu" },	{ 1, 3, 4, "tsc" },	{ 1, 3, 5, "msr" },	{ 1, 3, 6, "pae" },	{ 1, 3, 8, "cx8" },
		{ 1, 3, 15, "cmov" },	{ 1, 3, 19, "clflush" },	{ 1, 3, 23, "mmx" },	{ 1, 3, 24, "fxsr" },
		{ 1, 3, 25, "sse" },	{ 1, 3, 26, "sse2" },	{ 1, 3, 28, "ht" },
		{ 0x80000001, 3, 11, "syscall" },	{ 0x80000001, 3, 20, "nx" },	{ 0x80000001, 3, 27, "rdtscp" },
		{ 0x80000001, 3, 29, "lm" },
		{ 1, 2, 0, "pni" },	{ 1, 2, 1, "pclmulqdq" },	{ 1, 2, 9, "ssse3" },	{ 1, 2, 12, "fma" },
		{ 1, 2, 13, "cx16" },	{ 1, 2, 19, "sse4_1" },	{ 1, 2, 20, "sse4_2" },	{ 1, 2, 22, "movbe" },
		{ 1, 2, 23, "popcnt" },	{ 1, 2, 25, "aes" },	{ 1, 2, 26, "xsave" },	{ 1, 2, 28, "avx" },
		{ 1, 2, 29, "f16c" },	{ 1, 2, 30, "rdrand" },	{ 1, 2, 31, "hypervisor" },
		{ 0x80000001, 2, 0, "lahf_lm" },	{ 0x80000001, 2, 5, "abm" },	{ 0x80000001, 2, 6, "sse4a" },
		{ 7, 1, 0, "fsgsbase" },	{ 7, 1, 3, "bmi1" },	{ 7, 1, 5, "avx2" },	{ 7, 1, 8, "bmi2" },
		{ 7, 1, 9, "erms" },	{ 7, 1, 16, "avx512f" },	{ 7, 1, 17, "avx512dq" },	{ 7, 1, 18, "rdseed" },
		{ 7, 1, 19, "adx" },	{ 7, 1, 23, "clflushopt" },	{ 7, 1, 24, "clwb" },	{ 7, 1, 28, "avx512cd" },
		{ 7, 1, 29, "sha_ni" },	{ 7, 1, 30, "avx512bw" },	{ 7, 1, 31, "avx512vl" },	{ 7, 2, 8, "gfni" },
		{ 7, 2, 9, "vaes" },	{ 7, 2, 10, "vpclmulqdq" },
	};

	text_printf(t, "flags\t\t:");
	for (u32 i = 0; i < ARRAY_SIZE(flags); i++) {
		struct cpuid_leaf l = cpuid(flags[i].leaf, 0);
		u32 value = flags[i].reg == 1 ? l.b : flags[i].reg == 2 ? l.c : l.d;
		if (value & (1u << flags[i].bit))
			text_printf(t, " %s", flags[i].name);
	}
	text_printf(t, "\n");
}

static void print_processor_name(struct text *t)
{
	char vendor[13] = { 0 }, model[49] = { 0 };
	struct cpuid_leaf l = cpuid(0, 0);

	memcpy(vendor, &l.b, 4);
	memcpy(vendor + 4, &l.d, 4);
	memcpy(vendor + 8, &l.c, 4);
	for (u32 i = 0; i < 3; i++) {
		struct cpuid_leaf part = cpuid(0x80000002u + i, 0);
		memcpy(model + 16 * i, &part, sizeof(part));
	}
	l = cpuid(1, 0);
	u32 family = (l.a >> 8) & 15, number = (l.a >> 4) & 15;
	if (family == 6 || family == 15)
		number |= ((l.a >> 16) & 15) << 4;
	if (family == 15)
		family += (l.a >> 20) & 255;
	text_printf(t, "vendor_id\t: %s\ncpu family\t: %u\nmodel\t\t: %u\nmodel name\t: %s\nstepping\t: %u\n", vendor, family, number,
	            model, l.a & 15);
}

long print_cpuinfo(struct text *t, u32 pid)
{
	(void)pid;
	text_printf(t, "processor\t: 0\n");
	print_processor_name(t);
	text_printf(t, "physical id\t: 0\nsiblings\t: 1\ncore id\t\t: 0\ncpu cores\t: 1\napicid\t\t: 0\ninitial apicid\t: 0\n"
	               "fpu\t\t: yes\nfpu_exception\t: yes\ncpuid level\t: %u\nwp\t\t: yes\n", cpuid(0, 0).a);
	print_flags(t);
	text_printf(t, "bugs\t\t:\nclflush size\t: %u\ncache_alignment\t: 64\n"
	               "address sizes\t: %u bits physical, %u bits virtual\npower management:\n\n",
	            ((cpuid(1, 0).b >> 8) & 255) * 8, cpuid(0x80000008u, 0).a & 255, (cpuid(0x80000008u, 0).a >> 8) & 255);
	return 0;
}

static void print_kib(struct text *t, const char *name, u64 pages)
{
	char label[24];
	size_t len = strlen(name);

	memcpy(label, name, len);
	label[len] = ':';
	label[len + 1] = 0;
	text_printf(t, "%-16s%8lu kB\n", label, (unsigned long)(pages << (PAGE_SHIFT - 10)));
}

long print_meminfo(struct text *t, u32 pid)
{
	u64 total = frames_total(), available = frames_available();

	(void)pid;
	print_kib(t, "MemTotal", total);
	print_kib(t, "MemFree", available);
	print_kib(t, "MemAvailable", available);
	print_kib(t, "Buffers", 0);
	print_kib(t, "Cached", root_fs.frames);
	print_kib(t, "SwapCached", 0);
	print_kib(t, "Active", 0);
	print_kib(t, "Inactive", 0);
	print_kib(t, "SwapTotal", 0);
	print_kib(t, "SwapFree", 0);
	print_kib(t, "Dirty", 0);
	print_kib(t, "Writeback", 0);
	print_kib(t, "AnonPages", total - available - MIN(root_fs.frames, total - available));
	print_kib(t, "Mapped", 0);
	print_kib(t, "Shmem", root_fs.frames);
	print_kib(t, "Slab", 0);
	print_kib(t, "CommitLimit", total);
	print_kib(t, "Committed_AS", total - available);
	print_kib(t, "VmallocTotal", 0);
	print_kib(t, "VmallocUsed", 0);
	text_printf(t, "HugePages_Total:       0\nHugePages_Free:        0\nHugepagesize:       2048 kB\n");
	return 0;
}

struct census {
	u64 user_ns, system_ns;
	u32 processes, threads, running, last_pid;
};

static struct census count_processes(void)
{
	struct census c = { 0 };
	struct process *process;

	for (u32 pid = 0; (process = process_next(pid)); pid = process->pid) {
		const struct task *task;
		c.user_ns += process->user_ns;
		c.system_ns += process->system_ns;
		c.processes++;
		c.last_pid = process->pid;
		list_for_each(task, &process->threads, thread_link) {
			c.threads++;
			c.running += task->state == TASK_RUNNABLE;
		}
	}
	return c;
}

long print_stat(struct text *t, u32 pid)
{
	struct census c = count_processes();
	u64 up = monotonic_ns(), busy = c.user_ns + c.system_ns;
	u64 idle = up > busy ? up - busy : 0;

	(void)pid;
	for (int i = 0; i < 2; i++)
		text_printf(t, "cpu%s %lu 0 %lu %lu 0 0 0 0 0 0\n", i == 0 ? " " : "0", (unsigned long)(c.user_ns / TICK_NS),
		            (unsigned long)(c.system_ns / TICK_NS), (unsigned long)(idle / TICK_NS));
	text_printf(t, "intr 0\nctxt 0\nbtime %lu\nprocesses %u\nprocs_running %u\nprocs_blocked 0\nsoftirq 0 0 0 0 0 0 0 0 0 0 0\n",
	            (unsigned long)((realtime_ns() - up) / NSEC_PER_SEC), c.last_pid, c.running);
	return 0;
}

long print_uptime(struct text *t, u32 pid)
{
	struct census c = count_processes();
	u64 up = monotonic_ns(), busy = c.user_ns + c.system_ns, idle = up > busy ? up - busy : 0;

	(void)pid;
	up /= TICK_NS;
	idle /= TICK_NS;
	text_printf(t, "%lu.%02lu %lu.%02lu\n", (unsigned long)(up / USER_HZ), (unsigned long)(up % USER_HZ),
	            (unsigned long)(idle / USER_HZ), (unsigned long)(idle % USER_HZ));
	return 0;
}

/* There is no average kept: a machine that has just begun has none either. */
long print_loadavg(struct text *t, u32 pid)
{
	struct census c = count_processes();

	(void)pid;
	text_printf(t, "0.00 0.00 0.00 %u/%u %u\n", c.running, c.threads, c.last_pid);
	return 0;
}

long print_version(struct text *t, u32 pid)
{
	(void)pid;
	text_printf(t, "Linux version %s (substrate) (gcc) %s\n", SUBSTRATE_RELEASE, SUBSTRATE_VERSION);
	return 0;
}

/* ---- file systems ---- */

static const struct { const char *on, *type; u32 fs; } mounts[] = {
	{ "/", "overlay", FS_ROOT },	{ "/dev", "tmpfs", FS_DEV },	{ "/dev/shm", "tmpfs", FS_SHM },
	{ "/dev/pts", "devpts", FS_PTS },	{ "/proc", "proc", FS_PROC },	{ "/sys", "sysfs", FS_SYS },
};

static const char *source_of(u32 fs, const char *type)
{
	return fs == FS_ROOT ? "root" : type;
}

long print_mounts(struct text *t, u32 pid)
{
	(void)pid;
	for (u32 i = 0; i < ARRAY_SIZE(mounts); i++)
		text_printf(t, "%s %s %s rw,relatime 0 0\n", source_of(mounts[i].fs, mounts[i].type), mounts[i].on, mounts[i].type);
	return 0;
}

/* "ID parent major:minor root mountpoint options - type source superoptions"; the minors are those of st_dev. */
long print_mountinfo(struct text *t, u32 pid)
{
	(void)pid;
	for (u32 i = 0; i < ARRAY_SIZE(mounts); i++) {
		u32 parent = mounts[i].fs == FS_ROOT ? 0 : mounts[i].fs == FS_SHM || mounts[i].fs == FS_PTS ? FS_DEV : FS_ROOT;
		text_printf(t, "%u %u 0:%u / %s rw,relatime - %s %s rw\n", 20 + mounts[i].fs, 20 + parent, 0x20 + mounts[i].fs,
		            mounts[i].on, mounts[i].type, source_of(mounts[i].fs, mounts[i].type));
	}
	return 0;
}

long print_filesystems(struct text *t, u32 pid)
{
	(void)pid;
	text_printf(t, "nodev\tsysfs\nnodev\ttmpfs\nnodev\tproc\nnodev\tdevpts\nnodev\toverlay\n\terofs\n");
	return 0;
}

long print_partitions(struct text *t, u32 pid)
{
	(void)pid;
	text_printf(t, "major minor  #blocks  name\n\n");
	for (u32 disk = 0; disk < block_disks(); disk++) {
		u32 number = disk_device(disk);
		text_printf(t, "%4u  %7u %10llu vd%c\n", number >> 8, number & 0xff, (unsigned long long)(block_capacity(disk) >> 10),
		            (int)('a' + disk));
	}
	return 0;
}

long print_cgroup(struct text *t, u32 pid)
{
	(void)pid;
	text_printf(t, "0::/\n");
	return 0;
}

/* ---- /proc/sys ---- */

long print_ostype(struct text *t, u32 pid)
{
	(void)pid;
	text_printf(t, "Linux\n");
	return 0;
}

long print_osrelease(struct text *t, u32 pid)
{
	(void)pid;
	text_printf(t, "%s\n", SUBSTRATE_RELEASE);
	return 0;
}

long print_hostname(struct text *t, u32 pid)
{
	(void)pid;
	text_printf(t, "%s\n", SUBSTRATE_HOSTNAME);
	return 0;
}

static void print_as_uuid(struct text *t, const u8 id[16])
{
	for (int i = 0; i < 16; i++)
		text_printf(t, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", id[i]);
	text_printf(t, "\n");
}

/* RFC 9562, version 4. */
static void make_uuid(u8 id[16])
{
	random_bytes(id, 16);
	id[6] = (u8)((id[6] & 0x0f) | 0x40);
	id[8] = (u8)((id[8] & 0x3f) | 0x80);
}

long print_uuid(struct text *t, u32 pid)
{
	u8 id[16];

	(void)pid;
	make_uuid(id);
	print_as_uuid(t, id);
	return 0;
}

void boot_id_renew(void)
{
	memset(root_fs.boot_id, 0, sizeof(root_fs.boot_id));
}

long print_boot_id(struct text *t, u32 pid)
{
	(void)pid;
	if (root_fs.boot_id[6] == 0)
		make_uuid(root_fs.boot_id);
	print_as_uuid(t, root_fs.boot_id);
	return 0;
}

long print_file_max(struct text *t, u32 pid)
{
	(void)pid;
	text_printf(t, "%lu\n", (unsigned long)frames_total());
	return 0;
}
