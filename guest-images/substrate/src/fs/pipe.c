/* SPDX-License-Identifier: Apache-2.0 */
/* Pipes and FIFOs, as pipe(7) and fifo(7) have them: a ring of bytes in frames that are taken as they are needed. */
#include <asm/ioctls.h>
#include <asm/poll.h>
#include <substrate/string.h>
#include <substrate/task.h>
#include "file.h"
#include "node.h"
#include "pipe.h"

#define PIPE_BUF 4096UL           /* writes up to this are atomic (pipe(7)) */
#define DEFAULT_PAGES 16u         /* 64 KiB */
#define MOST_PAGES 256u           /* /proc/sys/fs/pipe-max-size: 1 MiB */

struct pipe {
	paddr_t *frames; /* 0: not taken yet */
	u32 pages;
	u32 taken;      /* frames */
	u64 head, tail; /* bytes written and read; the ring's positions are these modulo its size */
	u32 readers, writers;
	bool anonymous; /* of pipe(2): who opens it once more, through /proc/<pid>/fd, waits for nobody */
	u64 reader_opens, writer_opens; /* so that one who waits in open(2) notices one who came and went */
	struct wait_queue readable, writable;
};

static u64 capacity(const struct pipe *p) { return (u64)p->pages << PAGE_SHIFT; }
static u64 used(const struct pipe *p) { return p->head - p->tail; }
static u64 room(const struct pipe *p) { return capacity(p) - used(p); }

static struct pipe *pipe_new(void)
{
	struct pipe *p = kzalloc(sizeof(*p));

	if (!p)
		return NULL;
	p->pages = DEFAULT_PAGES;
	p->frames = kzalloc(p->pages * sizeof(*p->frames));
	if (!p->frames) {
		kfree(p);
		return NULL;
	}
	wait_queue_init(&p->readable);
	wait_queue_init(&p->writable);
	return p;
}

static void give_back(struct pipe *p, u32 from)
{
	for (u32 i = from; i < p->pages && p->taken; i++) {
		if (!p->frames[i])
			continue;
		frame_put(p->frames[i]);
		p->frames[i] = 0;
		p->taken--;
	}
}

void pipe_free(struct pipe *p)
{
	give_back(p, 0);
	kfree(p->frames);
	kfree(p);
}

/* Starts again at the first frame when nothing is in the pipe, so that small messages always use the same memory. */
static void rewind_if_empty(struct pipe *p)
{
	if (used(p))
		return;
	p->head = p->tail = 0;
	if (p->taken > 1)
		give_back(p, 1);
}

/* The place in the ring at a position, and how far the frame goes on from there. */
static u8 *ring_at(struct pipe *p, u64 position, u64 *left)
{
	u64 in_ring = position % capacity(p);
	paddr_t frame = p->frames[in_ring >> PAGE_SHIFT];

	*left = PAGE_SIZE - (in_ring & (PAGE_SIZE - 1));
	return frame ? (u8 *)phys_to_virt(frame) + (in_ring & (PAGE_SIZE - 1)) : NULL;
}

/* ---- reading ---- */

long pipe_wait(struct file *file, bool nonblocking)
{
	struct pipe *p = file->node->pipe;
	long error;

	if (used(p) == 0 && p->writers && nonblocking)
		return -EAGAIN;
	error = wait_event(&p->readable, used(p) || p->writers == 0);
	return error < 0 ? error : used(p) != 0;
}

static ssize_t pipe_read(struct file *file, struct iobuf *io, u64 pos)
{
	struct pipe *p = file->node->pipe;
	size_t total = 0;
	long ready;

	(void)pos;
	if (io->left == 0)
		return 0;
	ready = pipe_wait(file, file->flags & O_NONBLOCK);
	if (ready <= 0)
		return ready;
	while (io->left && used(p)) {
		u64 n;
		const u8 *bytes = ring_at(p, p->tail, &n);
		size_t moved;

		n = MIN(MIN(n, used(p)), io->left);
		moved = iobuf_copy_out(io, bytes, n);
		p->tail += moved;
		total += moved;
		if (moved < n)
			break;
	}
	rewind_if_empty(p);
	if (total)
		wake_up(&p->writable);
	return total ? (ssize_t)total : -EFAULT;
}

size_t pipe_peek(struct file *file, const u8 **bytes)
{
	struct pipe *p = file->node->pipe;
	u64 n;

	if (used(p) == 0)
		return 0;
	*bytes = ring_at(p, p->tail, &n);
	return MIN(n, used(p));
}

