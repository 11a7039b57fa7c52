/* SPDX-License-Identifier: Apache-2.0 */
#include <linux/limits.h>
#include <substrate/cpu.h>
#include <substrate/err.h>
#include <substrate/mm.h>
#include <substrate/string.h>
#include <substrate/uaccess.h>
#include <substrate/user.h>

/* entry.S */
u64 user_copy(void *dst, const void *src, size_t n);
u64 user_fill(void *dst, int byte, size_t n);
u64 user_strnlen(const char *s, u64 max);
long user_cmpxchg32(u32 *p, u32 expected, u32 new, u32 *old);
long user_load32(const u32 *p, u32 *value);

/* With SMAP, a native kernel must open the program's memory to itself; at CPL 3 it is open and `stac` does not exist. */
static bool smap;

void user_init(void)
{
	u32 leaf[4];
	cpuid(7, 0, leaf);
	smap = !cpu_deprivileged && leaf[1] & 1 << 20;
}

void user_access_begin(void)
{
	if (smap)
		__asm__ volatile("stac" : : : "memory");
}

void user_access_end(void)
{
	if (smap)
		__asm__ volatile("clac" : : : "memory");
}

static bool user_range(const void *p, size_t n)
{
	return n <= TASK_SIZE && (u64)p <= TASK_SIZE - n;
}

size_t copy_from_user(void *dst, const void __user *src, size_t n)
{
	if (!user_range(src, n))
		return n;
	user_access_begin();
	size_t left = user_copy(dst, src, n);
	user_access_end();
	return left;
}

size_t copy_to_user(void __user *dst, const void *src, size_t n)
{
	if (!user_range(dst, n))
		return n;
	user_access_begin();
	size_t left = user_copy(dst, src, n);
	user_access_end();
	return left;
}

size_t clear_user(void __user *dst, size_t n)
{
	if (!user_range(dst, n))
		return n;
	user_access_begin();
	size_t left = user_fill(dst, 0, n);
	user_access_end();
	return left;
}

long user_compare_exchange(u32 __user *p, u32 expected, u32 new, u32 *old)
{
	if (!user_range(p, sizeof(*p)) || (u64)p & 3)
		return -EFAULT;
	user_access_begin();
	long error = user_cmpxchg32(p, expected, new, old);
	user_access_end();
	return error;
}

long user_load(const u32 __user *p, u32 *value)
{
	if (!user_range(p, sizeof(*p)) || (u64)p & 3)
		return -EFAULT;
	user_access_begin();
	long error = user_load32(p, value);
	user_access_end();
	return error;
}

ssize_t strncpy_from_user(char *dst, const char __user *src, size_t size)
{
	if (!user_range(src, 1) || size == 0)
		return -EFAULT;
	u64 limit = MIN(size, TASK_SIZE - (u64)src);
	user_access_begin();
	u64 length = user_strnlen(src, limit);
	size_t left = length < limit ? user_copy(dst, src, length) : 0;
	user_access_end();
	if (length == ~0UL || left)
		return -EFAULT;
	if (length == limit)
		return limit == size ? -ENAMETOOLONG : -EFAULT;
	dst[length] = 0;
	return (ssize_t)length;
}

char *path_from_user_empty_ok(const char __user *src)
{
	char *path = kmalloc(PATH_MAX);
	if (!path)
		return ERR_PTR(-ENOMEM);
	ssize_t n = strncpy_from_user(path, src, PATH_MAX);
	if (n >= 0)
		return path;
	kfree(path);
	return ERR_PTR(n);
}

char *path_from_user(const char __user *src)
{
	char *path = path_from_user_empty_ok(src);
	if (!IS_ERR(path) && !*path) {
		kfree(path);
		return ERR_PTR(-ENOENT);
	}
	return path;
}
