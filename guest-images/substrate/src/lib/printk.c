/* SPDX-License-Identifier: Apache-2.0 */
#include <substrate/cpu.h>
#include <substrate/device.h>
#include <substrate/printk.h>
#include <substrate/string.h>

struct output {
	char *buf;
	size_t size;
	size_t length; /* that the whole text has */
};

static void put(struct output *out, char c)
{
	if (out->length + 1 < out->size)
		out->buf[out->length] = c;
	out->length++;
}

struct format {
	bool left, zero;
	int width, precision; /* precision -1: none */
};

static void put_padded(struct output *out, const struct format *f, const char *text, size_t length, bool negative)
{
	int total = (int)length + negative;
	if (!f->left && !f->zero)
		for (int i = total; i < f->width; i++)
			put(out, ' ');
	if (negative)
		put(out, '-');
	if (!f->left && f->zero)
		for (int i = total; i < f->width; i++)
			put(out, '0');
	for (size_t i = 0; i < length; i++)
		put(out, text[i]);
	if (f->left)
		for (int i = total; i < f->width; i++)
			put(out, ' ');
}

static void put_number(struct output *out, const struct format *f, u64 value, unsigned int base, bool negative)
{
	char digits[24];
	size_t n = sizeof(digits);
	do {
		digits[--n] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value);
	put_padded(out, f, digits + n, sizeof(digits) - n, negative);
}

static int parse_number(const char **fmt, va_list args)
{
	int n = 0;
	if (**fmt == '*') {
		++*fmt;
		return va_arg(args, int);
	}
	for (; **fmt >= '0' && **fmt <= '9'; ++*fmt)
		n = n * 10 + (**fmt - '0');
	return n;
}

int vsnprintf(char *buf, size_t size, const char *fmt, va_list outer)
{
	struct output out = { .buf = buf, .size = size };
	va_list args;
	va_copy(args, outer);
	for (; *fmt; fmt++) {
		if (*fmt != '%') {
			put(&out, *fmt);
			continue;
		}
		struct format f = { .precision = -1 };
		for (fmt++; *fmt == '-' || *fmt == '0'; fmt++)
			*fmt == '-' ? (f.left = true) : (f.zero = true);
		f.width = parse_number(&fmt, args);
		if (*fmt == '.') {
			fmt++;
			f.precision = parse_number(&fmt, args);
		}
		bool wide = false;
		for (; *fmt == 'l' || *fmt == 'z'; fmt++)
			wide = true;
		switch (*fmt) {
		case 'd': {
			s64 value = wide ? va_arg(args, long) : va_arg(args, int);
			put_number(&out, &f, value < 0 ? -(u64)value : (u64)value, 10, value < 0);
			break;
		}
		case 'u':
		case 'x':
			put_number(&out, &f, wide ? va_arg(args, unsigned long) : va_arg(args, unsigned int),
			           *fmt == 'x' ? 16 : 10, false);
			break;
		case 'p':
			put_number(&out, &f, (u64)va_arg(args, void *), 16, false);
			break;
		case 'c': {
			char c = (char)va_arg(args, int);
			put_padded(&out, &f, &c, 1, false);
			break;
		}
		case 's': {
			const char *s = va_arg(args, const char *);
			s = s ? s : "(null)";
			put_padded(&out, &f, s, f.precision >= 0 ? strnlen(s, f.precision) : strlen(s), false);
			break;
		}
		default:
			put(&out, *fmt);
		}
	}
	va_end(args);
	if (size)
		buf[MIN(out.length, size - 1)] = 0;
	return (int)out.length;
}

int snprintf(char *buf, size_t size, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	int n = vsnprintf(buf, size, fmt, args);
	va_end(args);
	return n;
}

void printk(const char *fmt, ...)
{
	char line[1024];
	va_list args;
	va_start(args, fmt);
	int n = vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	console_write(line, MIN((size_t)n, sizeof(line) - 1));
}

noreturn void panic(const char *fmt, ...)
{
	char text[1024];
	va_list args;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	printk("Substrate panic: %s\n", text);
	console_flush();
	cpu_reset();
}
