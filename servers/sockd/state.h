/*
 * The states of sockd's core and the relations between its queues. Read this first.
 * SPDX-License-Identifier: MIT
 *
 * OBJECTS. Every badge names one `struct object`: a socket, a pipe end, an event counter, an epoll
 * instance, an open /proc/net/unix, a name or a session. An object is
 *   held      while a copy of its gate exists outside (`open`), or a set of rights names it
 *             (`in_flight` > 0), or, an embryo, while its listener's accept queue holds it;
 *   released  from the moment nothing holds it: it has left every queue and told its peer, and can
 *             no more be found;
 *   freed     when, besides, no other object or message points at it (`refs`).
 * `open` is set when a reply carries the gate and cleared by the closed message; the kernel takes a
 * gate off its closed queue when it is copied again, so both are true when they are handled.
 * Objects to release are put on a list and released between requests, one after the other: no chain
 * of descriptors in flight can recurse.
 *
 * SOCKETS. `state` is CLOSED (fresh; an unconnected datagram socket), LISTENING or CONNECTED.
 *   CLOSED --listen--> LISTENING     STREAM, SEQPACKET, with a name
 *   CLOSED --connect--> CONNECTED    its peer is an embryo, which is CONNECTED from birth
 *   embryo --accept--> descriptor    it leaves the accept queue and gets a badge
 *   any --release--> `dead`
 * For STREAM and SEQPACKET `peer` is mutual and, once set, stays set: a peer that died is `dead`
 * but keeps its name. For DGRAM `peer` is one-sided: A.peer == B says nothing of B.peer; it is
 * cleared when a send finds the peer dead. `shutdown` has SHUT_RECEIVE and SHUT_SEND; a STREAM or
 * SEQPACKET peer always gets the mirrored bits, and both when this end dies. `error` is the
 * pending error (ECONNRESET), reported once.
 *
 * QUEUES. A message stands in exactly one receive queue and is charged to its sender's `charged`
 * until it is freed; it keeps its sender alive (as memory), whose name is reported at the time of
 * reading. A LISTENING socket has an accept queue of embryos instead of messages; embryos already
 * collect messages. `room` is the list of those who wait for room in a receive or accept queue that
 * is limited by count; `object.waiters` is for everything else.
 *
 * RIGHTS. A `struct rights` is one set of descriptors: on a session's stage, in a message, or
 * claimed by a session; shared (`refs`) between a message and a claim after MSG_PEEK. Own
 * objects in it are counted in `in_flight`, other servers' gates are slots that it owns.
 *
 * NAMES. A name object is the gate that filed keeps in a socket's node: name->target is the bound
 * socket, NULL when that died (connecting then is refused); the name lives as long as the node, the
 * socket as long as its descriptors.
 */
#ifndef SOCKD_STATE_H
#define SOCKD_STATE_H

#include "linux_values.h"
#include "sockd.h"
#include <ipc/session.h>
#include <posix_abi.h>
#include <proto/io.h>
#include <proto/sock.h>

enum object_kind {
    OBJECT_SOCKET,
    OBJECT_PIPE_END,
    OBJECT_EVENT,
    OBJECT_EPOLL,
    OBJECT_TABLE,
    OBJECT_NAME,
    OBJECT_SESSION
};

/* What one real uid has here. Lives while `refs` (its accounts). */
struct user {
    struct user *next;
    uint32_t uid;
    unsigned refs, objects, in_flight; /* in_flight: descriptors */
    unsigned staged; /* of them: in no message yet, which ETOOMANYREFS does not count */
    unsigned interests;                /* in its epoll instances */
    uint64_t queued;                   /* bytes charged */
};

/* What one process pays for (account.c). Lives while `refs` (objects, messages, rights, pipes). */
struct account {
    struct user *user;
    uint32_t index, pid; /* of the process: its place in sockd.accounts, and who it is */
    unsigned refs, objects, in_flight, messages, interests;
    uint64_t queued;
};

