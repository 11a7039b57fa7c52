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

/* The console takes text as soon as its port is there; before that printk keeps it. */
void console_write(const char *text, size_t len);
/* Pushes out what console_write queued and waits for the device to take it: for panic. */
void console_flush(void);

struct spawn_request;

/* How a process_spawn (task.h) went; the agent may free the request. */
void agent_spawned(struct spawn_request *request, u32 pid);
void agent_spawn_failed(struct spawn_request *request, long error, const char *reason);

/* The process ended: tells the host (EXITED or KILLED, UNSUPPORTED before it), after all of its output. */
void agent_process_ended(struct process *process);
/* A system call that does not exist was made. */
void agent_process_unsupported(struct process *process, u32 nr);

/* Ends the machine. */
noreturn void machine_power_off(void);

#endif
