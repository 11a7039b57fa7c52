/* SPDX-License-Identifier: Apache-2.0 */
/* What the machine core (boot, scheduler) and the drivers (virtio, agent) ask of each other. */
#ifndef SUBSTRATE_DEVICE_H
#define SUBSTRATE_DEVICE_H

#include <substrate/types.h>

struct process;

/* One `virtio_mmio.device=<size>@<base>:<irq>` of the command line; called at boot for each, in order. */
void virtio_mmio_probe(paddr_t base, u64 size, u32 irq);

/*
 * Looks at every used ring and handles what arrived (agent frames, console input). Runs in the idle loop, on the wake-up
 * interrupt and before a task waits; never sleeps, is never entered twice. True when there was something.
 */
bool devices_poll(void);

/*
 * Text for the boot console. Never blocks: what the port (not there yet, or slow) has not taken waits in a ring of 8 KiB, whose
 * oldest text gives way to the newest; how much was lost is told in its place.
 */
void console_write(const char *text, size_t len);
/* Pushes out what console_write queued and waits, for a second at most, for the device to take it: for panic. */
void console_flush(void);

/* The process ended: tells the host (EXITED or KILLED, UNSUPPORTED before it), after all of its output. */
void agent_process_ended(struct process *process);
/* A system call that does not exist was made; counted for the program of the host that the process descends from. */
void agent_process_unsupported(struct process *process, u32 nr);
/*
 * Waits until the host has room for a record of TRACE_RECORD_MAX bytes. False when there is nobody to tell it to: the program of
 * the host that the process descends from has ended, or SIGKILL came, which counts as a record lost.
 */
bool agent_trace_wait(const struct process *process);
/* Sends the record, for which the caller has waited. */
void agent_trace(const struct process *process, const void *record, size_t n);
/* Rings the doorbell that is owed for what was told to the host, if any is. */
void agent_flush(void);

/* ---- what the drivers ask of the machine core ---- */

/* The host asked for the end. */
noreturn void machine_power_off(void);
/* "write" for __NR_write; NULL for a number that has no name. */
const char *syscall_name(u32 nr);
/* As uname(2) gives it in `release`. */
const char *kernel_release(void);

#endif
