/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sockets. All there are lead to other sockets of this machine, so that none has packets or a wire: what is sent is a message
 * in the receiver's queue, charged to the sender's buffer until it is read.
 *
 * A socket is referenced by its file, by its peer and by the messages it sent. When the file goes, the socket is closed: it gives
 * up its peer and its queue, so that these references cannot hold each other for ever.
 */
#ifndef SUBSTRATE_NET_SOCKET_H
#define SUBSTRATE_NET_SOCKET_H

#include <substrate/err.h>
#include <substrate/fs.h>
#include <substrate/list.h>
#include <substrate/sched.h>
#include <substrate/types.h>
#include <substrate/uaccess.h>
#include "abi.h"
#include "ports.h"

/* socket(7) and net.core.wmem_default, wmem_max, and Linux's SOCK_MIN_SNDBUF, SOCK_MIN_RCVBUF; bytes. */
#define BUFFER_DEFAULT 212992u
#define BUFFER_MAX (2 * 212992u)
#define SEND_BUFFER_MIN 4608u
#define RECEIVE_BUFFER_MIN 2304u

/* Datagrams that wait in one queue, from all who send there (net.unix.max_dgram_qlen as distributions set it). */
#define DATAGRAMS_MAX 512u

struct rights;
struct socket;
struct unix_name;
struct vsock_end;

/* A socket address as the program gives and gets it. */
struct address {
	u32 len;
	union {
		u16 family;
		u8 bytes[128]; /* struct sockaddr_storage */
	};
};

/* One call that sends or receives. */
struct transfer {
	struct iobuf *io;
	u32 flags; /* MSG_* of the caller; MSG_DONTWAIT for O_NONBLOCK as well */
	u32 told;  /* MSG_* for the caller */
	const struct address *to; /* NULL: none given */
	struct address *from;     /* NULL: nobody asks */
	struct rights *rights;    /* sending: the socket takes it and leaves NULL; receiving: the caller's */
	struct ucred credentials;
	bool has_credentials;
};

struct message {
	struct list link;
	struct socket *sender; /* held; its buffer is charged. NULL: the receiver's is */
	u32 charge;
	u32 capacity, length, consumed;
	struct rights *rights;
	struct ucred credentials;
	bool has_credentials;
	struct endpoint source;
	u8 data[];
};

struct socket_ops {
	long (*bind)(struct socket *s, const struct address *name);
	long (*connect)(struct socket *s, const struct address *to, u64 deadline);
	long (*listen)(struct socket *s);
	ssize_t (*send)(struct socket *s, struct transfer *t);
	ssize_t (*receive)(struct socket *s, struct transfer *t);
	long (*shutdown)(struct socket *s, u32 how);
	unsigned int (*poll)(struct socket *s, struct poll_table *table);
	long (*name)(const struct socket *s, bool peer, struct address *name);
	/* Its file went, or it never had one: nobody will use it but through references. */
	void (*close)(struct socket *s);
	/* The last reference went; NULL: nothing more to free. */
	void (*free)(struct socket *s);
	/* For streams: 0, or why nothing can be sent now: -EPIPE, …; DISCARD: bytes go nowhere. */
	long (*may_send)(struct socket *s);
	/* For streams: bytes have left the queue. NULL: nobody needs to know. */
	void (*consumed)(struct socket *s, size_t bytes);
	/* An accepted socket gets the memory that its family keeps for it. False: there is none. NULL: it keeps none. */
	bool (*equip)(struct socket *child, struct socket *listener);
	/* An accepted socket gets what it has from its listener and client. */
	void (*child)(struct socket *child, struct socket *listener, struct socket *client);
};
#define DISCARD 1

enum socket_state { SOCKET_UNCONNECTED, SOCKET_CONNECTING, SOCKET_LISTENING, SOCKET_CONNECTED };

/* struct socket.shut */
#define SHUT_RECEIVE 1u
#define SHUT_SEND 2u
#define SHUT_BOTH (SHUT_RECEIVE | SHUT_SEND)

struct socket {
	const struct socket_ops *ops;
	u32 refs;
	u16 family;
	u8 type;
	u16 protocol;
	enum socket_state state;
	u8 shut;
	bool dead;       /* closed */
	bool finished;   /* TCP: the peer sends no more, by its own will */
	bool unreported; /* TCP: connected or refused, but no connect(2) has said so yet */
	int error;       /* SO_ERROR, positive */
	struct file *file;   /* not held; NULL before accept and after close */
	struct socket *peer; /* held */
	struct wait_queue queue; /* whatever happens to this socket */

	struct list messages;
	u32 message_count;
	u64 queued; /* bytes to read */
	u32 send_used, send_limit, receive_used, receive_limit;
	struct wait_queue space;   /* others who wait for room in this one's queue */
	struct waiter space_relay; /* in the peer's `space`, for whoever waits here */

	/* Connections to come: to accept, and those for which there is no room yet. */
	struct list accept_queue, pending;
	struct list accept_link; /* in one of the two of a listener */
	u32 accept_count, backlog;

