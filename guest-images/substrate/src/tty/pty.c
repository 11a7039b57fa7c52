/* SPDX-License-Identifier: Apache-2.0 */
#include "pty.h"

#include <asm/ioctls.h>
#include <asm/poll.h>
#include <asm/signal.h>
#include <linux/fcntl.h>
#include <substrate/err.h>
#include <substrate/mm.h>
#include <substrate/printk.h>
#include <substrate/string.h>
#include <substrate/task.h>
#include <substrate/time.h>

#include "../fs/file.h"
#include "../fs/made.h"
#include "../fs/node.h"

#define TTY_ORDER 2        /* of the frames that a terminal takes */
#define PTYS_MAX 256U /* as many minor numbers as one major has */
#define GROUP_TTY 5        /* as Debian numbers it */
#define VTIME_UNIT_NS (NSEC_PER_SEC / 10)

_Static_assert(sizeof(struct tty) <= PAGE_SIZE << TTY_ORDER, "a terminal fits its frames");

static struct list ttys = LIST_INIT(ttys);

struct tty *tty_find(u32 index)
{
	struct tty *tty;
	list_for_each(tty, &ttys, link)
		if (tty->index >= index)
			return tty;
	return NULL;
}

struct tty *tty_get(struct tty *tty)
{
	tty->refs++;
	return tty;
}

void tty_put(struct tty *tty)
{
	if (--tty->refs > 0)
		return;
	list_remove(&tty->link);
	node_put(tty->node);
	frames_free(virt_to_phys(tty), TTY_ORDER);
}

static void on_signal(struct ldisc *ldisc, int signo)
{
	struct tty *tty = container_of(ldisc, struct tty, ldisc);
	tty_signal_foreground(tty, signo);
	/* What waited for room has it: the buffers were flushed. */
	wake_up(&tty->writers);
}

/* The lowest number that is free, and the terminal before which it belongs in the list. */
static u32 free_index(struct list **before)
{
	struct tty *tty;
	u32 index = 0;
	*before = &ttys;
	list_for_each(tty, &ttys, link) {
		if (tty->index != index) {
			*before = &tty->link;
			break;
		}
		index++;
	}
	return index;
}

struct tty *tty_new(u32 uid)
{
	struct list *before;
	u32 index = free_index(&before);
	if (index >= PTYS_MAX)
		return ERR_PTR(-ENOSPC);
	paddr_t frames = frames_alloc(TTY_ORDER);
	if (!frames)
		return ERR_PTR(-ENOMEM);
	struct tty *tty = phys_to_virt(frames);
	memset(tty, 0, sizeof(*tty));
	tty->node = node_new(FS_PTS, S_IFCHR | 0620);
	if (!tty->node) {
		frames_free(frames, TTY_ORDER);
		return ERR_PTR(-ENOMEM);
	}
	tty->refs = 1;
	tty->index = index;
	tty->locked = true;
	tty->node->device = PTS_MAJOR << 8 | index;
	tty->node->uid = uid;
	tty->node->gid = GROUP_TTY;
	wait_queue_init(&tty->readers);
	wait_queue_init(&tty->writers);
	wait_queue_init(&tty->master_readers);
	wait_queue_init(&tty->master_writers);
	ldisc_init(&tty->ldisc, on_signal);
	list_push_back(before, &tty->link);
	return tty;
}

/* ---- the slave end ---- */

static bool readable(const struct tty *tty, size_t least)
{
	return tty->hung_up || ldisc_readable(&tty->ldisc, least);
}

/* VMIN and VTIME of termios(3). -ETIMEDOUT: what is there has to do. */
static long wait_raw(struct tty *tty, size_t wanted)
{
	const u8 *keys = tty->ldisc.termios.c_cc;
	size_t least = MIN((size_t)keys[VMIN], wanted);
	u64 patience = keys[VTIME] * VTIME_UNIT_NS;
	if (keys[VMIN] == 0)
		return readable(tty, 1) ? 0 : wait_event_until(&tty->readers, readable(tty, 1), monotonic_ns() + patience);
	long error = wait_event(&tty->readers, readable(tty, patience ? 1 : least));
	while (!error && patience && !readable(tty, least)) {
		u32 seen = tty->ldisc.count;
		error = wait_event_until(&tty->readers, tty->ldisc.count > seen || tty->hung_up, monotonic_ns() + patience);
	}
	return error;
}

