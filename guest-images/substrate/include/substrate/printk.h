/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUBSTRATE_PRINTK_H
#define SUBSTRATE_PRINTK_H

#include <stdarg.h>
#include <substrate/types.h>

/*
 * Formatting knows %d %u %x %c %s %p %%, the length modifiers l, ll and z, field width, '-', '0' and precision for %s
 * (also as '*'). The result is always terminated; the return value is the length it would have had.
 */
int vsnprintf(char *buf, size_t size, const char *fmt, va_list args);
int snprintf(char *buf, size_t size, const char *fmt, ...) printf_like(3, 4);

/* Writes to the boot console. Usable from any context, before the console is there too (the text is kept). */
void printk(const char *fmt, ...) printf_like(1, 2);

/* The guest cannot go on: says why on the console and ends the machine. */
noreturn void panic(const char *fmt, ...) printf_like(1, 2);

#define BUG_ON(cond)                                                                       \
	do {                                                                                   \
		if (unlikely(cond))                                                                \
			panic("%s:%d: %s", __FILE__, __LINE__, #cond);                                 \
	} while (0)

#endif