/* Memory is counted: test_sockd_memory.c says what a pair of sockets may take. */
struct object {
    enum object_kind kind : 8;
    bool open, queued_for_release, released;
    bool orphan; /* a socket that only rights hold: what a cycle is made of */
    bool marked; /* reclaim.c */
    unsigned in_flight, refs;
    uint64_t badge; /* 0: none yet (embryo) */
    uint64_t ino, sequence;
    uint32_t flags; /* O_* status flags and access mode */
    uint32_t mode, uid, gid;
    struct account *account; /* charged */
    struct waiters waiters;
    struct ring *watchers;          /* interests of epoll instances: epoll.h */
    struct object *next, *previous; /* all objects */
    struct object *release_next;
    union { /* reclaim.c: while it marks; afterwards */
        struct object *mark_next;
        struct vertex *vertex;
    };
};

/* One on its way in or out. */
struct address {
    uint16_t length; /* of struct sockaddr_un; 0: unnamed */
    uint8_t bytes[LX_SUN_MAX + 1];
};

/* One that is kept: a listener and all that it accepted share it. */
struct bound_address {
    uint32_t refs;
    uint16_t length;
    uint8_t bytes[];
};

/* One capability in flight. */
struct right {
    struct object *object; /* own object, or NULL: then */
    uint64_t slot;         /* another server's gate; 0 once it has been handed over */
};

struct rights {
    unsigned refs, count;
    struct account *account; /* charged */
    struct rights *doomed_next;
    struct right list[];
};

/* Never changed once made, so sockets share it. */
struct peer_credentials {
    uint32_t refs, pid, serial, uid, gid, group_count;
    uint32_t groups[];
};

struct message {
    struct message *next;
    struct socket *sender;   /* a ref */
    struct account *account; /* charged: of the process that sent it */
    uint32_t length, consumed, charge;
    bool peeked;
    uint32_t pid, uid, gid; /* of SCM_CREDENTIALS: 0, 65534, 65534 when nobody asked for any at the
                               time of sending */
    uint32_t serial;        /* which process with that pid (struct credentials) */
    struct rights *rights;
    uint8_t data[];
};

enum socket_state { SOCKET_CLOSED, SOCKET_LISTENING, SOCKET_CONNECTED };
enum { SHUT_RECEIVE = 1, SHUT_SEND = 2, SHUT_BOTH = 3 };

/* Options that are a flag and nothing else: bit n of socket.option_flags is option n (all are below
 * 63; SO_PASSPIDFD has bit 63). */
#define OPTION_BIT(option) (1ull << ((option) == LX_SO_PASSPIDFD ? 63 : (option)))
/* Either of the options that have data carry who sent them. */
#define OPTIONS_SENDER (OPTION_BIT(LX_SO_PASSCRED) | OPTION_BIT(LX_SO_PASSPIDFD))

/* Options that hardly anybody sets; made when one is. */
/* Who is told by signals: F_SETOWN, F_SETSIG, O_ASYNC. */
struct owner {
    uint32_t target, id; /* enum signal_target; 0: nobody */
    uint32_t uid, euid;  /* of whoever set it */
    uint32_t signal;     /* in SIGIO's place; 0: SIGIO */
    int32_t fd;          /* the descriptor by which O_ASYNC was set, for siginfo */
    bool no_space;       /* a sender found none: SIGIO when there is some */
};

#define TIMEOUT_AT_ONCE UINT64_MAX /* a negative SO_RCVTIMEO or SO_SNDTIMEO: no call waits */
struct rare_options {
    int priority, mark, linger_on, linger_seconds;
    uint64_t rcvtimeo_us, sndtimeo_us; /* 0: none; TIMEOUT_AT_ONCE */
    struct owner owner;
};

struct socket {
    struct object object;
    struct socket *peer; /* a ref */
    uint8_t type;
    enum socket_state state : 8;
    uint8_t shutdown;
    bool dead;
    bool abstract; /* in the registry of abstract names */
    bool shown_connected;    /* DGRAM, for /proc/net/unix: as Linux's sk_state, also after being
                                connected to */
    bool had_low_water;      /* SO_RCVLOWAT was above 1 at some time */
    enum status error;
    unsigned datagram_peers; /* DGRAM: sockets whose peer this is */
    /* name */
    struct bound_address *address; /* NULL: unnamed */
    struct socket *abstract_next;
    struct name *name, *pending_name; /* not refs: the name clears them */
    /* receive queue */
    struct message *first, *last;
    struct message *oob; /* STREAM: of one byte, behind the out-of-band mark; NULL: no mark */
    unsigned message_count, rights_count; /* rights_count: messages that carry rights */
    uint64_t unread;                      /* bytes */
    /* accept queue */
    struct socket *accept_first, *accept_last, *accept_next;
    struct socket *listener; /* an embryo's; not a ref */
    unsigned accept_count, backlog;
    struct waiters room;
    struct ring *relays; /* of sockets that found this one's queue full: poll.c */
    struct relay *relay; /* this one's, at the socket that it found full */
    /* sending */
    uint64_t charged; /* bytes of its messages in other queues, as Linux accounts them */
    int sndbuf, rcvbuf;
    /* options */
    struct peer_credentials *peer_credentials; /* NULL: not known */
    uint64_t option_flags;
    int rcvlowat, peek_offset;
    struct rare_options *rare; /* NULL: all 0 */
};

