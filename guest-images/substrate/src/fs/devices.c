/* SPDX-License-Identifier: Apache-2.0 */
/* The tree of /dev: numbers as in Linux's Documentation/admin-guide/devices.txt. */
#include <asm/poll.h>
#include <substrate/block.h>
#include <substrate/mm.h>
#include <substrate/random.h>
#include <substrate/string.h>
#include <substrate/tty.h>
#include "../net/abi.h"
#include "../virtio/rng.h"
#include "../virtio/vsock.h"
#include "node.h"

#define MEM_MAJOR 1
#define MISC_MAJOR 10
#define HWRNG_MINOR 183
#define VSOCK_MINOR 122 /* dynamic on Linux */

/* Two part encoding of st_rdev: new_encode_dev. Small numbers: major in bits 8…19, minor in 0…7. */
#define DEVICE(major, minor) ((major) << 8 | (minor))

static ssize_t read_nothing(struct file *file, struct iobuf *io, u64 pos)
{
	(void)file, (void)io, (void)pos;
	return 0;
}

static ssize_t read_zero(struct file *file, struct iobuf *io, u64 pos)
{
	size_t wanted = io->left, cleared = iobuf_clear(io, wanted);

	(void)file, (void)pos;
	return cleared || !wanted ? (ssize_t)cleared : -EFAULT;
}

static ssize_t write_discard(struct file *file, struct iobuf *io, u64 pos)
{
	(void)file, (void)pos;
	return (ssize_t)io->left;
}

static ssize_t write_full(struct file *file, struct iobuf *io, u64 pos)
{
	(void)file, (void)io, (void)pos;
	return -ENOSPC;
}

static ssize_t read_random(struct file *file, struct iobuf *io, u64 pos)
{
	u8 bytes[256];
	size_t total = 0;

	(void)file, (void)pos;
	while (io->left) {
		size_t n = MIN(io->left, sizeof(bytes)), moved;
		random_bytes(bytes, n);
		moved = iobuf_copy_out(io, bytes, n);
		total += moved;
		if (moved < n)
			break;
	}
	memset(bytes, 0, sizeof(bytes));
	return total || !io->left ? (ssize_t)total : -EFAULT;
}

/* What is written is taken as seed, never as entropy. */
static ssize_t write_random(struct file *file, struct iobuf *io, u64 pos)
{
	u8 bytes[64];
	size_t total = 0;

	(void)file, (void)pos;
	while (io->left) {
		size_t n = MIN(io->left, sizeof(bytes)), moved = iobuf_copy_in(io, bytes, n);
		random_reseed(bytes, moved);
		total += moved;
		if (moved < n)
			break;
	}
	return total || !io->left ? (ssize_t)total : -EFAULT;
}

static ssize_t read_hwrng(struct file *file, struct iobuf *io, u64 pos)
{
	size_t total = 0;

	(void)file, (void)pos;
	while (io->left) {
		ssize_t n = virtio_rng_read(io);
		if (n < 0)
			return total ? (ssize_t)total : n;
		total += (size_t)n;
	}
	return (ssize_t)total;
}

static long vsock_ioctl(struct file *file, unsigned int cmd, u64 arg)
{
	u32 cid = virtio_vsock_cid();

	(void)file;
	if (cmd != IOCTL_VM_SOCKETS_GET_LOCAL_CID)
		return -ENOTTY;
	cid = cid ? cid : VMADDR_CID_LOCAL;
	return copy_to_user((void __user *)arg, &cid, sizeof(cid)) ? -EFAULT : 0;
}

static const struct file_ops null_ops = { .read = read_nothing, .write = write_discard };
static const struct file_ops zero_ops = { .read = read_zero, .write = write_discard };
static const struct file_ops full_ops = { .read = read_zero, .write = write_full };
static const struct file_ops random_ops = { .read = read_random, .write = write_random };
static const struct file_ops hwrng_ops = { .read = read_hwrng };
static const struct file_ops vsock_ops = { .ioctl = vsock_ioctl };