void pipe_consume(struct file *file, size_t n)
{
	struct pipe *p = file->node->pipe;

	p->tail += n;
	rewind_if_empty(p);
	wake_up(&p->writable);
}

/* ---- writing ---- */

static ssize_t broken(void)
{
	signal_send(current->process, SIGPIPE);
	return -EPIPE;
}

/* As much as there is room for, at most to the end of a frame. Bytes, -EFAULT or -ENOMEM. */
static ssize_t write_piece(struct pipe *p, struct iobuf *io)
{
	u64 n, in_ring = p->head % capacity(p);
	paddr_t *frame = &p->frames[in_ring >> PAGE_SHIFT];
	size_t moved;
	u8 *bytes;

	if (!*frame) {
		*frame = frame_alloc(FRAME_ANY);
		if (!*frame)
			return -ENOMEM;
		p->taken++;
	}
	bytes = ring_at(p, p->head, &n);
	n = MIN(MIN(n, room(p)), io->left);
	moved = iobuf_copy_in(io, bytes, n);
	p->head += moved;
	return moved ? (ssize_t)moved : -EFAULT;
}

static ssize_t pipe_write(struct file *file, struct iobuf *io, u64 pos)
{
	struct pipe *p = file->node->pipe;
	bool atomic = io->left <= PIPE_BUF;
	size_t total = 0;

	(void)pos;
	if (io->left == 0)
		return 0;
	while (io->left) {
		u64 needed = atomic && total == 0 ? io->left : 1;
		ssize_t moved;

		if (p->readers == 0)
			return total ? (ssize_t)total : broken();
		if (room(p) < needed) {
			long error = -EAGAIN;
			if (!(file->flags & O_NONBLOCK))
				error = wait_event(&p->writable, room(p) >= needed || p->readers == 0);
			if (error < 0)
				return total ? (ssize_t)total : error;
			continue;
		}
		moved = write_piece(p, io);
		if (moved < 0)
			return total ? (ssize_t)total : moved;
		total += (size_t)moved;
		wake_up(&p->readable);
		if (io->faulted)
			break;
	}
	return (ssize_t)total;
}

/* ---- the rest ---- */

static long pipe_ioctl(struct file *file, unsigned int cmd, u64 arg)
{
	int available;

	if (cmd != FIONREAD)
		return -ENOTTY;
	available = (int)used(file->node->pipe);
	return copy_to_user((void __user *)arg, &available, sizeof(available)) ? -EFAULT : 0;
}

static unsigned int pipe_poll(struct file *file, struct poll_table *table)
{
	struct pipe *p = file->node->pipe;
	unsigned int mask = 0;

	if (file_readable(file)) {
		if (table)
			poll_wait(table, &p->readable);
		if (used(p))
			mask |= POLLIN | POLLRDNORM;
		/* Nobody has hung up on a FIFO that nobody has opened for writing since: see pipe_attach. */
		if (p->writers == 0 && file->pos != p->writer_opens)
			mask |= POLLHUP;
	}
	if (file_writable(file)) {
		if (table)
			poll_wait(table, &p->writable);
		if (room(p) >= PIPE_BUF)
			mask |= POLLOUT | POLLWRNORM;
		if (p->readers == 0)
			mask |= POLLERR;
	}
	return mask;
}

static void pipe_detach(struct node *node, u32 flags)
{
	struct pipe *p = node->pipe;
	u32 access = flags & O_ACCMODE;

	if (access != O_WRONLY)
		p->readers--;
	if (access != O_RDONLY)
		p->writers--;
	wake_up(&p->readable);
	wake_up(&p->writable);
	if (p->readers == 0 && p->writers == 0) {
		node->pipe = NULL;
		pipe_free(p);
	}
}

static void pipe_release(struct file *file)
{
	pipe_detach(file->node, file->flags);
}

static const struct file_ops pipe_file_ops = {
	.read = pipe_read,
	.write = pipe_write,
	.ioctl = pipe_ioctl,
	.poll = pipe_poll,
	.release = pipe_release,
};

bool file_is_pipe(const struct file *file)
{
	return file->ops == &pipe_file_ops;
}

