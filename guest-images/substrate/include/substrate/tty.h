/* SPDX-License-Identifier: Apache-2.0 */
/* Terminals: pairs of a master and a slave end (pty(7)), and whose controlling terminal they are (tty(4), credentials(7)). */
#ifndef SUBSTRATE_TTY_H
#define SUBSTRATE_TTY_H

#include <substrate/types.h>

struct file;
struct node;
struct process;
struct dir_sink;
struct tty;

#define TTYAUX_MAJOR 5     /* /dev/tty is 0, /dev/ptmx 2 */
#define PTS_MAJOR 136

/* Is this the number of a terminal's device? */
bool tty_device(u32 device);
/* Opens one; takes over the reference to `node`. File or ERR_PTR. */
struct file *tty_open(struct node *node, u32 flags);
/* The slave end, for the current process, whose controlling terminal it becomes if it has none. File or ERR_PTR. */
struct file *tty_open_slave(struct tty *tty);
/* /dev/pts: the node of this name with a reference, or ERR_PTR; and what there is, in the order of numbers. */
struct node *pts_lookup(struct node *dir, const char *name, u32 len);
long pts_readdir(struct node *dir, u64 *pos, struct dir_sink *sink);
/* The process ended: if it led a session, its terminal is hung up. */
void tty_process_ended(const struct process *process);
/* The controlling terminal of the process's session: its device and foreground group; false when it has none. */
bool tty_describe(const struct process *process, u32 *device, u32 *foreground);

#endif
