/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests need of the C library. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "host.h"

/* Of the sanitizers: what runs before they end the process. */
void __sanitizer_set_death_callback(void (*callback)(void));

static char temp_dir[64];
static pid_t temp_dir_owner;

static _Noreturn void fatal(const char *what)
{
	perror(what);
	exit(1);
}

static void remove_temp_dir(void)
{
	char command[256];

	if (getpid() != temp_dir_owner)
		return;
	snprintf(command, sizeof(command), "chmod -R u+rwX %s 2>/dev/null; rm -rf %s", temp_dir, temp_dir);
	if (system(command) != 0)
		fprintf(stderr, "cannot remove %s\n", temp_dir);
}

_Noreturn void host_abort(void)
{
	remove_temp_dir();
	abort();
}

bool host_is_root(void)
{
	return geteuid() == 0;
}

const char *host_temp_dir(void)
{
	if (!temp_dir[0]) {
		/* A tmpfs, so that the host answers as one. */
		strcpy(temp_dir, "/dev/shm/substrate-fs-XXXXXX");
		if (!mkdtemp(temp_dir))
			fatal("mkdtemp");
		temp_dir_owner = getpid();
		atexit(remove_temp_dir);
		__sanitizer_set_death_callback(remove_temp_dir);
	}
	return temp_dir;
}

void host_shell(const char *fmt, ...)
{
	char command[4096] = "set -e; ";
	va_list args;

	va_start(args, fmt);
	vsnprintf(command + strlen(command), sizeof(command) - strlen(command), fmt, args);
	va_end(args);
	if (system(command) != 0) {
		fprintf(stderr, "failed: %s\n", command);
		exit(1);
	}
}

uint64_t host_parse(const char *text)
{
	char *end;
	uint64_t number = strtoull(text, &end, 0);

	if (number == 0 || *end) {
		fprintf(stderr, "not a number above 0: %s\n", text);
		exit(1);
	}
	return number;
}

long host_number(const char *path)
{
	FILE *file = fopen(path, "r");
	long number = 0;

	if (file && fscanf(file, "%ld", &number) != 1)
		number = 0;
	if (file)
		fclose(file);
	return number;
}

void *host_copy(const void *bytes, uint64_t size)
{
	void *copy;

	if (posix_memalign(&copy, 4096, size))
		fatal("posix_memalign");
	return memcpy(copy, bytes, size);
}

void *host_load(const char *path, uint64_t *size)
{
	FILE *file = fopen(path, "r");
	struct stat st;
	void *bytes;

	if (!file || fstat(fileno(file), &st) < 0)
		fatal(path);
	if (posix_memalign(&bytes, 4096, (size_t)st.st_size) || fread(bytes, 1, (size_t)st.st_size, file) != (size_t)st.st_size)
		fatal(path);
	fclose(file);
	*size = (uint64_t)st.st_size;
	return bytes;
}

void host_free(void *p)
{
	free(p);
}

void host_print(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	fflush(stdout);
}

bool host_isolated(void (*function)(uint64_t argument), uint64_t argument, unsigned int seconds)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid < 0)
		fatal("fork");
	if (pid == 0) {
		alarm(seconds);
		function(argument);
		_exit(0);
	}
	if (waitpid(pid, &status, 0) < 0)
		fatal("waitpid");
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
		fprintf(stderr, "did not come back within %u s\n", seconds);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}
