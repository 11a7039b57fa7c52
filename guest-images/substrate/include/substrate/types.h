/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUBSTRATE_TYPES_H
#define SUBSTRATE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int32_t s32;
typedef int64_t s64;
typedef long ssize_t;
typedef s64 off_t;

/* A guest-physical address. */
typedef u64 paddr_t;

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define container_of(ptr, type, member) ((type *)((char *)(ptr) - offsetof(type, member)))
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define ALIGN_UP(x, a) (((x) + (a) - 1) & ~((__typeof__(x))(a) - 1))
#define ALIGN_DOWN(x, a) ((x) & ~((__typeof__(x))(a) - 1))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

#define noreturn __attribute__((noreturn))
#define printf_like(fmt, args) __attribute__((format(printf, fmt, args)))

/* A pointer into the program's memory. Only uaccess.h may follow it. */
#define __user

#endif
