/* SPDX-License-Identifier: Apache-2.0 */
/* Where everything lies in guest-physical memory; the same as in the Java VMM (MachineMap, LinuxBoot, BootParams). */
#ifndef LAYOUT_H
#define LAYOUT_H

#include <stdint.h>

#define PAGE_SIZE 4096UL
#define HUGE_PAGE_SIZE (2UL << 20)
#define ALIGN_UP(n, to) (((n) + (to)-1) & ~((to)-1))

#define BOOT_GDT 0x500UL
#define BOOT_PARAMS 0x7000UL
#define BOOT_STACK 0x9000UL /* grows down */
#define BOOT_PML4 0x9000UL
#define BOOT_PDPT 0xa000UL
#define BOOT_DIRECTORIES 0xb000UL
#define COMMAND_LINE 0x20000UL
#define RNG_SEED 0x21000UL /* a setup_data node */
#define RNG_SEED_BYTES 32

#define RAM_SIZE (256UL << 20)

#define CONSOLE_WINDOW 0xd0000000UL
#define CONSOLE_WINDOW_SIZE 0x200UL
#define CONSOLE_IRQ 5
#define WAKE_TIMER 0xd00ff000UL
#define WAKE_TIMER_IRQ 6
#define FIRST_VECTOR 0x20 /* of interrupt 0: the vectors below are exceptions' */

#define ROOT_IMAGE 0x1000000000UL

#endif
