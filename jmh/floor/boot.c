/* SPDX-License-Identifier: Apache-2.0 */
#include "boot.h"

#include <asm/bootparam.h>
#include <elf.h>
#include <err.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "layout.h"
#include "memory.h"

#define E820_RAM 1
#define E820_PMEM 7

#define CONVENTIONAL_END 0x9fc00UL /* a PC keeps the rest below 1 MiB for its firmware */
#define EXTENDED_START 0x100000UL

#define TABLE_ENTRY 7UL /* present, writable, user (Intel SDM 3A, 4.5.4) */
#define HUGE_ENTRY (TABLE_ENTRY | 1UL << 7)

/* An executable's header and segments, checked to lie within the file. */
static const Elf64_Phdr *segments_of(const struct mapped_file *file, const char *path, int *count)
{
	const Elf64_Ehdr *header = file->bytes;

	if (file->size < sizeof(*header) || memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 ||
	    header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_machine != EM_X86_64 || header->e_type != ET_EXEC)
		errx(1, "%s is not an x86-64 ELF executable", path);
	if (header->e_phoff > file->size || header->e_phnum > (file->size - header->e_phoff) / sizeof(Elf64_Phdr))
		errx(1, "%s is truncated", path);
	const Elf64_Phdr *segments = (const void *)((const char *)file->bytes + header->e_phoff);
	for (int i = 0; i < header->e_phnum; i++)
		if (segments[i].p_type == PT_LOAD && (segments[i].p_filesz > segments[i].p_memsz ||
						      segments[i].p_offset > file->size ||
						      segments[i].p_filesz > file->size - segments[i].p_offset))
			errx(1, "%s is truncated", path);
	*count = header->e_phnum;
	return segments;
}

static void write_boot_tables(char *memory)
{
	/* Null, unused, 64-bit code, data: base 0, limit 4 GiB - 1 (Intel SDM 3A, 3.4.5). */
	static const uint64_t gdt[] = { 0, 0, 0x00af9b000000ffff, 0x00cf93000000ffff };
	uint64_t *pml4 = (uint64_t *)(memory + BOOT_PML4);
	uint64_t *pdpt = (uint64_t *)(memory + BOOT_PDPT);
	uint64_t *directories = (uint64_t *)(memory + BOOT_DIRECTORIES);

	memcpy(memory + BOOT_GDT, gdt, sizeof(gdt));
	pml4[0] = BOOT_PDPT | TABLE_ENTRY;
	for (uint64_t i = 0; i < 4; i++)
		pdpt[i] = (BOOT_DIRECTORIES + i * PAGE_SIZE) | TABLE_ENTRY;
	for (uint64_t i = 0; i < 4 * 512; i++)
		directories[i] = i << 21 | HUGE_ENTRY;
}

static void write_boot_params(char *memory, size_t image_size, unsigned tsc_khz)
{
	struct boot_params *params = (struct boot_params *)(memory + BOOT_PARAMS);
	struct setup_data *seed = (struct setup_data *)(memory + RNG_SEED);
	const struct boot_e820_entry map[] = {
		{ 0, CONVENTIONAL_END, E820_RAM },
		{ EXTENDED_START, RAM_SIZE - EXTENDED_START, E820_RAM },
		{ ROOT_IMAGE, ALIGN_UP(image_size, PAGE_SIZE), E820_PMEM },
	};

	int length = sprintf(memory + COMMAND_LINE,
			     "console=hvc0 virtio_mmio.device=4K@0x%lx:%d tsc_early_khz=%u vivarium.wake_timer=0x%lx:%d "
			     "root=pmem0 rootfstype=erofs",
			     CONSOLE_WINDOW, CONSOLE_IRQ, tsc_khz, WAKE_TIMER, WAKE_TIMER_IRQ);
	params->hdr.boot_flag = 0xaa55;
	params->hdr.header = 0x53726448; /* "HdrS" */
	params->hdr.version = 0x20f;
	params->hdr.type_of_loader = 0xff;
	params->hdr.loadflags = LOADED_HIGH;
	params->hdr.cmd_line_ptr = COMMAND_LINE;
	params->hdr.cmdline_size = (uint32_t)length;
	params->hdr.setup_data = RNG_SEED;
	params->e820_entries = sizeof(map) / sizeof(map[0]);
	memcpy(params->e820_table, map, sizeof(map));
	seed->type = SETUP_RNG_SEED;
	seed->len = RNG_SEED_BYTES;
	if (getrandom(seed->data, RNG_SEED_BYTES, 0) != RNG_SEED_BYTES)
		err(1, "getrandom");
}

uint64_t boot_load(char *memory, const char *kernel_path, size_t image_size, unsigned tsc_khz)
{
	struct mapped_file kernel = map_file(kernel_path);
	int count;
	const Elf64_Phdr *segments = segments_of(&kernel, kernel_path, &count);
	uint64_t entry = ((const Elf64_Ehdr *)kernel.bytes)->e_entry;

	for (int i = 0; i < count; i++) {
		const Elf64_Phdr *segment = &segments[i];
		if (segment->p_type != PT_LOAD)
			continue;
		if (segment->p_paddr < EXTENDED_START || segment->p_paddr > RAM_SIZE ||
		    segment->p_memsz > RAM_SIZE - segment->p_paddr)
			errx(1, "%s does not fit into memory", kernel_path);
		memcpy(memory + segment->p_paddr, (const char *)kernel.bytes + segment->p_offset, segment->p_filesz);
	}
	write_boot_tables(memory);
	write_boot_params(memory, image_size, tsc_khz);
	munmap((void *)kernel.bytes, kernel.size);
	close(kernel.fd);
	return entry;
}
