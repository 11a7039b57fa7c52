/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors 0, 1 and 2 of a program that the host spawned. To the program they are pipes whose other end is the host; an end
 * that nobody holds behaves as pipe(7) says. Each open file holds its process's agent_process, because children
 * outlive their parents.
 */
#include <asm/ioctls.h>
#include <asm/poll.h>
#include <linux/fcntl.h>
#include <linux/stat.h>
#include <substrate/device.h>
#include <substrate/err.h>
#include <substrate/fs.h>
#include <substrate/mm.h>
#include <substrate/string.h>
#include <substrate/task.h>

#include "frame.h"
#include "process.h"
#include "protocol.h"

/* A credit frame costs a doorbell, so credit is given back by the half window. */
#define STDIN_CREDIT_BATCH (STDIN_WINDOW / 2)
#define CREDIT_FRAME_SIZE (FRAME_HEADER_SIZE + 4 + FRAME_SLACK)

/* ---- what the host sends ---- */

void agent_stdin_receive(struct agent_process *p, const u8 *bytes, size_t n)
{
	struct agent_stdin *in = &p->in;

	in->credit -= (u32)n;
	if (!in->data || n == 0)
		return;
	u32 end = (in->start + in->count) % STDIN_WINDOW;
	size_t first = MIN(n, (size_t)STDIN_WINDOW - end);
	memcpy(in->data + end, bytes, first);
	memcpy(in->data, bytes + first, n - first);
	in->count += (u32)n;
	wake_up(&in->readers);
}

void agent_stdin_end(struct agent_process *p)
{
	p->in.eof = true;
	wake_up(&p->in.readers);
}

void agent_stdin_close(struct agent_process *p)
{
	if (!p->in.data)
		return;
	frames_free(virt_to_phys(p->in.data), STDIN_WINDOW_ORDER);
	p->in.data = NULL;
	p->in.count = 0;
}

bool agent_stdin_return_credit(struct agent_process *p)
{
	struct agent_stdin *in = &p->in;

	if (in->consumed < STDIN_CREDIT_BATCH || !in->data || in->eof || !frame_room(CREDIT_FRAME_SIZE))
		return false;
	frame_begin(FRAME_STDIN_WINDOW, p->id);
	frame_u32(in->consumed);
	frame_end();
	in->credit += in->consumed;
	in->consumed = 0;
	return true;
}

static bool stdin_settled(const struct agent_process *p)
{
	return p->in.count > 0 || p->in.eof || p->ended;
}

size_t agent_stdin_peek(const struct agent_process *p, const u8 **bytes)
{
	const struct agent_stdin *in = &p->in;

	*bytes = in->data + in->start;
	return MIN(in->count, STDIN_WINDOW - in->start);
}

void agent_stdin_consume(struct agent_process *p, size_t n)
{
	struct agent_stdin *in = &p->in;

	in->count -= (u32)n;
	in->consumed += (u32)n;
	/* An empty ring begins anew, so that little input touches one page only. */
	in->start = in->count == 0 ? 0 : (in->start + (u32)n) % STDIN_WINDOW;
}

static size_t copy_from_ring(struct agent_process *p, struct iobuf *io)
{
	const u8 *bytes;
	size_t piece, done = 0;

	while (io->left > 0 && !io->faulted && (piece = agent_stdin_peek(p, &bytes)) > 0) {
		size_t copied = iobuf_copy_out(io, bytes, MIN(piece, io->left));
		agent_stdin_consume(p, copied);
		done += copied;
	}
	return done;
}

static ssize_t stdin_read(struct file *file, struct iobuf *io, u64 pos)
{
	struct agent_process *p = file->private;
	(void)pos;

	if (io->left == 0)
		return 0;
	if (!stdin_settled(p)) {
		if (file->flags & O_NONBLOCK)
			return -EAGAIN;
		long error = wait_event(&p->in.readers, stdin_settled(p));
		if (error)
			return error;
	}
	if (p->in.count == 0)
		return 0;
	size_t done = copy_from_ring(p, io);
	if (done == 0)
		return -EFAULT;
	if (agent_stdin_return_credit(p))
		agent_flush();
	return (ssize_t)done;
}

static unsigned int stdin_poll(struct file *file, struct poll_table *table)
{
	struct agent_process *p = file->private;

	poll_wait(table, &p->in.readers);
	return (p->in.count > 0 ? POLLIN | POLLRDNORM : 0) | (p->in.eof || p->ended ? POLLHUP : 0);
}

static long stdin_ioctl(struct file *file, unsigned int cmd, u64 arg)
{
	struct agent_process *p = file->private;
	int count = (int)p->in.count;

	if (cmd != FIONREAD)
		return -ENOTTY;
	return copy_to_user((void __user *)arg, &count, sizeof(count)) ? -EFAULT : 0;
}

static void stdin_release(struct file *file)
{
	struct agent_process *p = file->private;

	agent_stdin_close(p);
	agent_process_put(p);
}

/* ---- what the program writes ---- */

