/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The floor of a queue round trip: what it takes a guest at CPL 3 to leave to user space and to come back, for a byte written to a
 * port and for a word written to an address without memory. Usage: exits <exits>; prints for each its name and two times in
 * nanoseconds: what passed, and what this thread was on a processor for, which is the one to look at on a busy host.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define MEMORY_SIZE (4UL << 20)
#define CODE 0x100000UL
#define GDT 0x500UL
#define PML4 0x9000UL
#define PDPT 0xa000UL
#define DIRECTORIES 0xb000UL

#define TABLE_ENTRY 7UL /* present, writable, user (Intel SDM 3A, 4.5.4) */
#define HUGE_ENTRY (TABLE_ENTRY | 1UL << 7)

#define DEVICE 0xd0000050UL /* the guest's loop writes here */
#define STOP 0xd0001000UL   /* and here when it is through */

#define USER_CS 0x33
#define USER_DS 0x2b
#define RFLAGS_IOPL3 0x3002 /* every port is open to CPL 3 (Intel SDM 1, 18.5.1) */

#define MOST_EXITS 100000000UL

struct guest {
	int vcpu;
	struct kvm_run *run;
	char *memory;
};

static int call(int fd, unsigned long request, void *argument, const char *name)
{
	int result = ioctl(fd, request, argument);

	if (result < 0)
		err(1, "%s", name);
	return result;
}
#define CALL(fd, request, argument) call(fd, request, (void *)(argument), #request)

static void write_tables(char *memory)
{
	static const uint64_t gdt[] = { 0, 0, 0, 0, 0, 0x00cff3000000ffff, 0x00affb000000ffff };
	uint64_t *directories = (uint64_t *)(memory + DIRECTORIES);

	memcpy(memory + GDT, gdt, sizeof(gdt));
	*(uint64_t *)(memory + PML4) = PDPT | TABLE_ENTRY;
	for (uint64_t i = 0; i < 4; i++)
		((uint64_t *)(memory + PDPT))[i] = (DIRECTORIES + i * 4096) | TABLE_ENTRY;
	for (uint64_t i = 0; i < 4 * 512; i++)
		directories[i] = i << 21 | HUGE_ENTRY;
}

static struct kvm_segment flat(unsigned selector, unsigned type, int code)
{
	return (struct kvm_segment){ .selector = (uint16_t)selector, .limit = 0xffffffff, .type = (uint8_t)type, .present = 1,
				     .dpl = 3, .s = 1, .g = 1, .l = (uint8_t)code, .db = (uint8_t)!code };
}

static struct guest guest_create(void)
{
	struct guest guest;
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (kvm < 0)
		err(1, "/dev/kvm");
	int vm = CALL(kvm, KVM_CREATE_VM, 0);
	guest.memory = mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (guest.memory == MAP_FAILED)
		err(1, "mmap");
	struct kvm_userspace_memory_region region = { .memory_size = MEMORY_SIZE,
						      .userspace_addr = (uintptr_t)guest.memory };
	CALL(vm, KVM_SET_USER_MEMORY_REGION, &region);
	write_tables(guest.memory);
	guest.vcpu = CALL(vm, KVM_CREATE_VCPU, 0);
	guest.run = mmap(NULL, (size_t)CALL(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), PROT_READ | PROT_WRITE, MAP_SHARED, guest.vcpu, 0);
	if (guest.run == MAP_FAILED)
		err(1, "mmap of struct kvm_run");

	static char room[sizeof(struct kvm_cpuid2) + 256 * sizeof(struct kvm_cpuid_entry2)];
	struct kvm_cpuid2 *cpuid = (struct kvm_cpuid2 *)room;
	cpuid->nent = 256;
	CALL(kvm, KVM_GET_SUPPORTED_CPUID, cpuid);
	CALL(guest.vcpu, KVM_SET_CPUID2, cpuid);

	struct kvm_sregs sregs;
	CALL(guest.vcpu, KVM_GET_SREGS, &sregs);
	sregs.cs = flat(USER_CS, 11, 1);
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = flat(USER_DS, 3, 0);
	sregs.gdt.base = GDT;
	sregs.gdt.limit = 7 * 8 - 1;
	sregs.cr3 = PML4;
	sregs.cr0 = 0x80050033; /* PG, AM, WP, NE, ET, MP, PE */
	sregs.cr4 = 0x20;       /* PAE */
	sregs.efer = 0x500;     /* LMA, LME */
	CALL(guest.vcpu, KVM_SET_SREGS, &sregs);
	return guest;
}

static uint64_t now_ns(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

/* Runs a loop of an instruction of two bytes that exits; `dec %ecx; jnz; mov %eax,(%rsi)` follow. */
static void measure(struct guest *guest, const char *name, const char *instruction, unsigned long exits)
{
	char code[] = { instruction[0], instruction[1], '\xff', '\xc9', '\x75', '\xfa', '\x89', '\x06' };
	struct kvm_regs regs = { .rip = CODE, .rflags = RFLAGS_IOPL3, .rcx = exits, .rdi = DEVICE, .rsi = STOP, .rsp = CODE };

	memcpy(guest->memory + CODE, code, sizeof(code));
	CALL(guest->vcpu, KVM_SET_REGS, &regs);
	unsigned long seen = 0;
	uint64_t start = now_ns(CLOCK_MONOTONIC), start_cpu = now_ns(CLOCK_THREAD_CPUTIME_ID);
	for (;;) {
		if (ioctl(guest->vcpu, KVM_RUN, 0) < 0) {
			if (errno == EINTR)
				continue;
			err(1, "KVM_RUN");
		}
		if (guest->run->exit_reason == KVM_EXIT_MMIO && guest->run->mmio.phys_addr == STOP)
			break;
		if (guest->run->exit_reason != KVM_EXIT_IO && guest->run->exit_reason != KVM_EXIT_MMIO)
			errx(1, "exit reason %u", guest->run->exit_reason);
		seen++;
	}
	if (seen != exits)
		errx(1, "%lu exits of %lu", seen, exits);
	uint64_t elapsed = now_ns(CLOCK_MONOTONIC) - start, cpu = now_ns(CLOCK_THREAD_CPUTIME_ID) - start_cpu;
	if (name)
		printf("%s %.1f %.1f\n", name, (double)elapsed / (double)exits, (double)cpu / (double)exits);
}

int main(int argc, char **argv)
{
	char *end;

	if (argc != 2)
		errx(2, "usage: %s <exits>", argv[0]);
	unsigned long exits = strtoul(argv[1], &end, 10);
	if (*end || exits == 0 || exits > MOST_EXITS)
		errx(2, "%s exits: 1 to %lu", argv[1], MOST_EXITS);
	struct guest guest = guest_create();
	measure(&guest, NULL, "\xe6\xe0", exits / 10 + 1);
	measure(&guest, "port", "\xe6\xe0", exits); /* out %al,$0xe0 */
	measure(&guest, "mmio", "\x89\x07", exits); /* mov %eax,(%rdi) */
	return 0;
}
