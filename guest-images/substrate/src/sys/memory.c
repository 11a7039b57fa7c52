/* SPDX-License-Identifier: Apache-2.0 */
#include <asm/signal.h>
#include <linux/membarrier.h>
#include <linux/mempolicy.h>
#include <linux/mman.h>
#include <substrate/area.h>
#include <substrate/cpu.h>
#include <substrate/err.h>
#include <substrate/fs.h>
#include <substrate/frame.h>
#include <substrate/mm.h>
#include <substrate/string.h>
#include <substrate/syscall.h>
#include <substrate/task.h>
#include <substrate/uaccess.h>

#define PROT_ALL (PROT_READ | PROT_WRITE | PROT_EXEC)
/* A mapping up to this size is most likely used at once: its entries are made beforehand, which saves a page fault. */
#define EAGER_BYTES (256UL << 10)

static void premap(struct mm *mm, u64 start, u64 length)
{
	if (cpu_deprivileged && frames_available() > frames_total() / 2)
		mm_populate(mm, start, start + MIN(length, PAGE_SIZE), true);
}

SYSCALL_DEFINE1(brk, u64, wanted)
{
	struct mm *mm = current->mm;
	u64 old_end = ALIGN_UP(mm->brk, PAGE_SIZE), new_end = ALIGN_UP(wanted, PAGE_SIZE);
	if (wanted < mm->brk_start || wanted > TASK_SIZE)
		return (long)mm->brk;
	if (new_end < old_end) {
		if (mm_unmap(mm, new_end, old_end - new_end))
			return (long)mm->brk;
	} else if (new_end > old_end) {
		long at = mm_map(mm, old_end, new_end - old_end, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED_NOREPLACE, NULL, 0);
		if (at < 0)
			return (long)mm->brk;
		premap(mm, old_end, new_end - old_end);
	}
	mm->brk = current->process->brk = wanted;
	return (long)mm->brk;
}

/* The file must have been opened for what the mapping may do. */
static long map_file(u64 address, u64 length, int prot, int flags, int fd, u64 offset)
{
	struct file *file = fd_get(current->files, fd);
	if (!file)
		return -EBADF;
	u32 mode = file->flags & O_ACCMODE;
	long result;
	if ((node_mode(file->node) & S_IFMT) != S_IFREG)
		result = -ENODEV;
	else if (mode == O_WRONLY || (flags & MAP_SHARED && prot & PROT_WRITE && mode != O_RDWR))
		result = -EACCES;
	else
		result = mm_map(current->mm, address, length, prot, flags, file->node, offset);
	file_put(file);
	return result;
}

/* Pages that are to be common with processes to come need a place that none of them owns. */
static long map_shared_memory(u64 address, u64 length, int prot, int flags)
{
	if (length == 0 || length > TASK_SIZE)
		return length ? -ENOMEM : -EINVAL;
	struct node *node = node_new_shared_memory(ALIGN_UP(length, PAGE_SIZE));
	if (IS_ERR(node))
		return PTR_ERR(node);
	long at = mm_map(current->mm, address, length, prot, flags, node, 0);
	node_put(node);
	return at;
}

SYSCALL_DEFINE6(mmap, u64, address, u64, length, int, prot, int, flags, int, fd, u64, offset)
{
	int type = flags & MAP_TYPE;
	if ((type != MAP_SHARED && type != MAP_PRIVATE && type != MAP_SHARED_VALIDATE) || prot & ~(PROT_ALL | PROT_GROWSDOWN) ||
	    flags & MAP_HUGETLB)
		return flags & MAP_HUGETLB ? -ENOMEM : -EINVAL;
	if (type == MAP_SHARED_VALIDATE)
		flags = (flags & ~MAP_TYPE) | MAP_SHARED;
	prot &= PROT_ALL;
	if (!(flags & MAP_ANONYMOUS))
		return map_file(address, length, prot, flags, fd, offset);
	if (flags & MAP_SHARED)
		return map_shared_memory(address, length, prot, flags);
	long at = mm_map(current->mm, address, length, prot, flags, NULL, 0);
	if (at > 0 && prot & PROT_WRITE && (length <= EAGER_BYTES || flags & MAP_POPULATE))
		premap(current->mm, (u64)at, length);
	return at;
}

SYSCALL_DEFINE2(munmap, u64, address, u64, length)
{
	return mm_unmap(current->mm, address, length);
}

SYSCALL_DEFINE3(mprotect, u64, address, u64, length, int, prot)
{
	return prot & ~(PROT_ALL | PROT_GROWSDOWN | PROT_GROWSUP) ? -EINVAL : mm_protect(current->mm, address, length, prot & PROT_ALL);
}

