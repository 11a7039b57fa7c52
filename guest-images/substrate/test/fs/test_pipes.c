/* SPDX-License-Identifier: Apache-2.0 */
/* Pipes and FIFOs (pipe(7), fifo(7)): against the host's where nobody has to wait, by themselves where somebody has. */
#include <asm/ioctls.h>
#include <asm/poll.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <asm/signal.h>
#include <substrate/string.h>
#include "both.h"

#define PIPE_SIZE 65536
#define MANY_TRANSFERS 4000

static struct pair ends[2]; /* read, write */

static void open_pipe(u32 flags)
{
	both_pipe(ends, flags);
}

static void close_pipe(void)
{
	both_close(ends[0]);
	both_close(ends[1]);
}

/* Data that shows where it stood in the stream. */
static void number_data(u64 from, u64 len)
{
	for (u64 i = 0; i < len; i++)
		shared->data[i] = (u8)((from + i) * 0x9e3779b1u >> 13);
}

static long put(u64 len)
{
	return BOTH_FD(write, ends[1], shared->data, len);
}

static long take(u64 len)
{
	return BOTH_READ(read, ends[0], len);
}

/* What was written comes out, in order, whatever the sizes are. */
static void check_order(void)
{
	u64 written = 0, read = 0, state = shim_seed;

	open_pipe(O_NONBLOCK);
	for (u32 i = 0; i < MANY_TRANSFERS; i++) {
		/* Half full at most: how much more fits depends on how writes fall into the host's buffers. */
		u64 len = next_random(&state) % 2 ? next_random(&state) % 300 : next_random(&state) % 6000;
		if (next_random(&state) % 2 && written + len - read <= PIPE_SIZE / 4) {
			number_data(written, len);
			CHECK_EQ(put(len), len);
			written += len;
		} else {
			long n = take(len);
			CHECK(n == -EAGAIN ? written == read && len : n == (long)MIN(len, written - read), "%ld of %lu", n, (unsigned long)len);
			number_data(read, len);
			CHECK(n <= 0 || !memcmp(shared->kernel, shared->data, (size_t)n), "bytes from %lu are out of order", (unsigned long)read);
			read += n > 0 ? (u64)n : 0;
		}
	}
	CHECK(read > 1000000, "only %lu bytes went through", (unsigned long)read);
	close_pipe();
	CHECK_EQ(shim_frames, 0);
}

static void check_full(void)
{
	open_pipe(O_NONBLOCK);
	number_data(0, 2 * PIPE_SIZE);
	CHECK_EQ(take(1), -EAGAIN);
	CHECK_EQ(take(0), 0);
	CHECK_EQ(put(0), 0);
	CHECK_EQ(put(PIPE_SIZE + 5000), PIPE_SIZE);
	CHECK_EQ(put(1), -EAGAIN);
	CHECK_EQ(take(4096), 4096);
	CHECK_EQ(put(4097), 4096);
	CHECK_EQ(put(1), -EAGAIN);
	CHECK_EQ(take(2 * PIPE_SIZE), PIPE_SIZE);
	CHECK_EQ(take(1), -EAGAIN);
	/* Up to PIPE_BUF it is all or nothing. */
	CHECK_EQ(put(PIPE_SIZE - 4096), PIPE_SIZE - 4096);
	CHECK_EQ(put(2000), 2000);
	CHECK_EQ(put(3000), -EAGAIN);
	CHECK_EQ(put(2096), 2096);
	CHECK_EQ(take(PIPE_SIZE), PIPE_SIZE);
	close_pipe();
}

