/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Contents of regular files. A page that was written is a frame of the file's own; one that was not is read from the image in
 * place, as far as lower_size reaches; the rest is zeroes. What own frames hold behind the end of the file is cleared before the file grows over it.
 */
#include <substrate/string.h>
#include "node.h"

#define LAST_PAGE (~0UL)

/* ---- what comes from the image ---- */

/* How many bytes of the page the image gives. */
static u64 lower_bytes(const struct node *node, u64 index)
{
	u64 start = index << PAGE_SHIFT;

	if (index > FILE_SIZE_MAX >> PAGE_SHIFT || start >= node->lower_size)
		return 0;
	return MIN(node->lower_size - start, PAGE_SIZE);
}

static const u8 *lower_page(const struct node *node, u64 index)
{
	u64 len;
	return erofs_data(&root_fs.image, &node->lower, index << PAGE_SHIFT, &len);
}

static bool all_zero(const u8 *bytes, u64 len)
{
	for (; len && ((u64)bytes & 7); len--)
		if (*bytes++)
			return false;
	for (; len >= 8; len -= 8, bytes += 8)
		if (*(const u64 *)bytes)
			return false;
	for (; len; len--)
		if (*bytes++)
			return false;
	return true;
}

/* The image's own frame for the page, when it may stand in for it: whole, and zero behind the end of the file. 0 otherwise. */
static paddr_t lower_frame(const struct node *node, u64 index)
{
	u64 valid = lower_bytes(node, index), offset;
	const u8 *page;

	if (valid == 0 || index >= node->lower.blocks)
		return 0;
	offset = node->lower.data + (index << PAGE_SHIFT);
	if (root_fs.image.size - offset < PAGE_SIZE)
		return 0;
	page = root_fs.image.image + offset;
	return all_zero(page + valid, PAGE_SIZE - valid) ? virt_to_phys(page) : 0;
}

/* Gives bytes from…to of a new frame what the file has there without it. */
static void fill(const struct node *node, u64 index, u8 *frame, u64 from, u64 to)
{
	u64 valid = pages_get(&node->pages, index) == PAGE_HOLE ? 0 : lower_bytes(node, index);

	if (from < valid) {
		u64 end = MIN(valid, to);
		memcpy(frame + from, lower_page(node, index) + from, end - from);
		from = end;
	}
	if (from < to)
		memset(frame + from, 0, to - from);
}

/* ---- own frames ---- */

static bool owned(paddr_t slot)
{
	return slot > PAGE_HOLE;
}

static bool no_room(void)
{
	return root_fs.frames >= root_fs.frames_max;
}

/* Adopts a frame as the page's, or gives it back. 0 or -ENOSPC. */
static long adopt(struct node *node, u64 index, paddr_t frame)
{
	if (pages_set(&node->pages, index, frame) < 0) {
		frame_put(frame);
		return -ENOSPC;
	}
	root_fs.frames++;
	return 0;
}

/* The page's own frame, made from what the file has there. 0 when there is no memory for it. */
static paddr_t own_frame(struct node *node, u64 index)
{
	paddr_t frame = pages_get(&node->pages, index);
	bool from_lower;

	if (owned(frame))
		return frame;
	from_lower = frame == 0 && lower_bytes(node, index) > 0;
	frame = frame_alloc(from_lower ? FRAME_ANY : FRAME_ZERO);
	if (!frame)
		return 0;
	if (from_lower)
		fill(node, index, phys_to_virt(frame), 0, PAGE_SIZE);
	return adopt(node, index, frame) < 0 ? 0 : frame;
}

static void erase(struct node *node, u64 first, u64 last)
{
	root_fs.frames -= pages_erase(&node->pages, first, last);
}

void data_free(struct node *node)
{
	erase(node, 0, LAST_PAGE);
}

/* ---- reading ---- */

ssize_t data_read(struct node *node, struct iobuf *io, u64 pos)
{
	size_t total = 0;

	node_accessed(node);
	while (io->left && pos < node->size) {
		u64 index = pos >> PAGE_SHIFT, in_page = pos & (PAGE_SIZE - 1);
		u64 n = MIN(MIN(PAGE_SIZE - in_page, node->size - pos), io->left), valid, moved;
		paddr_t frame = pages_get(&node->pages, index);

		valid = frame ? 0 : lower_bytes(node, index);
		if (owned(frame)) {
			moved = iobuf_copy_out(io, (const u8 *)phys_to_virt(frame) + in_page, n);
		} else if (in_page < valid) {
			n = MIN(n, valid - in_page);
			moved = iobuf_copy_out(io, lower_page(node, index) + in_page, n);
		} else {
			moved = iobuf_clear(io, n);
		}
		total += moved;
		pos += moved;
		if (moved < n)
			return total ? (ssize_t)total : -EFAULT;
	}
	return (ssize_t)total;
}

ssize_t node_read(struct node *node, void *buf, size_t len, u64 offset)
{
	struct iovec vec;
	struct iobuf io;

	if (!is_reg(node))
		return is_dir(node) ? -EISDIR : -EINVAL;
	if (node->ops && node->ops->file_ops)
		return -EINVAL;
	iobuf_init_kernel(&io, &vec, buf, len);
	return data_read(node, &io, offset);
}

