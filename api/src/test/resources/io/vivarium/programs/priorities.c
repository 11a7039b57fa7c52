/* SPDX-License-Identifier: Apache-2.0 */
#include <linux/capability.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

static long pkey(long number, long a, long b, long c, long d)
{
	long result = syscall(number, a, b, c, d);
	return result < 0 ? -1 : result;
}

int main(void)
{
	SAY(setpriority(PRIO_PROCESS, 0, 5));
	SHOW(getpriority(PRIO_PROCESS, getpid()));
	SAY(setpriority(PRIO_PROCESS, 0, 99));
	SHOW(getpriority(PRIO_PROCESS, 0));
	SAY(setpriority(PRIO_PROCESS, 1 << 22, 0));
	SAY(getpriority(7, 0));
	pid_t child = fork();
	if (child == 0)
		_exit(getpriority(PRIO_PROCESS, 0));
	int status;
	waitpid(child, &status, 0);
	printf("inherited %d\n", WEXITSTATUS(status));

	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2];
	SAY(syscall(SYS_capget, &header, data));
	printf("chown %d inheritable %d\n", data[0].effective & 1, data[0].inheritable);
	header.version = 1;
	SAY(syscall(SYS_capget, &header, data));
	printf("preferred %x\n", header.version);
	header.pid = 1 << 22;
	SAY(syscall(SYS_capget, &header, data));

	void *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	SHOW(pkey(SYS_pkey_mprotect, (long)page, 4096, PROT_READ | PROT_WRITE, -1));
	*(int *)page = 1;
	SAY(syscall(SYS_pkey_alloc, 1, 0));
	SAY(syscall(SYS_pkey_free, 77));
	return 0;
}
