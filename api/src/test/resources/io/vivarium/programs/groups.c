/* SPDX-License-Identifier: Apache-2.0 */
/* Supplementary groups (getgroups(2), credentials(7)): who has them, what they open. Root runs it. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>


#define USER 1234
#define GROUP 4242

static void say_groups(void)
{
	gid_t groups[64];
	int count = getgroups(64, groups);
	printf("%d groups:", count);
	for (int i = 0; i < count; i++)
		printf(" %u", groups[i]);
	printf("\n");
}

static void say_status(void)
{
	char line[256];
	FILE *status = fopen("/proc/self/status", "r");
	while (status && fgets(line, sizeof(line), status))
		if (strncmp(line, "Groups:", 7) == 0)
			printf("%s", line);
	if (status)
		fclose(status);
}

static void tell(const char *what, int result)
{
	printf("%s: %s\n", what, result < 0 ? strerror(errno) : "ok");
}

static void as_user(const gid_t *groups, size_t count, const char *file, const char *own)
{
	if (fork() == 0) {
		tell("setgroups", setgroups(count, groups));
		tell("setresgid", setresgid(USER, USER, USER));
		tell("setresuid", setresuid(USER, USER, USER));
		say_groups();
		say_status();
		tell("read", open(file, O_RDONLY));
		tell("write", open(file, O_WRONLY));
		tell("access", access(file, R_OK));
		tell("chown own to the group", chown(own, (uid_t)-1, GROUP));
		tell("chmod own g+s", chmod(own, 02755));
		struct stat st;
		stat(own, &st);
		printf("mode %o group %u\n", st.st_mode & 07777, st.st_gid);
		tell("setgroups as a user", setgroups(0, NULL));
		_exit(0);
	}
	wait(NULL);
}

int main(void)
{
	const gid_t mixed[] = { 70000, 5, GROUP, 5, 1, 4294967294U };
	const gid_t other[] = { GROUP + 1 };
	static gid_t many[65537];
	mkdir("/tmp", 01777);
	char file[] = "/tmp/groupsXXXXXX", own[] = "/tmp/groupsXXXXXX";
	int fd = mkstemp(file), owned = mkstemp(own);

	fchown(fd, 0, GROUP);
	fchmod(fd, 0640);
	fchown(owned, USER, USER);
	tell("none", setgroups(0, NULL));
	say_groups();
	say_status();
	tell("some", setgroups(6, mixed));
	say_groups();
	printf("how many: %d\n", getgroups(0, NULL));
	gid_t one;
	tell("too little room", getgroups(1, &one));
	volatile int negative = -1;
	tell("negative room", getgroups(negative, NULL));
	tell("no memory of ours", setgroups(2, (const gid_t *)8));
	say_groups();
	tell("too many", setgroups(65537, many));
	for (unsigned int i = 0; i < 65536; i++)
		many[i] = (i * 40503U) % 65536;
	tell("as many as there can be", setgroups(65536, many));
	printf("%d\n", getgroups(65536, many));
	for (unsigned int i = 0; i < 65536; i++)
		if (many[i] != i) {
			printf("%u is %u\n", i, many[i]);
			break;
		}
	if (fork() == 0) {
		printf("inherited: %d\n", getgroups(0, NULL));
		_exit(0);
	}
	wait(NULL);
	as_user(mixed, 6, file, own);
	fchown(owned, USER, USER);
	fchmod(owned, 0644);
	as_user(other, 1, file, own);
	unlink(file);
	unlink(own);
	return 0;
}
