/* SPDX-License-Identifier: Apache-2.0 */
/* By the type of an argument, which bytes of the program's memory belong to what it says. */
#include <asm/sigcontext.h>
#include <asm/siginfo.h>
#include <asm/signal.h>
#include <asm/ucontext.h>
#include <linux/fcntl.h>
#include <linux/futex.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <substrate/string.h>
#include <substrate/syscall.h>
#include <substrate/uaccess.h>

#include "record.h"

#define TEXT_MAX 32      /* bytes of a buffer or of an argument of execve that are shown, as strace does */
#define PATH_SHOWN 1024
#define ELEMENTS_MAX 32  /* of an array */
#define ADDRESS_MAX 128  /* sizeof(struct sockaddr_storage) */
#define ENVIRONMENT_MAX 4096
#define CONTROL_MAX 256
#define IOCTL_MAX 36     /* struct termios, the largest that is shown */

enum capture {
	NONE,
	IN,             /* a structure of `size` bytes */
	OUT,            /* the same, filled in by the call when it succeeds */
	OUT_EVENT,      /* the same, when its result is not 0 */
	INOUT,          /* the same, before and after */
	REMAINING,      /* the same, when a sleep was cut short */
	STRING,
	IN_BUFFER,      /* as long as the next argument says; `size`: shown of it, 0 for text */
	OUT_BUFFER,     /* as long as the result says; `size` 1: all of it is shown, a path */
	IN_ARRAY,       /* elements of `size` bytes, as many as the argument before says */
	OUT_ARRAY,      /* as many as the result says */
	IN_VECTOR,      /* iovecs, as many as the next argument says, and what they point to */
	OUT_VECTOR,     /* the same, after the call */
	OUT_SOCKADDR,   /* as long as the integer says that the next argument points to */
	IN_MSGHDR,
	OUT_MSGHDR,
	STRINGS,        /* a vector of strings that ends with NULL */
	ENVIRONMENT,    /* of this, the number */
	POLLFDS,        /* before and after; as many as the next argument says */
	FD_SET,         /* before and after; of as many bits as argument 0 says */
	FCNTL,
	IOCTL,
	PRCTL,
	CLONE_PARENT_TID,
	FUTEX_TIMEOUT,
	PSELECT_MASK,   /* two words that point to the set and say its size */
	SIGNAL_FRAME,   /* the mask that rt_sigreturn(2) puts back */
};

struct argument_type {
	u8 capture;
	u16 size;
};

#define TYPE(name, capture, size) T_##name,
enum {
#include "types.tbl"
};
#undef TYPE

#define TYPE(name, capture, size) [T_##name] = { capture, size },
static const struct argument_type types[] = {
#include "types.tbl"
};
#undef TYPE

#define SIGNATURE0(name) [__NR_##name] = { 0, { 0 } },
#define SIGNATURE1(name, a) [__NR_##name] = { 1, { T_##a } },
#define SIGNATURE2(name, a, b) [__NR_##name] = { 2, { T_##a, T_##b } },
#define SIGNATURE3(name, a, b, c) [__NR_##name] = { 3, { T_##a, T_##b, T_##c } },
#define SIGNATURE4(name, a, b, c, d) [__NR_##name] = { 4, { T_##a, T_##b, T_##c, T_##d } },
#define SIGNATURE5(name, a, b, c, d, e) [__NR_##name] = { 5, { T_##a, T_##b, T_##c, T_##d, T_##e } },
#define SIGNATURE6(name, a, b, c, d, e, f) [__NR_##name] = { 6, { T_##a, T_##b, T_##c, T_##d, T_##e, T_##f } },
#ifndef __NR_fchmodat2 /* since Linux 6.6; older headers do not have it */
#define __NR_fchmodat2 452
#endif
static const struct trace_signature signatures[] = {
#include "signatures.tbl"
};

const struct trace_signature *trace_signature(u64 nr)
{
	/* A call without arguments has a signature of none: who asks has a call that exists. */
	return nr < ARRAY_SIZE(signatures) ? &signatures[nr] : NULL;
}

static u64 argument(const struct pt_regs *call, u32 i)
{
	const u64 arguments[] = { call->rdi, call->rsi, call->rdx, call->r10, call->r8, call->r9 };
	return i < ARRAY_SIZE(arguments) ? arguments[i] : 0;
}

