# SPDX-License-Identifier: Apache-2.0
# The compiler, the assembler, the linker and make inside; then what they made.
cd "$(mktemp -d)" || exit 1
cat >sum.h <<'END'
long sum(const long *values, int n);
END
cat >sum.c <<'END'
#include "sum.h"
long sum(const long *values, int n) { long s = 0; for (int i = 0; i < n; i++) s += values[i]; return s; }
END
cat >main.c <<'END'
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "sum.h"
static long values[1000];
static void *half(void *from) { return (void *)sum(from, 500); }
static int compare(const void *a, const void *b) { return strcmp(*(char **)a, *(char **)b); }
int main(int argc, char **argv)
{
	pthread_t threads[2];
	void *results[2];
	for (int i = 0; i < 1000; i++) values[i] = i;
	for (int i = 0; i < 2; i++) pthread_create(&threads[i], NULL, half, values + 500 * i);
	for (int i = 0; i < 2; i++) pthread_join(threads[i], &results[i]);
	qsort(argv + 1, argc - 1, sizeof(*argv), compare);
	printf("%ld %.6f %s\n", (long)results[0] + (long)results[1], sqrt(2), argc > 1 ? argv[1] : "");
	fprintf(stderr, "to stderr\n");
	return 42;
}
END
cat >Makefile <<'END'
CFLAGS := -O2 -Wall
main: main.o sum.o
	$(CC) -o $@ $^ -lm -pthread
%.o: %.c sum.h
	$(CC) $(CFLAGS) -c -o $@ $<
END
make -j3 CC=gcc -Oline; ./main pear apple; echo "exit $?"
make CC=gcc; touch sum.h; make -n CC=gcc | wc -l
gcc -O3 -static -o static main.c sum.c -lm -pthread && ./static x; echo "static $?"
gcc -shared -fPIC -o libsum.so sum.c && gcc -o dynamic main.c -L. -lsum -lm -pthread && LD_LIBRARY_PATH=. ./dynamic b a; echo "shared $?"
gcc -g -O0 -fsanitize=undefined -o ubsan -x c - <<'END' && ./ubsan 2>&1 | sed 's/.*error: //'
#include <limits.h>
int main(int argc, char **argv) { (void)argv; int x = INT_MAX; x += argc; return x == 0; }
END
gcc -S -O2 -o - sum.c | grep -c ret; nm libsum.so | grep ' T '; objdump -d sum.o | grep -c add; size sum.o | wc -l
echo 'int main(void) { return undeclared; }' | gcc -x c - 2>&1 | grep -o "error: .*"; ld --version | head -n 1
ar rcs libsum.a sum.o && gcc -o archived main.c libsum.a -lm -pthread && ./archived >/dev/null 2>&1; echo "archived $?"
gcc -O2 -flto -o lto main.c sum.c -lm -pthread && ./lto 2>/dev/null; echo "lto $?"; strip main; ./main q 2>/dev/null
make nothing 2>&1; echo "make $?"