static void check_ends(void)
{
	number_data(0, 100);
	open_pipe(0);
	CHECK_EQ(put(100), 100);
	both_close(ends[1]);
	CHECK_EQ(take(60), 60);
	CHECK_EQ(take(60), 40);
	CHECK_EQ(take(60), 0);
	both_close(ends[0]);

	open_pipe(0);
	both_close(ends[0]);
	shim_last_signal = 0;
	CHECK_EQ(put(0), 0);
	CHECK_EQ(shim_last_signal, 0);
	CHECK_EQ(put(10), -EPIPE);
	CHECK_EQ(shim_last_signal, SIGPIPE);
	both_close(ends[1]);

	open_pipe(0);
	CHECK_EQ(BOTH_FD(write, ends[0], shared->data, 1), -EBADF);
	CHECK_EQ(BOTH_READ(read, ends[1], 1), -EBADF);
	CHECK_EQ(BOTH_FD(lseek, ends[0], 0, SEEK_CUR), -ESPIPE);
	CHECK_EQ(BOTH_READ(pread64, ends[0], 1, 0), -ESPIPE);
	CHECK_EQ(BOTH_FD(pwrite64, ends[1], shared->data, 1, 0), -ESPIPE);
	CHECK_EQ(BOTH_FD(ftruncate, ends[1], 0), -EINVAL);
	CHECK_EQ(BOTH_FD(fallocate, ends[1], 0, 0, 1), -ESPIPE);
	CHECK_EQ(BOTH_FD(fsync, ends[1], 0), -EINVAL);
	CHECK_EQ(BOTH_FD(read, ends[0], 0x10, 0), 0);
	CHECK_EQ(BOTH_FD(write, ends[1], 0x10, 1), -EFAULT);
	CHECK_EQ(put(3), 3);
	CHECK_EQ(BOTH_FD(read, ends[0], 0x10, 1), -EFAULT);
	CHECK_EQ(take(10), 3);
	CHECK_EQ(BOTH_FD(fcntl, ends[0], F_GETFL), O_RDONLY);
	CHECK_EQ(BOTH_FD(fcntl, ends[1], F_GETFL), O_WRONLY);
	CHECK_EQ(BOTH(pipe2, 0x10, 0), -EFAULT);
	CHECK_EQ(BOTH(pipe2, shared->kernel, 1), -EINVAL);
	close_pipe();
}

static void check_size(void)
{
	open_pipe(O_NONBLOCK);
	CHECK_EQ(BOTH_FD(fcntl, ends[0], F_GETPIPE_SZ), PIPE_SIZE);
	CHECK_EQ(BOTH_FD(fcntl, ends[0], F_SETPIPE_SZ, 5000), 8192);
	number_data(0, 8192);
	CHECK_EQ(put(9000), 8192);
	CHECK_EQ(put(1), -EAGAIN);
	CHECK_EQ(BOTH_FD(fcntl, ends[1], F_SETPIPE_SZ, 1), -EBUSY);
	CHECK_EQ(take(5000), 5000);
	/* What is in the pipe stays in it, from wherever in the ring it lies. */
	CHECK_EQ(BOTH_FD(fcntl, ends[1], F_SETPIPE_SZ, 1 << 20), 1 << 20);
	CHECK_EQ(put(1 << 19), 1 << 19);
	CHECK_EQ(take(1 << 20), (1 << 19) + 3192);
	CHECK_EQ(BOTH_FD(fcntl, ends[1], F_SETPIPE_SZ, 0), 4096);
	CHECK_EQ(put(5000), 4096);
	CHECK_EQ(take(5000), 4096);
	close_pipe();
	CHECK_EQ(shim_frames, 0);
}

/* poll(2) on both sides. */
static void check_readiness(const struct pair *fd, u32 expected)
{
	struct { int fd; short events, revents; } *request = (void *)shared->data;
	struct file *file = fd_get(current->files, (int)fd->ours);
	u32 asked = POLLIN | POLLOUT, ours = file->ops->poll(file, NULL) & (asked | POLLERR | POLLHUP);

	file_put(file);
	request->fd = (int)fd->host;
	request->events = (short)asked;
	request->revents = 0;
	HOST(poll, request, 1, 0);
	CHECK(ours == expected && (u32)request->revents == expected, "readiness %x, the host's %x, expected %x", ours, request->revents,
	      expected);
}

static void check_poll(void)
{
	open_pipe(O_NONBLOCK);
	check_readiness(&ends[0], 0);
	check_readiness(&ends[1], POLLOUT);
	put(10);
	check_readiness(&ends[0], POLLIN);
	take(10);
	put(PIPE_SIZE);
	check_readiness(&ends[0], POLLIN);
	check_readiness(&ends[1], 0);
	take(4096);
	check_readiness(&ends[1], POLLOUT);
	both_close(ends[1]);
	check_readiness(&ends[0], POLLIN | POLLHUP);
	take(PIPE_SIZE);
	check_readiness(&ends[0], POLLHUP);
	both_close(ends[0]);

	open_pipe(O_NONBLOCK);
	both_close(ends[0]);
	check_readiness(&ends[1], POLLOUT | POLLERR);
	both_close(ends[1]);
}