/* One node, from which all memory comes whatever the policy is (get_mempolicy(2)). */
SYSCALL_DEFINE5(get_mempolicy, int __user *, mode, u64 __user *, mask, u64, bits, u64, address, u64, flags)
{
	const int policy = MPOL_DEFAULT;
	u64 nodes = flags & MPOL_F_MEMS_ALLOWED ? 1 : 0;
	if (flags & ~(u64)(MPOL_F_NODE | MPOL_F_ADDR | MPOL_F_MEMS_ALLOWED) ||
	    (flags & MPOL_F_MEMS_ALLOWED && flags & (MPOL_F_NODE | MPOL_F_ADDR)) || (flags & MPOL_F_NODE && !(flags & MPOL_F_ADDR)) ||
	    (mask && bits < 1) || (!(flags & MPOL_F_ADDR) && address))
		return -EINVAL;
	if (flags & MPOL_F_ADDR && !mm_area(current->mm, address))
		return -EFAULT;
	if (mode && copy_to_user(mode, &policy, sizeof(policy)))
		return -EFAULT;
	for (u64 at = 0; mask && at < bits && at < PAGE_SIZE * 8; at += 64) {
		if (copy_to_user(mask + at / 64, &nodes, sizeof(nodes)))
			return -EFAULT;
		nodes = 0;
	}
	return 0;
}

/* pkeys(7): a processor without protection keys has none to give. */
SYSCALL_DEFINE2(pkey_alloc, u32, flags, u32, rights)
{
	return flags || rights & ~3U ? -EINVAL : -ENOSPC;
}

SYSCALL_DEFINE1(pkey_free, int, key)
{
	(void)key;
	return -EINVAL;
}

SYSCALL_DEFINE4(pkey_mprotect, u64, address, u64, length, int, prot, int, key)
{
	if (key != -1 || prot & ~(PROT_ALL | PROT_GROWSDOWN | PROT_GROWSUP))
		return -EINVAL;
	return mm_protect(current->mm, address, length, prot & PROT_ALL);
}

SYSCALL_DEFINE5(mremap, u64, address, u64, old_length, u64, new_length, int, flags, u64, new_address)
{
	return mm_remap(current->mm, address, old_length, new_length, flags, new_address);
}

SYSCALL_DEFINE3(madvise, u64, address, u64, length, int, advice)
{
	length = ALIGN_UP(length, PAGE_SIZE);
	if (address & ~PAGE_MASK || address + length < address)
		return -EINVAL;
	switch (advice) {
	case MADV_DONTNEED:
	case MADV_DONTNEED_LOCKED:
		return mm_discard(current->mm, address, length);
	case MADV_DONTFORK:
		return mm_mark(current->mm, address, length, AREA_NOT_COPIED, 0);
	case MADV_DOFORK:
		return mm_mark(current->mm, address, length, 0, AREA_NOT_COPIED);
	case MADV_WIPEONFORK:
		return mm_mark(current->mm, address, length, AREA_WIPED, 0);
	case MADV_KEEPONFORK:
		return mm_mark(current->mm, address, length, 0, AREA_WIPED);
	/* Hints about use that change nothing a program could see. */
	case MADV_NORMAL: case MADV_RANDOM: case MADV_SEQUENTIAL: case MADV_WILLNEED: case MADV_FREE:
	case MADV_HUGEPAGE: case MADV_NOHUGEPAGE: case MADV_DONTDUMP: case MADV_DODUMP: case MADV_COLD:
	case MADV_PAGEOUT: case MADV_MERGEABLE: case MADV_UNMERGEABLE: case MADV_COLLAPSE:
		return 0;
	default:
		return -EINVAL;
	}
}

SYSCALL_DEFINE3(mincore, u64, address, u64, length, u8 __user *, vector)
{
	if (address & ~PAGE_MASK)
		return -EINVAL;
	for (u64 at = address; at < address + length; at += PAGE_SIZE) {
		u8 resident = 1;
		if (!mm_area(current->mm, at))
			return -ENOMEM;
		if (copy_to_user(vector++, &resident, 1))
			return -EFAULT;
	}
	return 0;
}

SYSCALL_DEFINE3(msync, u64, address, u64, length, int, flags)
{
	if (address & ~PAGE_MASK || flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC))
		return -EINVAL;
	/* Shared mappings are the file's own pages: there is nothing to write back. */
	return length == 0 || mm_area(current->mm, address) ? 0 : -ENOMEM;
}

/* Memory is never swapped out: all of it is locked. */
SYSCALL_DEFINE2(mlock, u64, address, u64, length)
{
	return length == 0 || mm_area(current->mm, address) ? 0 : -ENOMEM;
}

SYSCALL_DEFINE3(mlock2, u64, address, u64, length, int, flags)
{
	return flags & ~1 ? -EINVAL : length == 0 || mm_area(current->mm, address) ? 0 : -ENOMEM;
}

SYSCALL_DEFINE2(munlock, u64, address, u64, length)
{
	return length == 0 || mm_area(current->mm, address) ? 0 : -ENOMEM;
}

SYSCALL_DEFINE1(mlockall, int, flags)
{
	return flags & ~7 || !flags ? -EINVAL : 0;
}

SYSCALL_DEFINE0(munlockall)
{
	return 0;
}

/* With one processor, the other threads passed a barrier when they left it. */
SYSCALL_DEFINE3(membarrier, int, command, u32, flags, int, cpu_id)
{
	const int supported = MEMBARRIER_CMD_GLOBAL | MEMBARRIER_CMD_GLOBAL_EXPEDITED |
	                      MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED | MEMBARRIER_CMD_PRIVATE_EXPEDITED |
	                      MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED;
	(void)cpu_id;
	if (command == MEMBARRIER_CMD_QUERY)
		return supported;
	return flags || !(command & supported) || command & (command - 1) ? -EINVAL : 0;
}
