/* SPDX-License-Identifier: Apache-2.0 */
/* Runs the tests named on the command line, or all: fs-test [--seed=<number>] [test…]. */
#include <substrate/string.h>
#include "shim.h"

static const struct { const char *name; void (*run)(void); } tests[] = {
	{ "image", test_image },	{ "paths", test_paths },	{ "files", test_files },
	{ "pipes", test_pipes },	{ "locks", test_locks },	{ "proc", test_proc },
	{ "exhaustion", test_exhaustion },	{ "random", test_random },	{ "corrupt", test_corrupt },
	{ "disk", test_disk },
};

/* Takes the seed off the arguments. */
static int without_seed(int argc, char **argv)
{
	static const char option[] = "--seed=";
	int left = 1;

	for (int a = 1; a < argc; a++) {
		if (strncmp(argv[a], option, sizeof(option) - 1))
			argv[left++] = argv[a];
		else
			shim_seed = host_parse(argv[a] + sizeof(option) - 1);
	}
	return left;
}

int main(int argc, char **argv);
int main(int argc, char **argv)
{
	argc = without_seed(argc, argv);
	if (!host_is_root()) {
		host_print("the file system's tests make devices and change the root directory: run them as root\n");
		return 1;
	}
	for (u32 i = 0; i < ARRAY_SIZE(tests); i++) {
		bool wanted = argc < 2;
		for (int a = 1; a < argc; a++)
			wanted |= !strcmp(argv[a], tests[i].name);
		if (!wanted)
			continue;
		host_print("fs %s\n", tests[i].name);
		tests[i].run();
	}
	return 0;
}
