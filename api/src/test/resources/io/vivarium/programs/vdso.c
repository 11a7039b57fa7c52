/* SPDX-License-Identifier: Apache-2.0 */
#include <elf.h>
#include <link.h>
#include <sched.h>
#include <sys/auxv.h>
#include <sys/wait.h>

/* The function of the kernel's library, found as vdso(7) says. */
static void *find(const char *wanted)
{
	uintptr_t base = getauxval(AT_SYSINFO_EHDR);
	const Elf64_Ehdr *header = (const void *)base;
	const Elf64_Phdr *segments = (const void *)(base + header->e_phoff);
	const Elf64_Dyn *dynamic = NULL;
	for (int i = 0; i < header->e_phnum; i++)
		if (segments[i].p_type == PT_DYNAMIC)
			dynamic = (const void *)(base + segments[i].p_offset);
	const Elf64_Sym *symbols = NULL;
	const char *strings = NULL;
	const uint32_t *hash = NULL;
	for (; dynamic && dynamic->d_tag != DT_NULL; dynamic++) {
		const void *at = (const void *)(base + dynamic->d_un.d_ptr);
		if (dynamic->d_tag == DT_SYMTAB)
			symbols = at;
		else if (dynamic->d_tag == DT_STRTAB)
			strings = at;
		else if (dynamic->d_tag == DT_HASH)
			hash = at;
	}
	for (uint32_t i = 0; symbols && strings && hash && i < hash[1]; i++)
		if (strcmp(strings + symbols[i].st_name, wanted) == 0)
			return (void *)(base + symbols[i].st_value);
	return NULL;
}

static int64_t ns(struct timespec t) { return t.tv_sec * 1000000000LL + t.tv_nsec; }

/* The library's time lies between two times of the kernel. */
static void compare(const char *what, clockid_t clock, int (*read_clock)(clockid_t, struct timespec *))
{
	struct timespec before, between, after;
	int steps = 1;
	for (int i = 0; i < 1000; i++) {
		syscall(SYS_clock_gettime, clock, &before);
		read_clock(clock, &between);
		syscall(SYS_clock_gettime, clock, &after);
		steps &= ns(before) <= ns(between) && ns(between) <= ns(after);
	}
	printf("%s in order: %d\n", what, steps);
}

int main(void)
{
	int (*read_clock)(clockid_t, struct timespec *) = find("__vdso_clock_gettime");
	int (*time_of_day)(struct timeval *, void *) = find("__vdso_gettimeofday");
	time_t (*seconds)(time_t *) = find("__vdso_time");
	int (*processor)(unsigned *, unsigned *, void *) = find("__vdso_getcpu");
	printf("found %d %d %d %d\n", !!read_clock, !!time_of_day, !!seconds, !!processor);
	compare("monotonic", CLOCK_MONOTONIC, read_clock);
	compare("realtime", CLOCK_REALTIME, read_clock);
	compare("boottime", CLOCK_BOOTTIME, read_clock);
	struct timespec t;
	SHOW(read_clock(CLOCK_PROCESS_CPUTIME_ID, &t));
	SHOW(read_clock(99, &t));
	struct timeval now;
	time_of_day(&now, NULL);
	time_t s = seconds(NULL);
	SHOW(s - now.tv_sec <= 1 && labs(s - time(NULL)) <= 1);
	unsigned cpu = 9999, node = 9999;
	SHOW(processor(&cpu, &node, NULL));
	SHOW(cpu < 1024 && node < 64);
	/* A child has it too. */
	pid_t child = fork();
	if (child == 0) {
		compare("child's monotonic", CLOCK_MONOTONIC, read_clock);
		_exit(0);
	}
	int status;
	waitpid(child, &status, 0);
	/* It belongs to the program: what it writes there is its own. */
	char line[256];
	FILE *maps = fopen("/proc/self/maps", "r");
	while (fgets(line, sizeof(line), maps))
		if (strstr(line, "[vdso]"))
			printf("mapped %.4s\n", strchr(line, ' ') + 1);
	return status;
}