static long wait_for_input(struct file *file, struct tty *tty, size_t wanted)
{
	bool canonical = tty->ldisc.termios.c_lflag & ICANON;
	bool at_once = !canonical && !tty->ldisc.termios.c_cc[VMIN] && !tty->ldisc.termios.c_cc[VTIME];
	if (readable(tty, 1) && (canonical || file->flags & O_NONBLOCK))
		return 0;
	if (at_once)
		return -ETIMEDOUT;
	if (file->flags & O_NONBLOCK)
		return -EAGAIN;
	return canonical ? wait_event(&tty->readers, readable(tty, 1)) : wait_raw(tty, wanted);
}

static ssize_t slave_read(struct file *file, struct iobuf *io, u64 pos)
{
	struct tty *tty = file->private;
	(void)pos;
	if (io->left == 0 || tty->hung_up)
		return 0;
	long error = tty_check_foreground(tty, SIGTTIN, true);
	if (!error)
		error = wait_for_input(file, tty, io->left);
	if (error && error != -ETIMEDOUT)
		return error;
	size_t done = tty->hung_up ? 0 : ldisc_read(&tty->ldisc, io);
	wake_up(&tty->master_writers);
	return done == 0 && io->faulted ? -EFAULT : (ssize_t)done;
}

static ssize_t slave_write(struct file *file, struct iobuf *io, u64 pos)
{
	struct tty *tty = file->private;
	ssize_t done = 0;
	long error = tty->ldisc.termios.c_lflag & TOSTOP ? tty_check_foreground(tty, SIGTTOU, false) : 0;
	(void)pos;
	while (!error && io->left > 0 && !io->faulted) {
		if (tty->hung_up) {
			error = -EIO;
		} else if (ldisc_writable(&tty->ldisc)) {
			done += (ssize_t)ldisc_write(&tty->ldisc, io);
			wake_up(&tty->master_readers);
		} else if (file->flags & O_NONBLOCK) {
			error = -EAGAIN;
		} else {
			error = wait_event(&tty->writers, tty->hung_up || ldisc_writable(&tty->ldisc));
		}
	}
	return done ? done : error ? error : io->faulted ? -EFAULT : 0;
}

static unsigned int slave_poll(struct file *file, struct poll_table *table)
{
	struct tty *tty = file->private;
	const struct termios *termios = &tty->ldisc.termios;
	poll_wait(table, &tty->readers);
	poll_wait(table, &tty->writers);
	if (tty->hung_up)
		return POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM | POLLERR | POLLHUP;
	size_t least = termios->c_cc[VTIME] ? 1 : MAX((size_t)termios->c_cc[VMIN], (size_t)1);
	return (ldisc_readable(&tty->ldisc, least) ? POLLIN | POLLRDNORM : 0) |
	       (ldisc_writable(&tty->ldisc) ? POLLOUT | POLLWRNORM : 0);
}

static long slave_ioctl(struct file *file, unsigned int cmd, u64 arg)
{
	struct tty *tty = file->private;
	return tty->hung_up ? -EIO : tty_ioctl(tty, cmd, arg, false);
}

static void slave_release(struct file *file)
{
	struct tty *tty = file->private;
	if (--tty->slaves == 0) {
		tty->slave_closed = true;
		wake_up(&tty->master_readers);
	}
	tty_put(tty);
}

static const struct file_ops slave_ops = {
	.read = slave_read,
	.write = slave_write,
	.ioctl = slave_ioctl,
	.poll = slave_poll,
	.release = slave_release,
};

struct file *slave_open(struct tty *tty, struct node *node, u32 flags)
{
	if (tty->hung_up || tty->locked) {
		node_put(node);
		return ERR_PTR(-EIO);
	}
	struct file *file = file_new(&slave_ops, node, tty, flags);
	if (!file)
		return ERR_PTR(-ENOMEM);
	tty_get(tty);
	tty->slaves++;
	tty->slave_closed = false;
	if (!(flags & O_NOCTTY))
		tty_offer(tty);
	return file;
}

/* ---- the master end ---- */

static bool output_settled(const struct tty *tty)
{
	const u8 *bytes;
	return tty->slave_closed || ldisc_peek(&tty->ldisc, &bytes) > 0;
}

static ssize_t master_read(struct file *file, struct iobuf *io, u64 pos)
{
	struct tty *tty = file->private;
	const u8 *bytes;
	size_t n, done = 0;
	(void)pos;
	if (io->left == 0)
		return 0;
	if (!output_settled(tty)) {
		if (file->flags & O_NONBLOCK)
			return -EAGAIN;
		long error = wait_event(&tty->master_readers, output_settled(tty));
		if (error)
			return error;
	}
	while (io->left > 0 && !io->faulted && (n = ldisc_peek(&tty->ldisc, &bytes)) > 0) {
		n = iobuf_copy_out(io, bytes, MIN(n, io->left));
		ldisc_consume(&tty->ldisc, n);
		done += n;
	}
	wake_up(&tty->writers);
	if (done)
		return (ssize_t)done;
	return io->faulted ? -EFAULT : -EIO;
}