/* ---- writing ---- */

/* Bytes behind the end may have been written through a mapping: they are zero before they become part of the file. */
static void clear_behind_end(struct node *node)
{
	u64 in_page = node->size & (PAGE_SIZE - 1);
	paddr_t frame = pages_get(&node->pages, node->size >> PAGE_SHIFT);

	if (in_page && owned(frame))
		memset((u8 *)phys_to_virt(frame) + in_page, 0, PAGE_SIZE - in_page);
}

/* Writes into a page that has no frame yet: the rest of it is filled in after what the caller gave, so nothing is copied twice. */
static ssize_t write_new_page(struct node *node, struct iobuf *io, u64 index, u64 in_page, u64 n)
{
	paddr_t frame = no_room() ? 0 : frame_alloc(FRAME_ANY), other;
	u8 *bytes;
	u64 moved;

	if (!frame)
		return -ENOSPC;
	bytes = phys_to_virt(frame);
	moved = iobuf_copy_in(io, bytes + in_page, n);
	if (moved == 0) {
		frame_put(frame);
		return -EFAULT;
	}
	other = pages_get(&node->pages, index);
	if (owned(other)) {
		/* The source was a mapping of this very page, and reading it brought the page in. */
		memcpy((u8 *)phys_to_virt(other) + in_page, bytes + in_page, moved);
		frame_put(frame);
		return (ssize_t)moved;
	}
	fill(node, index, bytes, 0, in_page);
	fill(node, index, bytes, in_page + moved, PAGE_SIZE);
	return adopt(node, index, frame) < 0 ? -ENOSPC : (ssize_t)moved;
}

static ssize_t write_page(struct node *node, struct iobuf *io, u64 index, u64 in_page, u64 n)
{
	paddr_t frame = pages_get(&node->pages, index);
	u64 moved;

	if (!owned(frame))
		return write_new_page(node, io, index, in_page, n);
	moved = iobuf_copy_in(io, (u8 *)phys_to_virt(frame) + in_page, n);
	return moved ? (ssize_t)moved : -EFAULT;
}

ssize_t data_write(struct node *node, struct iobuf *io, u64 pos)
{
	ssize_t total = 0;

	if (io->left == 0)
		return 0;
	if (node->seals & F_SEAL_WRITE)
		return -EPERM;
	if ((node->seals & F_SEAL_GROW) && pos + io->left > node->size) {
		if (pos >= node->size)
			return -EPERM;
		io->left = node->size - pos;
	}
	if (pos >= FILE_SIZE_MAX)
		return -EFBIG;
	if (pos > node->size)
		clear_behind_end(node);
	while (io->left) {
		u64 in_page = pos & (PAGE_SIZE - 1), n = MIN(PAGE_SIZE - in_page, io->left);
		ssize_t moved;

		n = MIN(n, FILE_SIZE_MAX - pos);
		if (n == 0)
			break;
		moved = write_page(node, io, pos >> PAGE_SHIFT, in_page, n);
		if (moved < 0) {
			if (total == 0)
				return moved;
			break;
		}
		total += moved;
		pos += (u64)moved;
		node->size = MAX(node->size, pos);
		if ((u64)moved < n)
			break;
	}
	node_changed(node);
	return total;
}

long data_truncate(struct node *node, u64 size)
{
	if (size > FILE_SIZE_MAX)
		return -EFBIG;
	if ((size < node->size && (node->seals & F_SEAL_SHRINK)) || (size > node->size && (node->seals & F_SEAL_GROW)))
		return -EPERM;
	if (size < node->size) {
		erase(node, ALIGN_UP(size, PAGE_SIZE) >> PAGE_SHIFT, LAST_PAGE);
		node->lower_size = MIN(node->lower_size, size);
		node->size = size;
		clear_behind_end(node);
	} else if (size > node->size) {
		clear_behind_end(node);
		node->size = size;
	}
	node_changed(node);
	return 0;
}

/* Is there memory for the page already, its own or the image's? */
static bool has_page(const struct node *node, u64 index)
{
	paddr_t frame = pages_get(&node->pages, index);

	return owned(frame) || (frame != PAGE_HOLE && lower_frame(node, index));
}

long data_allocate(struct node *node, u64 offset, u64 len, bool keep_size)
{
	u64 end = offset + len, last = (end - 1) >> PAGE_SHIFT, needed = 0;

	if ((node->seals & F_SEAL_GROW) && !keep_size && end > node->size)
		return -EPERM;
	if (last - (offset >> PAGE_SHIFT) >= root_fs.frames_max)
		return -ENOSPC;
	/* Nothing is taken unless all of it can be had. */
	for (u64 index = offset >> PAGE_SHIFT; index <= last; index++)
		needed += !has_page(node, index);
	if (needed > root_fs.frames_max - MIN(root_fs.frames, root_fs.frames_max) || needed > frames_available())
		return -ENOSPC;
	for (u64 index = offset >> PAGE_SHIFT; needed && index <= last; index++)
		if (!has_page(node, index) && !own_frame(node, index))
			return -ENOSPC;
	if (!keep_size && end > node->size) {
		clear_behind_end(node);
		node->size = end;
	}
	node_changed(node);
	return 0;
}