static long pipe_attach(struct node *node, u32 flags)
{
	u32 access = flags & O_ACCMODE;

	if (!node->pipe)
		node->pipe = pipe_new();
	if (!node->pipe)
		return -ENOMEM;
	if (access != O_WRONLY) {
		node->pipe->readers++;
		node->pipe->reader_opens++;
		wake_up(&node->pipe->writable);
	}
	if (access != O_RDONLY) {
		node->pipe->writers++;
		node->pipe->writer_opens++;
		wake_up(&node->pipe->readable);
	}
	return 0;
}

/* fifo(7): one end waits for the other, unless O_NONBLOCK; then a writer without a reader is turned away. */
static long wait_for_other_end(struct pipe *p, u32 flags)
{
	u64 opens;

	switch (flags & O_ACCMODE) {
	case O_RDONLY:
		opens = p->writer_opens;
		if (p->writers || (flags & O_NONBLOCK))
			return 0;
		return wait_event(&p->readable, p->writer_opens != opens);
	case O_WRONLY:
		opens = p->reader_opens;
		if (p->readers)
			return 0;
		if (flags & O_NONBLOCK)
			return -ENXIO;
		return wait_event(&p->writable, p->reader_opens != opens);
	default:
		return 0;
	}
}

struct file *fifo_open(struct node *node, u32 flags)
{
	struct file *file;
	long error = pipe_attach(node, flags);

	if (error < 0) {
		node_put(node);
		return ERR_PTR(error);
	}
	error = node->pipe->anonymous ? 0 : wait_for_other_end(node->pipe, flags);
	if (error < 0) {
		pipe_detach(node, flags);
		node_put(node);
		return ERR_PTR(error);
	}
	node_get(node);
	file = file_new(&pipe_file_ops, node, NULL, flags);
	if (!file) {
		pipe_detach(node, flags);
		node_put(node);
		return ERR_PTR(-ENOMEM);
	}
	node_put(node);
	/* Pipes have no position: this is how many writers had come when a reader that found none was opened. */
	file->pos = node->pipe->writers || node->pipe->anonymous ? 0 : node->pipe->writer_opens;
	return file;
}

long pipe_make(struct file *ends[2], u32 flags)
{
	struct node *node = node_new_anonymous(S_IFIFO | 0600);

	if (!node)
		return -ENFILE;
	ends[0] = fifo_open(node_get(node), O_RDONLY | O_NONBLOCK);
	if (IS_ERR(ends[0])) {
		node_put(node);
		return PTR_ERR(ends[0]);
	}
	ends[1] = fifo_open(node, O_WRONLY | O_NONBLOCK);
	if (IS_ERR(ends[1])) {
		file_put(ends[0]);
		return PTR_ERR(ends[1]);
	}
	node->pipe->anonymous = true;
	ends[0]->flags = O_RDONLY | flags;
	ends[1]->flags = O_WRONLY | flags;
	return 0;
}

long pipe_size(const struct file *file)
{
	return (long)capacity(file->node->pipe);
}

long pipe_resize(struct file *file, u64 size)
{
	struct pipe *p = file->node->pipe;
	u64 pages = 1, moved = 0, content = used(p);
	paddr_t *frames;

	if (size > MOST_PAGES << PAGE_SHIFT)
		return -EPERM;
	while (pages << PAGE_SHIFT < size)
		pages *= 2;
	if (content > pages << PAGE_SHIFT)
		return -EBUSY;
	frames = kzalloc(pages * sizeof(*frames));
	if (!frames)
		return -ENOMEM;
	/* What is in the pipe moves to the start of the new ring. */
	for (u64 i = 0; i << PAGE_SHIFT < content; i++) {
		frames[i] = frame_alloc(FRAME_ANY);
		if (!frames[i]) {
			while (i--)
				frame_put(frames[i]);
			kfree(frames);
			return -ENOMEM;
		}
	}
	while (moved < content) {
		u64 n;
		const u8 *bytes = ring_at(p, p->tail + moved, &n);
		n = MIN(MIN(n, content - moved), PAGE_SIZE - (moved & (PAGE_SIZE - 1)));
		memcpy((u8 *)phys_to_virt(frames[moved >> PAGE_SHIFT]) + (moved & (PAGE_SIZE - 1)), bytes, n);
		moved += n;
	}
	give_back(p, 0);
	kfree(p->frames);
	p->frames = frames;
	p->pages = (u32)pages;
	p->taken = (u32)(ALIGN_UP(content, PAGE_SIZE) >> PAGE_SHIFT);
	p->head = content;
	p->tail = 0;
	wake_up(&p->writable);
	return (long)capacity(p);
}
