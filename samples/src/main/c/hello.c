/* SPDX-License-Identifier: Apache-2.0 */
/* Three small programs in one, for a host without a static busybox: hello, primes and sort. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

static int hello(void)
{
	struct utsname name;

	if (uname(&name) != 0) {
		perror("uname");
		return 1;
	}
	printf("hello from %s %s\n", name.sysname, name.release);
	return 0;
}

static int primes(void)
{
	enum { LIMIT = 1000000 };
	static char composite[LIMIT];
	int count = 0;

	for (long i = 2; i < LIMIT; i++) {
		if (composite[i])
			continue;
		count++;
		for (long j = i * i; j < LIMIT; j += i)
			composite[j] = 1;
	}
	printf("%d primes below %d\n", count, LIMIT);
	return 0;
}

static int compare(const void *left, const void *right)
{
	return strcmp(left, right);
}

static int sort(void)
{
	static char lines[64][64];
	size_t count = 0;

	while (count < 64 && fgets(lines[count], sizeof(lines[0]), stdin))
		count++;
	qsort(lines, count, sizeof(lines[0]), compare);
	for (size_t i = 0; i < count; i++)
		fputs(lines[i], stdout);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "hello") == 0)
		return hello();
	if (argc == 2 && strcmp(argv[1], "primes") == 0)
		return primes();
	if (argc == 2 && strcmp(argv[1], "sort") == 0)
		return sort();
	fprintf(stderr, "usage: hello hello|primes|sort\n");
	return 2;
}
