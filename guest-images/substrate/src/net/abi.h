/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers of socket(2), recv(2), send(2), shutdown(2), unix(7) that the kernel's UAPI headers leave to the C library. */
#ifndef SUBSTRATE_NET_ABI_H
#define SUBSTRATE_NET_ABI_H

#include <asm/socket.h>
#include <linux/uio.h>
#include <substrate/types.h>

#define AF_UNSPEC 0
#define AF_UNIX 1
#define AF_INET 2
#define AF_INET6 10
#define AF_VSOCK 40
#define AF_MAX 46

#define SOCK_STREAM 1
#define SOCK_DGRAM 2
#define SOCK_RAW 3
#define SOCK_SEQPACKET 5
#define SOCK_MAX 11
#define SOCK_TYPE_MASK 0xf
#define SOCK_NONBLOCK 04000
#define SOCK_CLOEXEC 02000000

#define SHUT_RD 0
#define SHUT_WR 1
#define SHUT_RDWR 2

#define SOL_IP 0
#define SOL_TCP 6
#define SOL_UDP 17
#define SOL_IPV6 41

#define SOMAXCONN 4096

#define MSG_OOB 0x1
#define MSG_PEEK 0x2
#define MSG_DONTROUTE 0x4
#define MSG_CTRUNC 0x8
#define MSG_TRUNC 0x20
#define MSG_DONTWAIT 0x40
#define MSG_EOR 0x80
#define MSG_WAITALL 0x100
#define MSG_CONFIRM 0x800
#define MSG_ERRQUEUE 0x2000
#define MSG_NOSIGNAL 0x4000
#define MSG_MORE 0x8000
#define MSG_WAITFORONE 0x10000
#define MSG_FASTOPEN 0x20000000
#define MSG_CMSG_CLOEXEC 0x40000000

#define SCM_RIGHTS 1
#define SCM_CREDENTIALS 2
#define SCM_MAX_FD 253

/* vsock(7) */
#define VMADDR_CID_ANY (~0U)
#define VMADDR_CID_LOCAL 1u
#define VMADDR_CID_HOST 2u
#define VMADDR_PORT_ANY (~0U)
#define SO_VM_SOCKETS_BUFFER_SIZE 0
#define SO_VM_SOCKETS_BUFFER_MIN_SIZE 1
#define SO_VM_SOCKETS_BUFFER_MAX_SIZE 2
#define SO_VM_SOCKETS_CONNECT_TIMEOUT_OLD 6
#define SO_VM_SOCKETS_CONNECT_TIMEOUT_NEW 8
#define IOCTL_VM_SOCKETS_GET_LOCAL_CID 0x7b9

struct sockaddr_vm {
	u16 family, reserved;
	u32 port, cid;
	u8 flags, zero[3];
};

struct ucred {
	s32 pid;
	u32 uid, gid;
};

struct msghdr {
	void __user *name;
	s32 name_length;
	struct iovec __user *iov;
	u64 iov_count;
	void __user *control;
	u64 control_length;
	u32 flags;
};

struct mmsghdr {
	struct msghdr header;
	u32 length;
};

struct cmsghdr {
	u64 length; /* this header included */
	s32 level, type;
};

struct linger {
	s32 on, seconds;
};

#endif