static void check_fifo(void)
{
	struct pair reader, writer;

	CHECK_EQ(BOTH(mknod, "/fifo", S_IFIFO | 0600, 0), 0);
	CHECK_EQ(both_open("/fifo", O_WRONLY | O_NONBLOCK, 0).ours, -ENXIO);
	reader = both_open("/fifo", O_RDONLY | O_NONBLOCK, 0);
	ends[0] = reader;
	CHECK_EQ(take(10), 0);
	check_readiness(&reader, 0);
	writer = both_open("/fifo", O_WRONLY | O_NONBLOCK, 0);
	ends[1] = writer;
	CHECK_EQ(take(10), -EAGAIN);
	number_data(0, 10);
	CHECK_EQ(put(10), 10);
	both_close(writer);
	check_readiness(&reader, POLLIN | POLLHUP);
	writer = ends[1] = both_open("/fifo", O_WRONLY | O_NONBLOCK, 0);
	check_readiness(&reader, POLLIN);
	number_data(10, 10);
	CHECK_EQ(put(10), 10);
	CHECK_EQ(take(30), 20);
	both_close(reader);
	CHECK_EQ(put(1), -EPIPE);
	/* The end of both readers and writers is the end of what is in it. */
	reader = ends[0] = both_open("/fifo", O_RDWR, 0);
	CHECK_EQ(put(10), 10);
	both_close(writer);
	ends[1] = reader;
	CHECK_EQ(put(5), 5);
	CHECK_EQ(take(30), 15);
	put(7);
	both_close(reader);
	reader = ends[0] = both_open("/fifo", O_RDONLY | O_NONBLOCK, 0);
	CHECK_EQ(take(30), 0);
	both_close(reader);
	CHECK_EQ(shim_frames, 0);
}

/* ---- splice(2) ---- */

static void check_splice(void)
{
	struct pair from = both_open("/source", O_RDONLY, 0), to = both_open("/target", O_RDWR | O_CREAT, 0600);
	s64 *offset = (s64 *)shared->data;

	open_pipe(O_NONBLOCK);
#define SPLICE(in, in_offset, out, out_offset, len) \
	both_answer(__FILE__, __LINE__, "splice", CALL(splice, in.ours, in_offset, out.ours, out_offset, len, 0), \
	            HOST(splice, in.host, in_offset, out.host, out_offset, len, 0))
	CHECK_EQ(SPLICE(from, 0, ends[1], 0, 5000), 5000);
	CHECK_EQ(SPLICE(ends[0], 0, to, 0, 3000), 3000);
	CHECK_EQ(SPLICE(ends[0], 0, to, 0, 3000), 2000);
	CHECK_EQ(SPLICE(from, 0, ends[1], 0, 100000), 5000);
	CHECK_EQ(SPLICE(from, 0, ends[1], 0, 100), 0);
	CHECK_EQ(take(10000), 5000);
	CHECK_EQ(SPLICE(from, 0, to, 0, 10), -EINVAL);
	CHECK_EQ(SPLICE(from, offset, ends[0], 0, 10), -EBADF);
	CHECK_EQ(SPLICE(ends[0], offset, to, 0, 10), -ESPIPE);
	CHECK_EQ(SPLICE(ends[0], 0, ends[1], 0, 10), -EINVAL);
	*offset = 200;
	CHECK_EQ(CALL(splice, from.ours, offset, ends[1].ours, 0, 300, 0), 300);
	CHECK_EQ(*offset, 500);
	*offset = 200;
	CHECK_EQ(HOST(splice, from.host, offset, ends[1].host, 0, 300, 0), 300);
	CHECK_EQ(*offset, 500);
	*offset = 9000;
	CHECK_EQ(CALL(splice, ends[0].ours, 0, to.ours, offset, 300, 0), 300);
	*offset = 9000;
	CHECK_EQ(HOST(splice, ends[0].host, 0, to.host, offset, 300, 0), 300);
#undef SPLICE
	CHECK_EQ(BOTH_READ(pread64, to, 20000, 0), 9300);
	close_pipe();
	both_close(from);
	both_close(to);
}

/* ---- waiting, which the oracle cannot ---- */

static u64 slept, written, drained;

static long interrupted(struct wait_queue *q)
{
	(void)q;
	return -ERESTARTSYS;
}

static long write_meanwhile(struct wait_queue *q)
{
	(void)q;
	slept++;
	CHECK_EQ(CALL(write, ends[1].ours, "word", 4), 4);
	return 0;
}