struct name {
    struct object object;
    struct socket *target;         /* not a ref: the socket clears it */
    struct bound_address *address; /* until bind_commit takes it over */
    bool committed;
};

struct session_object {
    struct object object;
    uint32_t thread;
    struct rights *stage; /* room for SOCK_MAX_RIGHTS, made on first use */
    struct rights *claim;
    unsigned claim_next, claim_end;
    /* Of its thread's datagram that waits (dgram.c): who sends it, a ref; NULL: none waits. */
    struct socket *sending;
    struct socket *destination; /* a ref; NULL: its address will tell */
    uint64_t length;            /* what was admitted: another length is another datagram */
    bool has_memory;            /* it waits for room at the destination and nothing else */
    uint32_t charge;            /* for that memory */
    /* Of its thread's read that waits on a STREAM: `ino` of the socket, and SO_RCVLOWAT as it was then. */
    int low_water;
    uint64_t reading;
    /* Of its thread's send that waits on a STREAM: `ino` of the socket, 0: none, and the size of the chunk. */
    uint64_t writing;
    uint32_t chunk;
};

#define PIPE_PAGES 16u
#define PIPE_BYTES (PIPE_PAGES * LX_PAGE)
struct pipe_page {
    uint8_t *bytes;
    struct account *account; /* charged: of the process that filled it */
    uint32_t offset, length;
    bool packet;
};
struct pipe {
    struct pipe_end *reader, *writer; /* NULL once closed */
    unsigned first, count; /* of the ring */
    struct pipe_page pages[PIPE_PAGES];
};
struct pipe_end {
    struct object object;
    struct pipe *pipe;
    bool writes;
    uint8_t lock; /* flock(2): 0 none, 1 shared, 2 exclusive */
};

struct event { /* eventfd */
    struct object object;
    uint64_t value;
    bool semaphore;
};

/* badge -> object: a pointer, or of a free one next << 1 | 1, where next is index + 1 of the next
 * free one. A badge is free again when its object is released, which is after its closed message.
 */
struct handle {
    uintptr_t word;
};

#define ABSTRACT_BUCKETS 1024u
struct sockd {
    const struct credentials *credentials;
    struct sockd_limits limits;
    sockd_trace *trace; /* NULL: nobody listens */
    bool general;       /* nothing takes the straight way: for a test that compares the two */
    sockd_signal *signal; /* NULL: nobody sends them */
    struct session_table sessions;
    struct ipc_effects *effects; /* of the entry in progress; every entry sets it first */
    struct object *target;       /* the object that this request's badge names, or NULL */
    struct handle *handles;      /* [badge - BADGE_OBJECTS] */
    uint32_t handle_capacity,
        handle_free; /* handle_free: index + 1 of the first free one, 0: none */
    struct object *objects, *release_first, *release_last;
    unsigned object_count, socket_count, orphan_count;
    bool reclaim_wanted;
    uint64_t queued, messages, in_flight, next_ino;
    uint32_t next_autobind;
    struct user *users;
    struct account *accounts[CREDENTIALS_MAX]; /* by PRINCIPAL_PROCESS; not refs */
    bool work_left;         /* there may be something in the next or in `doomed` */
    struct epoll *draining; /* ended, with interests left */
    uint64_t walk, next_foreign, interests;
    unsigned walk_left;
    unsigned kept_rights;  /* stages and claims that sessions have */
    struct rights *doomed; /* rights whose slots did not fit into the effects yet */
    struct peer_credentials *recent_credentials; /* the last made; not a ref */
    struct socket *abstract[ABSTRACT_BUCKETS];
};

#endif