/* Zeroes part of one page. */
static long clear_part(struct node *node, u64 index, u64 from, u64 to)
{
	paddr_t frame = pages_get(&node->pages, index);

	if (!owned(frame)) {
		if (frame == PAGE_HOLE || lower_bytes(node, index) <= from)
			return 0;
		frame = own_frame(node, index);
		if (!frame)
			return -ENOSPC;
	}
	memset((u8 *)phys_to_virt(frame) + from, 0, to - from);
	return 0;
}

/*
 * Makes the range read as zeroes. `into_hole` frees whole pages; else their frames are kept (FALLOC_FL_ZERO_RANGE).
 */
long data_punch(struct node *node, u64 offset, u64 len, bool into_hole)
{
	u64 end = offset + len, first = ALIGN_UP(offset, PAGE_SIZE) >> PAGE_SHIFT, after = end >> PAGE_SHIFT;
	u64 lower_pages = ALIGN_UP(node->lower_size, PAGE_SIZE) >> PAGE_SHIFT;
	long error = 0;

	if (node->seals & F_SEAL_WRITE)
		return -EPERM;
	if (offset >> PAGE_SHIFT == end >> PAGE_SHIFT) {
		error = clear_part(node, offset >> PAGE_SHIFT, offset & (PAGE_SIZE - 1), end & (PAGE_SIZE - 1));
		node_changed(node);
		return error;
	}
	if (offset & (PAGE_SIZE - 1))
		error = clear_part(node, offset >> PAGE_SHIFT, offset & (PAGE_SIZE - 1), PAGE_SIZE);
	if (error == 0 && (end & (PAGE_SIZE - 1)))
		error = clear_part(node, after, 0, end & (PAGE_SIZE - 1));
	if (error == 0 && first < after) {
		erase(node, first, after - 1);
		for (u64 index = first; error == 0 && index < MIN(after, lower_pages); index++)
			error = pages_set(&node->pages, index, PAGE_HOLE) < 0 ? -ENOSPC : 0;
		if (error == 0 && !into_hole)
			error = data_allocate(node, first << PAGE_SHIFT, (after - first) << PAGE_SHIFT, true);
	}
	node_changed(node);
	return error;
}

/* ---- where there is data ---- */

/* The first page ≥ index that has data, own or the image's. */
static bool next_data_page(const struct node *node, u64 index, u64 *found)
{
	u64 lower_pages = ALIGN_UP(node->lower_size, PAGE_SIZE) >> PAGE_SHIFT;

	for (; index < lower_pages; index++) {
		if (pages_get(&node->pages, index) != PAGE_HOLE) {
			*found = index;
			return true;
		}
	}
	return pages_next(&node->pages, index, found);
}

s64 data_seek(struct node *node, u64 offset, bool hole)
{
	u64 index = offset >> PAGE_SHIFT, last = (node->size - 1) >> PAGE_SHIFT, found;

	if (offset >= node->size)
		return -ENXIO;
	if (!hole) {
		if (!next_data_page(node, index, &found) || found > last)
			return -ENXIO;
		return (s64)MAX(offset, found << PAGE_SHIFT);
	}
	while (index <= last && next_data_page(node, index, &found) && found == index)
		index++;
	return (s64)MAX(offset, MIN(index << PAGE_SHIFT, node->size));
}

u64 data_blocks(const struct node *node)
{
	u64 lower_pages = ALIGN_UP(node->lower_size, PAGE_SIZE) >> PAGE_SHIFT;
	return MAX(lower_pages, node->pages.count) * (PAGE_SIZE / 512);
}

/* ---- mappings ---- */

long node_frame(struct node *node, u64 index, bool write, paddr_t *frame)
{
	if (!is_reg(node) || (node->ops && node->ops->file_ops))
		return -ENODEV;
	if (node->size == 0 || index > (node->size - 1) >> PAGE_SHIFT)
		return -ENXIO;
	*frame = pages_get(&node->pages, index);
	if (!owned(*frame)) {
		paddr_t slot = *frame;
		*frame = write || slot == PAGE_HOLE ? 0 : lower_frame(node, index);
		if (!*frame) {
			/* What only has to be readable is not turned away: programs start on a full file system too. */
			if ((write || lower_bytes(node, index) == 0) && no_room())
				return -ENOMEM;
			*frame = own_frame(node, index);
			if (!*frame)
				return -ENOMEM;
		}
	}
	if (write)
		node_changed(node);
	frame_get(*frame);
	return 0;
}

/* ---- open files ---- */

static ssize_t regular_read(struct file *file, struct iobuf *io, u64 pos)
{
	return data_read(file->node, io, pos);
}

static ssize_t regular_write(struct file *file, struct iobuf *io, u64 pos)
{
	return data_write(file->node, io, pos);
}

const struct file_ops regular_file_ops = { .read = regular_read, .write = regular_write };