static ssize_t master_write(struct file *file, struct iobuf *io, u64 pos)
{
	struct tty *tty = file->private;
	ssize_t done = 0;
	(void)pos;
	while (io->left > 0) {
		u8 bytes[64];
		struct iobuf before = *io;
		size_t n = iobuf_copy_in(io, bytes, MIN(io->left, sizeof(bytes)));
		if (n == 0)
			return done ? done : -EFAULT;
		size_t taken = ldisc_type(&tty->ldisc, bytes, n);
		if (taken < n) {
			*io = before;
			iobuf_copy_in(io, bytes, taken);
		}
		done += (ssize_t)taken;
		if (taken > 0) {
			wake_up(&tty->readers);
			wake_up(&tty->master_readers);
			continue;
		}
		if (file->flags & O_NONBLOCK)
			return done ? done : -EAGAIN;
		long error = wait_event(&tty->master_writers, tty->ldisc.count < LDISC_SIZE / 2);
		if (error)
			return done ? done : error;
	}
	return done;
}

static unsigned int master_poll(struct file *file, struct poll_table *table)
{
	struct tty *tty = file->private;
	const u8 *bytes;
	poll_wait(table, &tty->master_readers);
	poll_wait(table, &tty->master_writers);
	return (ldisc_peek(&tty->ldisc, &bytes) ? POLLIN | POLLRDNORM : 0) | (tty->slave_closed ? POLLHUP : 0) |
	       (tty->ldisc.count < LDISC_SIZE - 1 ? POLLOUT | POLLWRNORM : 0);
}

static long put_int(u64 arg, int value)
{
	return copy_to_user((void *)arg, &value, sizeof(value)) ? -EFAULT : 0;
}

static long open_peer(struct tty *tty, u64 flags)
{
	struct file *file = slave_open(tty, node_get(tty->node), (u32)flags);
	if (IS_ERR(file))
		return PTR_ERR(file);
	int fd = fd_install(current->files, file, 0, flags & O_CLOEXEC);
	if (fd < 0)
		file_put(file);
	return fd;
}

static long master_ioctl(struct file *file, unsigned int cmd, u64 arg)
{
	struct tty *tty = file->private;
	const u8 *bytes;
	int value;
	switch (cmd) {
	case TIOCGPTN:
		return put_int(arg, (int)tty->index);
	case TIOCGPTLCK:
		return put_int(arg, tty->locked);
	case TIOCSPTLCK:
		if (copy_from_user(&value, (void *)arg, sizeof(value)))
			return -EFAULT;
		tty->locked = value != 0;
		return 0;
	case TIOCGPTPEER:
		return open_peer(tty, arg);
	case FIONREAD:
		return put_int(arg, (int)ldisc_peek(&tty->ldisc, &bytes));
	case TIOCPKT:
		/* Packet mode is not there. */
		if (copy_from_user(&value, (void *)arg, sizeof(value)))
			return -EFAULT;
		return value ? -EOPNOTSUPP : 0;
	case TIOCSIG:
		if (arg < 1 || arg > 64)
			return -EINVAL;
		tty_signal_foreground(tty, (int)arg);
		return 0;
	default:
		return tty_ioctl(tty, cmd, arg, true);
	}
}

static void master_release(struct file *file)
{
	struct tty *tty = file->private;
	tty_hang_up(tty);
	tty_put(tty);
}

static const struct file_ops master_ops = {
	.read = master_read,
	.write = master_write,
	.ioctl = master_ioctl,
	.poll = master_poll,
	.release = master_release,
};

static struct file *master_open(struct node *node, u32 flags)
{
	struct tty *tty = tty_new(fs_uid());
	if (IS_ERR(tty)) {
		node_put(node);
		return ERR_PTR(PTR_ERR(tty));
	}
	struct file *file = file_new(&master_ops, node, tty, flags);
	if (!file) {
		tty_put(tty);
		return ERR_PTR(-ENOMEM);
	}
	return file;
}

/* ---- both ends ---- */

static long set_termios(struct tty *tty, unsigned int cmd, u64 arg, bool master)
{
	struct termios termios;
	long error = master ? 0 : tty_check_foreground(tty, SIGTTOU, false);
	if (error)
		return error;
	if (copy_from_user(&termios, (void *)arg, sizeof(termios)))
		return -EFAULT;
	if (cmd == TCSETSF)
		ldisc_flush_input(&tty->ldisc);
	ldisc_set(&tty->ldisc, &termios);
	wake_up(&tty->readers);
	wake_up(&tty->master_readers);
	return 0;
}

