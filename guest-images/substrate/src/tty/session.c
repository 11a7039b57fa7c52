/* SPDX-License-Identifier: Apache-2.0 */
/* Whose controlling terminal a terminal is, and who may use it (credentials(7), tty_ioctl(4)). */
#include <asm/ioctls.h>
#include <asm/signal.h>
#include <substrate/err.h>
#include <substrate/process.h>
#include <substrate/signal.h>
#include <substrate/stop.h>
#include <substrate/task.h>

#include "pty.h"

static struct tty *of_session(u32 sid)
{
	struct tty *tty = tty_find(0);
	while (tty && tty->session != sid)
		tty = tty_find(tty->index + 1);
	return tty;
}

struct tty *tty_current(void)
{
	return of_session(current->process->sid);
}

bool tty_describe(const struct process *process, u32 *device, u32 *foreground)
{
	const struct tty *tty = of_session(process->sid);
	if (!tty)
		return false;
	*device = PTS_MAJOR << 8 | tty->index;
	*foreground = tty->foreground;
	return true;
}

static bool leads_session(const struct process *process)
{
	return process->pid == process->sid;
}

static void acquire(struct tty *tty)
{
	tty->session = current->process->sid;
	tty->foreground = current->process->pgid;
}

void tty_offer(struct tty *tty)
{
	if (leads_session(current->process) && !tty->session && !tty_current())
		acquire(tty);
}

long tty_check_foreground(struct tty *tty, int signo, bool insist)
{
	const struct process *self = current->process;
	if (!self || tty->session != self->sid || !tty->foreground || tty->foreground == self->pgid)
		return 0;
	if (signal_passes_by(signo))
		return insist ? -EIO : 0;
	if (group_orphaned(self->pgid, self->sid))
		return -EIO;
	signal_send_group(self->pgid, signo);
	return -ERESTARTSYS;
}

void tty_signal_foreground(struct tty *tty, int signo)
{
	if (tty->foreground)
		signal_send_group(tty->foreground, signo);
}

static void release(struct tty *tty)
{
	if (tty->foreground) {
		signal_send_group(tty->foreground, SIGHUP);
		signal_send_group(tty->foreground, SIGCONT);
	}
	tty->session = tty->foreground = 0;
}

void tty_hang_up(struct tty *tty)
{
	struct process *leader = tty->session ? process_find(tty->session) : NULL;
	if (leader) {
		signal_send_kernel(leader, SIGHUP);
		signal_send_kernel(leader, SIGCONT);
	}
	release(tty);
	tty->hung_up = true;
	wake_up(&tty->readers);
	wake_up(&tty->writers);
	wake_up(&tty->master_readers);
	wake_up(&tty->master_writers);
}

void tty_process_ended(const struct process *process)
{
	struct tty *tty = leads_session(process) ? of_session(process->sid) : NULL;
	if (tty)
		tty_hang_up(tty);
}

static bool group_in_session(u32 pgid, u32 sid)
{
	const struct process *process;
	for_each_process(process)
		if (process->pgid == pgid && process->sid == sid)
			return true;
	return false;
}

static long set_foreground(struct tty *tty, u64 arg)
{
	int pgid;
	if (tty->session != current->process->sid)
		return -ENOTTY;
	long error = tty_check_foreground(tty, SIGTTOU, false);
	if (error)
		return error;
	if (copy_from_user(&pgid, (void *)arg, sizeof(pgid)))
		return -EFAULT;
	if (pgid < 0)
		return -EINVAL;
	if (!group_in_session((u32)pgid, tty->session))
		return process_find((u32)pgid) ? -EPERM : -ESRCH;
	tty->foreground = (u32)pgid;
	return 0;
}

static long set_controlling(struct tty *tty, u64 arg)
{
	const struct process *self = current->process;
	if (leads_session(self) && tty->session == self->sid)
		return 0;
	if (!leads_session(self) || tty_current())
		return -EPERM;
	if (tty->session && !(arg == 1 && self->cred.euid == 0))
		return -EPERM;
	acquire(tty);
	return 0;
}

static long put_id(u64 arg, u32 id)
{
	return copy_to_user((void *)arg, &id, sizeof(id)) ? -EFAULT : 0;
}

long tty_session_ioctl(struct tty *tty, unsigned int cmd, u64 arg, bool master)
{
	bool ours = tty->session == current->process->sid;
	switch (cmd) {
	case TIOCGPGRP:
		return master || ours ? put_id(arg, tty->foreground) : -ENOTTY;
	case TIOCGSID:
		return tty->session && (master || ours) ? put_id(arg, tty->session) : -ENOTTY;
	case TIOCSPGRP:
		return set_foreground(tty, arg);
	case TIOCSCTTY:
		return set_controlling(tty, arg);
	case TIOCNOTTY:
		/* That one process alone gives the terminal up is not there: it belongs to the session. */
		if (!ours)
			return -ENOTTY;
		if (!leads_session(current->process))
			return -EPERM;
		release(tty);
		return 0;
	default:
		return -ENOTTY;
	}
}