static long close_writer_meanwhile(struct wait_queue *q)
{
	(void)q;
	slept++;
	CHECK_EQ(CALL(close, ends[1].ours), 0);
	return 0;
}

static long close_reader_meanwhile(struct wait_queue *q)
{
	(void)q;
	slept++;
	CHECK_EQ(CALL(close, ends[0].ours), 0);
	return 0;
}

static long drain_meanwhile(struct wait_queue *q)
{
	(void)q;
	slept++;
	long n = CALL(read, ends[0].ours, shared->kernel + drained, 5000);
	CHECK(n > 0, "%ld", n);
	drained += (u64)n;
	return 0;
}

static long open_writer_meanwhile(struct wait_queue *q)
{
	(void)q;
	slept++;
	ends[1].ours = CALL(open, "/fifo", O_WRONLY);
	CHECK(ends[1].ours >= 0, "%ld", ends[1].ours);
	return 0;
}

static void open_ours(void)
{
	const int *fds = (int *)shared->kernel;

	CHECK_EQ(CALL(pipe, shared->kernel), 0);
	ends[0].ours = fds[0];
	ends[1].ours = fds[1];
	slept = 0;
}

static void check_waiting(void)
{
	open_ours();
	shim_sleep = interrupted;
	CHECK_EQ(CALL(read, ends[0].ours, shared->kernel, 10), -ERESTARTSYS);
	shim_sleep = write_meanwhile;
	CHECK_EQ(CALL(read, ends[0].ours, shared->kernel, 10), 4);
	CHECK(slept == 1 && !memcmp(shared->kernel, "word", 4), "slept %lu times", (unsigned long)slept);
	shim_sleep = close_writer_meanwhile;
	CHECK_EQ(CALL(read, ends[0].ours, shared->kernel, 10), 0);
	CALL(close, ends[0].ours);

	/* A write into a full pipe goes on as it is emptied. */
	open_ours();
	written = 3 * PIPE_SIZE + 100;
	number_data(0, written);
	drained = 0;
	shim_sleep = drain_meanwhile;
	CHECK_EQ(CALL(write, ends[1].ours, shared->data, written), written);
	while (drained < written)
		drain_meanwhile(NULL);
	CHECK(drained == written && !memcmp(shared->kernel, shared->data, written), "%lu bytes", (unsigned long)drained);

	/* Cut short: by a signal, by the reader's end. */
	CHECK_EQ(CALL(write, ends[1].ours, shared->data, PIPE_SIZE - 10), PIPE_SIZE - 10);
	shim_sleep = interrupted;
	CHECK_EQ(CALL(write, ends[1].ours, shared->data, 20), -ERESTARTSYS);
	CHECK_EQ(CALL(write, ends[1].ours, shared->data, 5000), 10);
	CHECK_EQ(CALL(write, ends[1].ours, shared->data, 1), -ERESTARTSYS);
	shim_sleep = close_reader_meanwhile;
	shim_last_signal = 0;
	CHECK_EQ(CALL(write, ends[1].ours, shared->data, 5000), -EPIPE);
	CHECK_EQ(shim_last_signal, SIGPIPE);
	CALL(close, ends[1].ours);

	/* Opening a FIFO waits for the other end. */
	slept = 0;
	shim_sleep = interrupted;
	CHECK_EQ(CALL(open, "/fifo", O_RDONLY), -ERESTARTSYS);
	CHECK_EQ(CALL(open, "/fifo", O_WRONLY), -ERESTARTSYS);
	shim_sleep = open_writer_meanwhile;
	ends[0].ours = CALL(open, "/fifo", O_RDONLY);
	CHECK(ends[0].ours >= 0 && slept == 1, "%ld", ends[0].ours);
	CHECK_EQ(CALL(write, ends[1].ours, "x", 1), 1);
	CHECK_EQ(CALL(read, ends[0].ours, shared->kernel, 10), 1);
	CALL(close, ends[0].ours);
	CALL(close, ends[1].ours);
	shim_sleep = NULL;
}

void test_pipes(void)
{
	const char *directory = tree_make("pipes", "seq 1 10000 | head -c 10000 > source");
	void *image;

	CHECK(oracle_start(directory), "cannot chroot: the tests need root");
	image = tree_boot(directory, "");
	check_order();
	check_full();
	check_ends();
	check_size();
	check_poll();
	check_fifo();
	check_splice();
	check_waiting();
	shim_shut_down();
	oracle_stop();
	host_free(image);
}
