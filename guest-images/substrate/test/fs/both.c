/* SPDX-License-Identifier: Apache-2.0 */
#include <substrate/string.h>
#include "both.h"

long both_answer(const char *file, int line, const char *what, long ours, long host)
{
	if (ours != host)
		check_failed(file, line, what, "%ld, the host %ld", ours, host);
	return ours;
}

long both_bytes(const char *file, int line, const char *what, long ours, long host)
{
	both_answer(file, line, what, ours, host);
	for (long i = 0; i < ours; i++)
		if (shared->kernel[i] != shared->host[i])
			check_failed(file, line, what, "byte %ld of %ld is %u, the host's %u", i, ours, shared->kernel[i], shared->host[i]);
	return ours;
}

struct pair both_open(const char *path, u32 flags, u32 mode)
{
	struct pair fd = { CALL(open, path, flags, mode), HOST(open, path, flags, mode) };

	if (fd.ours < 0 || fd.host < 0)
		CHECK(fd.ours == fd.host, "open %s %o: %ld, the host %ld", path, flags, fd.ours, fd.host);
	return fd;
}

long both_close(struct pair fd)
{
	return both_answer(__FILE__, __LINE__, "close", CALL(close, fd.ours), HOST(close, fd.host));
}

void both_pipe(struct pair ends[2], u32 flags)
{
	const int *ours = (int *)shared->kernel, *host = (int *)shared->host;

	CHECK_EQ(BOTH_FD(pipe2, ((struct pair){ (long)shared->kernel, (long)shared->host }), flags), 0);
	for (int i = 0; i < 2; i++)
		ends[i] = (struct pair){ ours[i], host[i] };
}