static void *pointer(const struct pt_regs *call, u32 i)
{
	return (void *)argument(call, i);
}

static void shown(struct record *record, u32 i, const void __user *from, u64 length, u64 most)
{
	record_memory(record, i, from, MIN(length, most), length > most);
}

static void array(struct record *record, u32 i, const void __user *from, u64 count, u32 size)
{
	shown(record, i, from, MIN(count, (u64)ELEMENTS_MAX + 1) * size, ELEMENTS_MAX * size);
}

/* The iovecs, then the beginning of each one's bytes, which are `total` together. */
static void vector(struct record *record, u32 i, const struct iovec __user *from, u64 count, u64 total)
{
	u64 known = MIN(count, (u64)ELEMENTS_MAX);
	record_memory(record, i, from, known * sizeof(struct iovec), count > known);
	for (u64 k = 0; k < known; k++) {
		struct iovec element;
		if (copy_from_user(&element, from + k, sizeof(element)))
			return;
		u64 length = MIN((u64)element.iov_len, total);
		total -= length;
		shown(record, i, element.iov_base, length, TEXT_MAX);
	}
}

/* struct user_msghdr of Linux's <linux/socket.h>: what sendmsg(2) takes. */
struct message {
	void *name;
	int name_length;
	int padding;
	struct iovec *vector;
	u64 vector_length;
	void *control;
	u64 control_length;
	u64 flags;
};

static void message(struct record *record, u32 i, const void __user *from, u64 total)
{
	struct message header;
	record_memory(record, i, from, sizeof(header), false);
	if (copy_from_user(&header, from, sizeof(header)))
		return;
	shown(record, i, header.name, header.name && header.name_length > 0 ? (u64)header.name_length : 0, ADDRESS_MAX);
	shown(record, i, header.control, header.control ? header.control_length : 0, CONTROL_MAX);
	vector(record, i, header.vector, header.vector_length, total);
}

static void strings(struct record *record, u32 i, char *const __user *from)
{
	for (u32 k = 0; k <= ELEMENTS_MAX; k++) {
		char *string;
		if (copy_from_user(&string, from + k, sizeof(string))) {
			record_kernel_memory(record, i, NULL, 0, PIECE_FAULT);
			return;
		}
		if (!string)
			return;
		if (k == ELEMENTS_MAX)
			record_kernel_memory(record, i, NULL, 0, PIECE_CUT);
		else
			record_string(record, i, string, TEXT_MAX);
	}
}

static void environment(struct record *record, u32 i, char *const __user *from)
{
	u32 count = 0;
	char *string = NULL;
	bool fault = false;
	while (count < ENVIRONMENT_MAX && !(fault = copy_from_user(&string, from + count, sizeof(string)) != 0) && string)
		count++;
	record_kernel_memory(record, i, &count, sizeof(count), fault ? PIECE_FAULT : 0);
}

static bool locks(u64 command)
{
	return (command >= F_GETLK && command <= F_SETLKW) || (command >= F_OFD_GETLK && command <= F_OFD_SETLKW);
}

static u32 bits_to_bytes(u64 bits)
{
	return (u32)MIN((bits + 63) / 64 * 8, 128UL);
}

static bool futex_waits(u64 operation)
{
	u64 command = operation & FUTEX_CMD_MASK;
	return command == FUTEX_WAIT || command == FUTEX_WAIT_BITSET || command == FUTEX_LOCK_PI ||
	       command == FUTEX_WAIT_REQUEUE_PI;
}

static void pselect_mask(struct record *record, u32 i, const void __user *from)
{
	u64 words[2];
	if (copy_from_user(words, from, sizeof(words))) {
		record_kernel_memory(record, i, NULL, 0, PIECE_FAULT);
		return;
	}
	record_kernel_memory(record, i, words, sizeof(words), 0);
	if (words[0])
		record_memory(record, i, (void *)words[0], 8, false);
}