void tty_resize(struct tty *tty, const struct winsize *size)
{
	if (memcmp(size, &tty->size, sizeof(*size)) == 0)
		return;
	tty->size = *size;
	tty_signal_foreground(tty, SIGWINCH);
}

static long set_size(struct tty *tty, u64 arg)
{
	struct winsize size;
	if (copy_from_user(&size, (void *)arg, sizeof(size)))
		return -EFAULT;
	tty_resize(tty, &size);
	return 0;
}

static long flush(struct tty *tty, u64 which)
{
	if (which > TCIOFLUSH)
		return -EINVAL;
	if (which == TCIFLUSH || which == TCIOFLUSH)
		ldisc_flush_input(&tty->ldisc);
	if (which == TCOFLUSH || which == TCIOFLUSH)
		ldisc_flush_output(&tty->ldisc);
	wake_up(&tty->writers);
	wake_up(&tty->master_writers);
	return 0;
}

static long flow(struct tty *tty, u64 action)
{
	if (action > TCOON)
		return -EINVAL;
	tty->ldisc.stopped = action == TCOOFF;
	wake_up(&tty->master_readers);
	return 0;
}

long tty_ioctl(struct tty *tty, unsigned int cmd, u64 arg, bool master)
{
	const struct termios *termios = &tty->ldisc.termios;
	switch (cmd) {
	case TCGETS:
		return copy_to_user((void *)arg, termios, sizeof(*termios)) ? -EFAULT : 0;
	case TCSETS:
	case TCSETSW: /* what was written is with the master end already */
	case TCSETSF:
		return set_termios(tty, cmd, arg, master);
	case TIOCGWINSZ:
		return copy_to_user((void *)arg, &tty->size, sizeof(tty->size)) ? -EFAULT : 0;
	case TIOCSWINSZ:
		return set_size(tty, arg);
	case TCFLSH:
		return flush(tty, arg);
	case TCXONC:
		return flow(tty, arg);
	case TCSBRK:
	case TCSBRKP: /* there is no line to break */
		return 0;
	case FIONREAD:
		return put_int(arg, (int)(termios->c_lflag & ICANON ? tty->ldisc.complete : tty->ldisc.count));
	case TIOCOUTQ:
		return put_int(arg, 0);
	default:
		return tty_session_ioctl(tty, cmd, arg, master);
	}
}

bool tty_device(u32 device)
{
	return device == (TTYAUX_MAJOR << 8 | 0) || device == (TTYAUX_MAJOR << 8 | 2) || device >> 8 == PTS_MAJOR;
}

struct file *tty_open(struct node *node, u32 flags)
{
	if (node->device == (TTYAUX_MAJOR << 8 | 2))
		return master_open(node, flags);
	bool named = node->device >> 8 == PTS_MAJOR;
	u32 index = node->device & 0xff;
	struct tty *tty = named ? tty_find(index) : tty_current();
	if (!tty || (named && tty->index != index)) {
		node_put(node);
		return ERR_PTR(named ? -EIO : -ENXIO);
	}
	return slave_open(tty, node, flags);
}

struct file *tty_open_slave(struct tty *tty)
{
	char path[24];
	snprintf(path, sizeof(path), "/dev/pts/%u", tty->index);
	struct node *node = path_lookup(path);
	if (IS_ERR(node))
		return ERR_PTR(PTR_ERR(node));
	return slave_open(tty, node, O_RDWR);
}

struct node *pts_lookup(struct node *dir, const char *name, u32 len)
{
	u32 index;
	if (!parse_number(name, len, PTYS_MAX - 1, &index))
		return ERR_PTR(-ENOENT);
	struct tty *tty = tty_find(index);
	if (!tty || tty->index != index)
		return ERR_PTR(-ENOENT);
	/* Named when it is first looked for, so that it is known by its path from then on. */
	if (list_empty(&tty->node->names) && tree_name(tty->node, dir, name, len) < 0)
		return ERR_PTR(-ENOMEM);
	return node_get(tty->node);
}

long pts_readdir(struct node *dir, u64 *pos, struct dir_sink *sink)
{
	struct tty *tty;
	(void)dir;
	while ((tty = tty_find((u32)*pos)) != NULL) {
		char name[12];
		int length = snprintf(name, sizeof(name), "%u", tty->index);
		if (!sink->emit(sink, name, (u32)length, tty->node->ino, type_of_mode(tty->node->mode), tty->index + 1UL))
			return 0;
		*pos = tty->index + 1UL;
	}
	return 0;
}
