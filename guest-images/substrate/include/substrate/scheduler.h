/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of the scheduler: for task/ and boot/. sched.h is what everybody else waits with. */
#ifndef SUBSTRATE_SCHEDULER_H
#define SUBSTRATE_SCHEDULER_H

#include <substrate/regs.h>
#include <substrate/sched.h>
#include <substrate/types.h>

struct task;
struct timer;

/*
 * The machine's wake timer: a 64-bit register; what is written is the number of nanoseconds after which the machine
 * interrupts the processor, or wakes it when it is halted. One shot; the last write counts; 0 disarms.
 */
void wake_timer_init(paddr_t base);

void task_wake(struct task *task);
/* If it wants to run, it is the next. */
void task_hurry(struct task *task);
/* struct task.timer's callback. */
void task_wait_expired(struct timer *timer);
/* Runs somebody else, or idles. The caller has set its own state. */
void schedule(void);
/* Lets the others run first. */
void yield(void);
/* Sleeps until task_wake, a signal (-ERESTARTSYS) or the deadline (-ETIMEDOUT). */
long wait_sleep(u64 deadline);
/* Sleeps until task_wake, which may come for any reason, a signal too. */
void wait_uninterrupted(void);

/* The program's vector registers stay in the processor until another task's are needed. */
void fpu_save(struct task *task);    /* into task->xsave; they stay in the processor */
void fpu_restore(struct task *task); /* from task->xsave, now */
void fpu_drop(struct task *task);

/* To another task at once, past the run queue. */
void switch_context(struct task *next);
/* What a new task does before its program runs. */
void task_begin(void);
/* The task's memory, stack included; it must not be running. */
void task_free(struct task *task);
/* Runs handlers, or ends the process. */
void signals_deliver(struct pt_regs *regs);

#endif