/* A payload byte and what it takes to send it, beyond the reserve. */
static bool output_settled(const struct agent_output *output)
{
	return output->process->ended ||
	       (output->credit > 0 && frame_room(FRAME_RESERVE + FRAME_HEADER_SIZE + FRAME_SLACK + 1));
}

static size_t send_piece(struct agent_output *output, struct iobuf *io)
{
	size_t most = MIN(io->left, (size_t)FRAME_PAYLOAD_MAX);

	most = output->credit < most ? (size_t)output->credit : most;
	frame_begin(output->type, output->process->id);
	size_t sent = frame_copy_in(io, most);
	if (sent == 0) {
		frame_cancel();
		return 0;
	}
	frame_end();
	output->credit -= sent;
	return sent;
}

static long wait_to_send(struct file *file, struct agent_output *output)
{
	/* What is in the buffers must be on its way before somebody waits for buffers or for credit. */
	agent_flush();
	if (output_settled(output))
		return 0;
	if (file->flags & O_NONBLOCK)
		return -EAGAIN;
	return wait_event(&output->writers, output_settled(output));
}

static ssize_t output_write(struct file *file, struct iobuf *io, u64 pos)
{
	struct agent_output *output = file->private;
	ssize_t done = 0;
	long error = 0;
	(void)pos;

	while (io->left > 0) {
		if (!output_settled(output)) {
			error = wait_to_send(file, output);
			if (error)
				break;
		}
		if (output->process->ended) {
			error = -EPIPE;
			break;
		}
		size_t sent = send_piece(output, io);
		done += (ssize_t)sent;
		if (io->faulted || sent == 0) {
			error = -EFAULT;
			break;
		}
	}
	if (done > 0) {
		agent_flush();
		return done;
	}
	if (error == -EPIPE)
		signal_send(current->process, SIGPIPE);
	return error;
}

static unsigned int output_poll(struct file *file, struct poll_table *table)
{
	struct agent_output *output = file->private;

	poll_wait(table, &output->writers);
	if (output->process->ended)
		return POLLOUT | POLLWRNORM | POLLERR;
	return output_settled(output) ? POLLOUT | POLLWRNORM : 0;
}

static void output_release(struct file *file)
{
	struct agent_output *output = file->private;

	agent_process_put(output->process);
}

/* ---- the files ---- */

static ssize_t no_transfer(struct file *file, struct iobuf *io, u64 pos)
{
	(void)file;
	(void)io;
	(void)pos;
	return -EBADF;
}

static long no_ioctl(struct file *file, unsigned int cmd, u64 arg)
{
	(void)file;
	(void)cmd;
	(void)arg;
	return -ENOTTY;
}

static ssize_t null_read(struct file *file, struct iobuf *io, u64 pos)
{
	(void)file;
	(void)io;
	(void)pos;
	return 0;
}

static unsigned int null_poll(struct file *file, struct poll_table *table)
{
	(void)file;
	(void)table;
	return POLLIN | POLLRDNORM;
}

static void null_release(struct file *file)
{
	(void)file;
}

static const struct file_ops stdin_ops = {
	.read = stdin_read,
	.write = no_transfer,
	.ioctl = stdin_ioctl,
	.poll = stdin_poll,
	.release = stdin_release,
};

static const struct file_ops output_ops = {
	.read = no_transfer,
	.write = output_write,
	.ioctl = no_ioctl,
	.poll = output_poll,
	.release = output_release,
};

/* Standard input that is not connected: reads as /dev/null does. Opening that one would need a task to open it for. */
static const struct file_ops null_ops = {
	.read = null_read,
	.write = no_transfer,
	.ioctl = no_ioctl,
	.poll = null_poll,
	.release = null_release,
};

static struct file *open_file(const struct file_ops *ops, u32 mode, void *private, u32 flags)
{
	struct node *node = node_new_anonymous(mode);
	return node ? file_new(ops, node, private, flags) : NULL;
}

static struct file *open_stdin(struct agent_process *p)
{
	if (!p->in.connected)
		return open_file(&null_ops, S_IFCHR | 0666, NULL, O_RDONLY);
	struct file *file = open_file(&stdin_ops, S_IFIFO | 0600, p, O_RDONLY);
	if (file)
		agent_process_get(p);
	return file;
}

static struct file *open_output(struct agent_output *output)
{
	struct file *file = open_file(&output_ops, S_IFIFO | 0600, output, O_WRONLY);
	if (file)
		agent_process_get(output->process);
	return file;
}

long agent_stdio_open(struct agent_process *p, bool merge_stderr, struct file *stdio[3])
{
	stdio[0] = open_stdin(p);
	stdio[1] = open_output(&p->out);
	if (merge_stderr)
		stdio[2] = stdio[1] ? file_get(stdio[1]) : NULL;
	else
		stdio[2] = open_output(&p->err);
	if (stdio[0] && stdio[1] && stdio[2])
		return 0;
	for (int i = 0; i < 3; i++)
		if (stdio[i])
			file_put(stdio[i]);
	return -ENOMEM;
}
