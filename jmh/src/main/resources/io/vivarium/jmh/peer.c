/* SPDX-License-Identifier: Apache-2.0 */
/* The other end of a benchmark: peer vsock|unix <port or path> echo|source|sink, until the connection ends. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <linux/vm_sockets.h>

static char buffer[1 << 18];

static int connect_vsock(const char *port)
{
	struct sockaddr_vm to = { .svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_HOST, .svm_port = (unsigned)atoi(port) };
	int fd = socket(AF_VSOCK, SOCK_STREAM, 0);

	return connect(fd, (struct sockaddr *)&to, sizeof(to)) ? -1 : fd;
}

static int connect_unix(const char *path)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strncpy(to.sun_path, path, sizeof(to.sun_path) - 1);
	return connect(fd, (struct sockaddr *)&to, sizeof(to)) ? -1 : fd;
}

int main(int argc, char **argv)
{
	if (argc != 4)
		return 2;
	signal(SIGPIPE, SIG_IGN);
	int fd = strcmp(argv[1], "vsock") ? connect_unix(argv[2]) : connect_vsock(argv[2]);
	ssize_t n = 1;

	if (fd < 0)
		return 1;
	while (n > 0) {
		n = sizeof(buffer);
		if (strcmp(argv[3], "source"))
			n = read(fd, buffer, sizeof(buffer));
		if (strcmp(argv[3], "sink"))
			for (ssize_t done = 0; done < n;) {
				ssize_t more = write(fd, buffer + done, (size_t)(n - done));
				if (more < 0)
					return 0;
				done += more;
			}
	}
	return 0;
}