const struct file_ops *device_ops(const struct node *node)
{
	if (is_disk(node))
		return disk_of_device(node->device) < 0 ? NULL : &disk_file_ops;
	if ((node->mode & S_IFMT) != S_IFCHR)
		return NULL;
	switch (node->device) {
	case DEVICE(MEM_MAJOR, 3):
		return &null_ops;
	case DEVICE(MEM_MAJOR, 5):
		return &zero_ops;
	case DEVICE(MEM_MAJOR, 7):
		return &full_ops;
	case DEVICE(MEM_MAJOR, 8):
	case DEVICE(MEM_MAJOR, 9):
		return &random_ops;
	case DEVICE(MISC_MAJOR, HWRNG_MINOR):
		return virtio_rng_present() ? &hwrng_ops : NULL;
	case DEVICE(MISC_MAJOR, VSOCK_MINOR):
		return &vsock_ops;
	default:
		return NULL;
	}
}

static bool is_there(struct node *dir, const char *name)
{
	struct node *node = tree_lookup(dir, name, (u32)strlen(name));

	if (IS_ERR(node))
		return false;
	node_put(node);
	return true;
}

/* Memory may have run out halfway the last time: what was added then stays. */
static long add(struct node *dir, const char *name, struct node *node)
{
	long error = 0;

	if (!node)
		return -ENOMEM;
	if (!is_there(dir, name))
		error = tree_insert(dir, name, (u32)strlen(name), node);
	node_put(node);
	return error;
}

static struct node *device(u32 mode, u32 number)
{
	struct node *node = node_new(FS_DEV, mode);

	if (node)
		node->device = number;
	return node;
}

/* vda, vdb, … as Linux names them. */
static long add_disks(struct node *dev)
{
	long error = 0;

	for (u32 disk = 0; error == 0 && disk < block_disks(); disk++) {
		char name[] = { 'v', 'd', (char)('a' + disk), 0 };
		error = add(dev, name, device(S_IFBLK | 0660, disk_device(disk)));
	}
	return error;
}

static struct node *directory(enum fs_id fs, u32 mode)
{
	struct node *node = node_new(fs, S_IFDIR | mode);

	if (node)
		node->mount = true;
	return node;
}

static struct node *pts_directory(void)
{
	static const struct node_ops ops = { .lookup = pts_lookup, .readdir = pts_readdir };
	struct node *node = directory(FS_PTS, 0755);

	if (node)
		node->ops = &ops;
	return node;
}

static void make_roots(struct node *node)
{
	struct entry *e;

	list_for_each(e, &node->dir.entries, link)
		e->node->uid = e->node->gid = 0;
}

/* Made when somebody first looks: many programs never do. */
static long dev_populate(struct node *dev)
{
	static const struct { const char *name; u32 number; } devices[] = {
		{ "null", DEVICE(MEM_MAJOR, 3) },	{ "zero", DEVICE(MEM_MAJOR, 5) },
		{ "full", DEVICE(MEM_MAJOR, 7) },	{ "random", DEVICE(MEM_MAJOR, 8) },
		{ "urandom", DEVICE(MEM_MAJOR, 9) },	{ "tty", DEVICE(TTYAUX_MAJOR, 0) },
		{ "ptmx", DEVICE(TTYAUX_MAJOR, 2) },	{ "vsock", DEVICE(MISC_MAJOR, VSOCK_MINOR) },
	};
	static const struct { const char *name, *target; } links[] = {
		{ "fd", "/proc/self/fd" },
		{ "stdin", "/proc/self/fd/0" },
		{ "stdout", "/proc/self/fd/1" },
		{ "stderr", "/proc/self/fd/2" },
	};
	long error = 0;

	for (u32 i = 0; error == 0 && i < ARRAY_SIZE(devices); i++)
		error = add(dev, devices[i].name, device(S_IFCHR | 0666, devices[i].number));
	for (u32 i = 0; error == 0 && i < ARRAY_SIZE(links); i++)
		error = add(dev, links[i].name, node_new_link(FS_DEV, links[i].target));
	if (error == 0 && virtio_rng_present())
		error = add(dev, "hwrng", device(S_IFCHR | 0600, DEVICE(MISC_MAJOR, HWRNG_MINOR)));
	if (error == 0)
		error = add_disks(dev);
	if (error == 0)
		error = add(dev, "shm", directory(FS_SHM, S_ISVTX | 0777));
	if (error == 0)
		error = add(dev, "pts", pts_directory());
	make_roots(dev);
	return error;
}

static const struct node_ops dev_ops = { .populate = dev_populate };

struct node *dev_new(void)
{
	struct node *dev = node_new(FS_DEV, S_IFDIR | 0755);

	if (dev)
		dev->ops = &dev_ops;
	return dev;
}