static void before(struct record *record, const struct pt_regs *call, u32 i, const struct argument_type *type)
{
	const void *at = pointer(call, i);
	/* By the C library's hand: rt_sigreturn has no arguments, its frame lies where the stack pointer is. */
	if (type->capture == SIGNAL_FRAME) {
		record_memory(record, i, (void *)(call->rsp + offsetof(struct ucontext, uc_sigmask)), type->size, false);
		return;
	}
	if (!at)
		return;
	switch ((enum capture)type->capture) {
	case IN:
	case INOUT:
		record_memory(record, i, at, type->size, false);
		break;
	case STRING:
		record_string(record, i, at, PATH_SHOWN);
		break;
	case IN_BUFFER:
		shown(record, i, at, argument(call, i + 1), type->size ? type->size : TEXT_MAX);
		break;
	case IN_ARRAY:
		array(record, i, at, argument(call, i - 1), type->size);
		break;
	case IN_VECTOR:
		vector(record, i, at, argument(call, i + 1), ~0UL);
		break;
	case IN_MSGHDR:
		message(record, i, at, ~0UL);
		break;
	case STRINGS:
		strings(record, i, at);
		break;
	case ENVIRONMENT:
		environment(record, i, at);
		break;
	case POLLFDS:
		array(record, i, at, argument(call, i + 1), type->size);
		break;
	case FD_SET:
		record_memory(record, i, at, bits_to_bytes(argument(call, 0)), false);
		break;
	case FCNTL:
		if (locks(argument(call, 1)))
			record_memory(record, i, at, 32, false);
		break;
	case IOCTL:
		record_memory(record, i, at, IOCTL_MAX, false);
		break;
	case PRCTL:
		if (argument(call, 0) == PR_SET_NAME)
			record_string(record, i, at, 15);
		break;
	case FUTEX_TIMEOUT:
		if (futex_waits(argument(call, 1)))
			record_memory(record, i, at, type->size, false);
		break;
	case PSELECT_MASK:
		pselect_mask(record, i, at);
		break;
	default:
		break;
	}
}

static void after(struct record *record, const struct pt_regs *call, u32 i, const struct argument_type *type, long result)
{
	const void *at = pointer(call, i);
	u32 length;
	if (!at)
		return;
	switch ((enum capture)type->capture) {
	case REMAINING:
		if (result == -EINTR)
			record_memory(record, i, at, type->size, false);
		break;
	case IOCTL:
		if (result >= 0)
			record_memory(record, i, at, IOCTL_MAX, false);
		break;
	case OUT_EVENT:
		if (result > 0)
			record_memory(record, i, at, type->size, false);
		break;
	case OUT:
	case INOUT:
		if (result >= 0)
			record_memory(record, i, at, type->size, false);
		break;
	case OUT_BUFFER:
		if (result >= 0)
			shown(record, i, at, (u64)result, type->size ? PATH_SHOWN : TEXT_MAX);
		break;
	case OUT_ARRAY:
		if (result >= 0)
			array(record, i, at, (u64)result, type->size);
		break;
	case OUT_VECTOR:
		if (result >= 0)
			vector(record, i, at, argument(call, i + 1), (u64)result);
		break;
	case OUT_SOCKADDR:
		if (result >= 0 && !copy_from_user(&length, pointer(call, i + 1), sizeof(length)))
			shown(record, i, at, length, ADDRESS_MAX);
		break;
	case OUT_MSGHDR:
		if (result >= 0)
			message(record, i, at, (u64)result);
		break;
	case POLLFDS:
		if (result > 0)
			array(record, i, at, argument(call, i + 1), type->size);
		break;
	case FD_SET:
		if (result > 0)
			record_memory(record, i, at, bits_to_bytes(argument(call, 0)), false);
		break;
	case FCNTL:
		if (result >= 0 && locks(argument(call, 1)))
			record_memory(record, i, at, 32, false);
		break;
	case PRCTL:
		if (result >= 0 && argument(call, 0) == PR_GET_NAME)
			record_string(record, i, at, 15);
		break;
	case CLONE_PARENT_TID:
		if (result >= 0 && argument(call, 0) & (CLONE_PARENT_SETTID | CLONE_PIDFD))
			record_memory(record, i, at, type->size, false);
		break;
	default:
		break;
	}
}

void capture_before(struct record *record, const struct pt_regs *call)
{
	const struct trace_signature *signature = trace_signature(call->orig_rax);
	for (u32 i = 0; signature && i < signature->count; i++)
		before(record, call, i, &types[signature->types[i]]);
}

void capture_after(struct record *record, const struct pt_regs *call, long result)
{
	const struct trace_signature *signature = trace_signature(call->orig_rax);
	for (u32 i = 0; signature && i < signature->count; i++)
		after(record, call, i, &types[signature->types[i]], result);
}