	struct ucred credentials, peer_credentials;
	bool pass_credentials, keep_alive, linger, broadcast, owns_send_limit;
	s32 linger_seconds, receive_low;
	u64 receive_timeout, send_timeout; /* ns; 0: none */
	s32 *options; /* of protocols, see options.c; NULL: all as at the start */

	/* Passed over a socket and not received yet: see rights.h. */
	u32 in_flight, outside;
	bool candidate;
	struct list in_flight_link, work_link;

	union {
		struct {
			struct unix_name *name; /* held */
			struct list bound_link;
			bool bound; /* this is the socket of that name */
		} unix_;
		struct port_user inet;
		struct vsock_end *vsock;
	};
};

/* ---- families.c ---- */

struct socket_family {
	u16 number;
	/* Completes a new socket whose type is known: ops, protocol. 0 or a negative errno. */
	long (*create)(struct socket *s, u32 protocol);
	/* NULL: no socketpair(2). */
	void (*pair)(struct socket *a, struct socket *b);
};
extern const struct socket_family unix_family, inet_family, inet6_family, vsock_family;

/* One reference, or ERR_PTR. */
struct socket *socket_create(u32 family, u32 type, u32 protocol);
const struct socket_family *socket_family(u32 number);

/* ---- socket.c ---- */

struct socket *socket_new(u32 family, u32 type);
struct socket *socket_get(struct socket *s);
void socket_put(struct socket *s);
/* Closes it and puts the reference: for one that has no file that would. */
void socket_discard(struct socket *s);
/* The file takes over the reference; ERR_PTR(-ENFILE), and the reference is the caller's. */
struct file *socket_file(struct socket *s, u32 flags);
struct socket *socket_of(const struct file *file); /* NULL: not a socket */
/* SO_ERROR, which is forgotten then: 0 or negative. */
long socket_take_error(struct socket *s);
void socket_fail(struct socket *s, int error);
/* The rest of what `close` does: peer, queue, connections to come. */
void socket_abandon(struct socket *s);
void socket_set_peer(struct socket *s, struct socket *peer);
struct ucred credentials_of_current(void);

/* When a wait ends: 0 for "do not wait". */
u64 receive_deadline(const struct socket *s, u32 flags);
u64 send_deadline(const struct socket *s, u32 flags);
/* 0 after a wake-up; -EAGAIN when there is no waiting (any longer); -ERESTARTSYS, or -EINTR with a timeout (socket(7)). */
long socket_sleep(struct wait_queue *q, u64 deadline);

/* ---- message.c ---- */

/* Room for `length` bytes or, when `at_least` is less, for fewer. NULL: no memory. `sender` NULL: nobody is charged. */
struct message *message_new(struct socket *sender, size_t length, size_t at_least);
void message_free(struct message *m);
void message_queue(struct socket *receiver, struct message *m);
struct message *message_first(struct socket *s);
struct message *message_next(struct socket *s, struct message *m);
/* Out of the queue, and freed. */
void message_drop(struct socket *s, struct message *m);
void messages_purge(struct socket *s);
static inline bool has_room(const struct socket *s) { return s->send_used < s->send_limit; }
/* Puts what goes with the bytes into the message, or takes it out for the caller. */
void message_attach(struct message *m, struct transfer *t, const struct socket *sender, const struct socket *receiver);
void message_detach(struct socket *s, struct message *m, struct transfer *t);

/* ---- stream.c ---- */

ssize_t stream_send(struct socket *s, struct transfer *t);
ssize_t stream_receive(struct socket *s, struct transfer *t);
/* Makes the server's end of a connection from `client` and has it wait to be accepted. 0 or -ENOMEM. */
long connection_make(struct socket *listener, struct socket *client);
/* The server's end alone, for a client that is not on this machine; `child` is not called. NULL: no memory. */
struct socket *connection_make_remote(struct socket *listener);
/* -EPIPE comes with a signal, unless the caller wants none. */
ssize_t stream_broken(const struct transfer *t, ssize_t error);
/* Nobody listens any more where this one waited to be connected. */
void connection_refused(struct socket *client);
static inline bool backlog_full(const struct socket *s) { return s->accept_count > s->backlog; }
/* The next connection, or ERR_PTR. */
struct socket *connection_accept(struct socket *listener, u64 deadline);

/* ---- datagram.c ---- */

/* A message with all the caller's bytes, or ERR_PTR. */
struct message *datagram_new(struct socket *charged, struct socket *sender, const struct socket *receiver, struct transfer *t);
ssize_t datagram_receive(struct socket *s, struct transfer *t);

/* ---- unix.c ---- */

void unix_source(const struct socket *sender, struct address *out);

/* ---- inet.c ---- */

void inet_source(const struct socket *receiver, const struct endpoint *source, struct address *out);
bool is_unix(const struct socket *s);

/* ---- vsock.c ---- */

long vsock_get_option(const struct socket *s, int name, void *value, size_t *length);
long vsock_set_option(struct socket *s, int name, const void __user *value, int length);

/* ---- options.c ---- */

long socket_get_option(struct socket *s, int level, int name, void __user *value, int __user *length);
long socket_set_option(struct socket *s, int level, int name, const void __user *value, int length);
long socket_ioctl(struct file *file, unsigned int cmd, u64 arg);

#endif
