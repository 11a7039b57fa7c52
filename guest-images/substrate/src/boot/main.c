/* SPDX-License-Identifier: Apache-2.0 */
/* From boot_params to the idle loop. */
#include <asm/bootparam.h>
#include <substrate/cpu.h>
#include <substrate/device.h>
#include <substrate/frame.h>
#include <substrate/fs.h>
#include <substrate/main.h>
#include <substrate/mm.h>
#include <substrate/pagetable.h>
#include <substrate/printk.h>
#include <substrate/random.h>
#include <substrate/scheduler.h>
#include <substrate/string.h>
#include <substrate/task.h>
#include <substrate/time.h>
#include <substrate/user.h>

#define KERNEL_BASE 0xffffffff80000000UL
#define E820_RAM 1
#define E820_PMEM 7
#define MAX_SETUP_DATA 16

extern u64 boot_pml4[];
extern const char kernel_end[];

/* The task that boots and then idles when nobody else has a stack to idle on. */
static u8 boot_stack[KERNEL_STACK_SIZE] __attribute__((aligned(KERNEL_STACK_BYTES)));

/* head.S uses these before any C runs. */
struct cpu cpu0 = { .kernel_stack = (u64)boot_stack + KERNEL_STACK_SIZE };

/* ---- the command line ---- */

/* The number in base 10 or 16 (with 0x) at *at, with an optional K, M or G; *at is moved behind it. */
static u64 parse_size(const char **at)
{
	u64 value = 0, base = 10;
	const char *c = *at;
	if (c[0] == '0' && c[1] == 'x') {
		base = 16;
		c += 2;
	}
	for (;; c++) {
		u64 digit = *c >= '0' && *c <= '9' ? (u64)(*c - '0') : *c >= 'a' && *c <= 'f' ? (u64)(*c - 'a' + 10) : base;
		if (digit >= base)
			break;
		value = value * base + digit;
	}
	unsigned int shift = *c == 'K' ? 10 : *c == 'M' ? 20 : *c == 'G' ? 30 : 0;
	*at = shift ? c + 1 : c;
	return value << shift;
}

/* The value of the option at `word`, NULL when it is another option. */
static const char *option(const char *word, const char *name)
{
	size_t length = strlen(name);
	return strncmp(word, name, length) == 0 ? word + length : NULL;
}

/* virtio_mmio.device=<size>@<base>:<irq> (Linux, Documentation/admin-guide/kernel-parameters.txt) */
static void probe_device(const char *value)
{
	u64 size = parse_size(&value);
	if (*value++ != '@')
		panic("virtio_mmio.device= is not <size>@<base>:<irq>");
	u64 base = parse_size(&value);
	if (*value++ != ':')
		panic("virtio_mmio.device= is not <size>@<base>:<irq>");
	virtio_mmio_probe(base, size, (u32)parse_size(&value));
}

/* Calls `visit` for each word. */
static void for_each_option(const char *line, size_t length, void (*visit)(const char *word))
{
	for (size_t i = 0; i < length && line[i];) {
		if (line[i] != ' ' && (i == 0 || line[i - 1] == ' '))
			visit(line + i);
		i++;
	}
}

static u64 tsc_khz;

static void early_option(const char *word)
{
	const char *value;
	if ((value = option(word, "tsc_early_khz=")))
		tsc_khz = parse_size(&value);
	else if ((value = option(word, "vivarium.wake_timer=")))
		wake_timer_init(parse_size(&value));
}

static void device_option(const char *word)
{
	const char *value = option(word, "virtio_mmio.device=");
	if (value)
		probe_device(value);
}

/* ---- boot_params ---- */

static void find_memory(const struct boot_params *params, paddr_t *image, u64 *image_size)
{
	u64 first_free = (u64)kernel_end - KERNEL_BASE;
	for (unsigned int i = 0; i < MIN(params->e820_entries, E820_MAX_ENTRIES_ZEROPAGE); i++) {
		const struct boot_e820_entry *e = &params->e820_table[i];
		if (e->type == E820_PMEM && !*image) {
			*image = e->addr;
			*image_size = e->size;
		}
		if (e->type == E820_RAM && e->addr + e->size > first_free)
			frames_add(MAX(e->addr, first_free), e->addr + e->size);
	}
	/* The first GiB is there already. */
	for (unsigned int i = 0; i < MIN(params->e820_entries, E820_MAX_ENTRIES_ZEROPAGE); i++)
		if (params->e820_table[i].type == E820_RAM && params->e820_table[i].addr + params->e820_table[i].size > 1UL << 30)
			direct_map(params->e820_table[i].addr, params->e820_table[i].addr + params->e820_table[i].size);
}

static void take_seed(const struct boot_params *params)
{
	u64 at = params->hdr.setup_data;
	for (int i = 0; i < MAX_SETUP_DATA && at; i++) {
		struct setup_data *data = phys_to_virt(at);
		if (data->type == SETUP_RNG_SEED) {
			random_reseed(data->data, MIN(data->len, 64U));
			/* Who reads the memory later must not find what the generator started from. */
			memset(data->data, 0, data->len);
			return;
		}
		at = data->next;
	}
	random_reseed(NULL, 0);
}

noreturn static void run(const struct boot_params *params)
{
	paddr_t image = 0;
	u64 image_size = 0;
	const char *line = phys_to_virt(params->hdr.cmd_line_ptr);
	size_t line_length = strnlen(line, 4096);

	for_each_option(line, line_length, early_option);
	time_init(tsc_khz);
	find_memory(params, &image, &image_size);
	direct_map(image, image + image_size);
	frames_init();
	take_seed(params);
	user_init();
	/* The jump to the high half is long done: the low half is the programs'. */
	boot_pml4[0] = 0;
	for_each_option(line, line_length, device_option);
	if (!image)
		panic("no root image: the memory map has no region of type 7 (persistent memory)");
	fs_init(image, image_size);
	current->state = TASK_WAITING;
	for (;;)
		schedule();
}

noreturn void kernel_main(struct pt_regs *regs)
{
	u64 cs;
	__asm__ volatile("mov %%cs, %0" : "=r"(cs));
	cpu_init((unsigned int)cs & 3);
	cpu_set_kernel_stack((u64)boot_stack + KERNEL_STACK_SIZE);
	run(phys_to_virt(regs->rdi));
}

noreturn void machine_power_off(void)
{
	cpu_reset();
}
