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
#ifndef SOCKD_CORE_H
#define SOCKD_CORE_H

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

/* ---- object.c: life and death ---------------------------------------------------------------- */

/* A zeroed object of `size` bytes owned by the caller's user; ST_NFILE, ST_NOMEM. Not yet open, no
 * badge. */
enum status object_create(struct sockd *sockd, enum object_kind kind, size_t size,
                          uint64_t principal, void *out);
/* Undo object_create for one that nothing refers to yet. */
void object_discard(struct sockd *sockd, struct object *object);
/* Give it a badge (ST_NFILE, ST_NOMEM) / put its gate into the reply and mark it open. */
enum status object_name_badge(struct sockd *sockd, struct object *object);
void object_reply(struct sockd *sockd, struct ipc_call *call, struct object *object);
struct ipc_reply_cap object_in_reply(struct sockd *sockd, struct object *object);
static inline struct object *object_find(const struct sockd *sockd, uint64_t badge)
{
    uint64_t index = badge - BADGE_OBJECTS; /* of a smaller one: large */
    if (index >= sockd->handle_capacity)
        return NULL;
    uintptr_t word = sockd->handles[index].word;
    return word & 1 ? NULL : (struct object *)word;
}
/* The socket that this request was sent to: ST_NOTSOCK, ST_BADF. */
enum status socket_of_call(const struct sockd *sockd, struct socket **socket);
/* An object that is a place in the list of all objects: change places with the next one, which is
 * the answer (NULL: it was the last); go to the front. */
struct object *object_step(struct sockd *sockd, struct object *object);
void object_rewind(struct sockd *sockd, struct object *object);
void object_free(struct sockd *sockd, struct object *object); /* its last ref is gone */
static inline void object_ref(struct object *object)
{
    object->refs++;
}
static inline void object_unref(struct sockd *sockd, struct object *object)
{
    if (--object->refs == 0)
        object_free(sockd, object);
}
void object_fly(struct sockd *sockd, struct object *object);
void object_land(struct sockd *sockd, struct object *object);
/* Put it on the release list if nothing holds it. */
void object_settle(struct sockd *sockd, struct object *object);
void object_release_later(struct sockd *sockd, struct object *object);
/* Release everything that is due. Called at the end of every entry, never inside a handler. */
void objects_reap(struct sockd *sockd);
void object_wake_waiters(struct sockd *sockd, struct object *object, uint32_t events);
void object_wake_watchers(struct sockd *sockd, struct object *object, uint32_t events); /* epoll.c */
/* Readiness changed: wake waiters for these poll bits, count a new event. Mostly nobody is there. */
static inline void object_wake(struct sockd *sockd, struct object *object, uint32_t events)
{
    object->sequence++;
    if (object->waiters.first)
        object_wake_waiters(sockd, object, events);
    if (object->watchers)
        object_wake_watchers(sockd, object, events);
}
#define WAKE_ALL UINT32_MAX
#define WAKE_FORESEEN (1u << 30) /* no poll bit: a read that was thought to wait would not any more */
#define WAKE_READ (LX_POLLIN | LX_POLLRDNORM)
#define WAKE_ARRIVED (WAKE_READ | LX_POLLPRI | LX_POLLRDBAND) /* data, perhaps out of band */
#define WAKE_WRITE (LX_POLLOUT | LX_POLLWRNORM | LX_POLLWRBAND)
/* Who waits because sndbuf is used up. Linux has one queue for all who wait at a socket: whatever comes
 * in wakes senders as well, who go on if there is any room, not only when a quarter is left. */
#define WAKE_SENDER (WAKE_WRITE | WAKE_ARRIVED)
/* Answer for a call that cannot go on: ST_AGAIN when it must not block, else arm and ST_WAIT
 * (ST_SESSION, ST_NOMEM). */
enum status object_wait(struct sockd *sockd, struct ipc_call *call, struct waiters *list,
                        uint32_t events, bool nowait);
/* The same where an event serves one only: first come, first served. `room`: on the socket's list of
 * that name. */
enum status object_wait_turn(struct sockd *sockd, struct ipc_call *call, struct object *object,
                             bool room, uint32_t events, bool nowait);

/* ---- account.c: who pays --------------------------------------------------------------------- */

const struct credentials *caller_credentials(const struct sockd *sockd,
                                             uint64_t principal); /* never NULL */
/* The account of the calling process: a ref, or NULL when out of memory. */
struct account *account_get(struct sockd *sockd, uint64_t principal);
void account_end(struct sockd *sockd, struct account *account); /* its last ref is gone */
/* One object more: ST_NFILE (everybody's or the uid's limit), ST_MFILE (the process's share). */
enum status account_take_object(struct sockd *sockd, struct account *account);
void account_drop_object(struct sockd *sockd, struct account *account);
/* From now on the caller pays for it: as above, ST_NOMEM. */
enum status account_move_object(struct sockd *sockd, struct object *object, uint64_t principal);
/* One interest of an epoll instance: ST_NOSPC. */
enum status account_watch(struct sockd *sockd, struct account *account);
void account_unwatch(struct sockd *sockd, struct account *account);
/* Charge one queued message of the caller: a ref on who pays, which account_uncharge takes back;
 * NULL when a limit is reached. */
struct account *account_charge(struct sockd *sockd, uint64_t principal, uint64_t bytes);

/* ---- socket.c -------------------------------------------------------------------------------- */

static inline struct socket *socket_of(struct object *object)
{
    return (struct socket *)object;
}
/* One of the options that are a flag. */
static inline bool option_on(const struct socket *socket, int option)
{
    return socket->option_flags & OPTION_BIT(option);
}
static inline bool socket_connection_based(const struct socket *socket)
{
    return socket->type != LX_SOCK_DGRAM;
}
static inline bool socket_nonblocking(const struct socket *socket)
{
    return socket->object.flags & LX_O_NONBLOCK;
}
/* A call that receives (accepts), or sends (connects), may not wait. */
static inline bool socket_receives_at_once(const struct socket *socket)
{
    return socket_nonblocking(socket) ||
           (socket->rare && socket->rare->rcvtimeo_us == TIMEOUT_AT_ONCE);
}
static inline bool socket_sends_at_once(const struct socket *socket)
{
    return socket_nonblocking(socket) ||
           (socket->rare && socket->rare->sndtimeo_us == TIMEOUT_AT_ONCE);
}
/* Linux's rule for POLLOUT and for waking writers: at most a quarter of sndbuf is charged. */
static inline bool socket_writable(const struct socket *socket)
{
    return socket->state != SOCKET_LISTENING &&
           (socket->charged + 1) * 4 <= (uint64_t)socket->sndbuf;
}

enum status socket_create(struct sockd *sockd, int type, uint64_t principal, struct socket **out);
/* Undo socket_create. */
void socket_discard(struct sockd *sockd, struct socket *socket);
void socket_connect_pair(struct socket *a, struct socket *b);
/* The caller's credentials as SO_PEERCRED of somebody: a ref, or NULL when out of memory. */
struct peer_credentials *peer_credentials_get(struct sockd *sockd, uint64_t principal);
/* Takes over the ref (or NULL). */
void socket_set_peer_credentials(struct sockd *sockd, struct socket *socket,
                                 struct peer_credentials *credentials);
enum status socket_take_error(struct socket *socket);
void socket_release(struct sockd *sockd, struct socket *socket);
/* Nothing points at it any more: what it still owns goes. */
void socket_dispose(struct sockd *sockd, struct socket *socket);
void socket_set_peer(struct sockd *sockd, struct socket *socket, struct socket *peer);
enum status rare_make(struct socket *socket); /* options.c: so that it has `rare`; ST_NOBUFS */

/* ---- name.c ---------------------------------------------------------------------------------- */

/* The address at the start of the declared memory, checked as Linux does: ST_INVAL. A pathname is
 * cut at its first NUL. */
enum status address_get(struct ipc_call *call, uint64_t length, struct address *out);
static inline bool address_abstract(const struct address *address)
{
    return address->length > LX_SUN_PATH && address->bytes[LX_SUN_PATH] == 0;
}
struct socket *abstract_find(struct sockd *sockd, int type, const struct address *address);
void abstract_remove(struct sockd *sockd, struct socket *socket);
enum status socket_autobind(struct sockd *sockd, struct socket *socket);
/* Where a connect or send goes: abstract by registry, pathname by the name gate that came along
 * (then `address` may be NULL). */
enum status destination_find(struct sockd *sockd, struct ipc_call *call, int type,
                             const struct address *address, struct socket **out);
void name_release(struct sockd *sockd, struct name *name);
struct bound_address *bound_address_ref(struct bound_address *address);
void bound_address_put(struct bound_address *address); /* NULL is fine */
/* getsockname's bytes: length 2 for an unnamed socket. */
void address_out(const struct socket *socket, struct address *out);

/* ---- message.c: queued data ------------------------------------------------------------------ */

/* What Linux 6.12 charges for one buffer: `head` bytes in its linear part and `paged` in pages. */
uint32_t charge_for(uint32_t head, uint32_t paged);
uint32_t charge_for_chunk(uint32_t length);    /* STREAM */
#define CHARGE_LEAST 768u                      /* of up to 64 bytes, whatever the type */
uint32_t charge_for_datagram(uint32_t length); /* DGRAM, SEQPACKET */
/* A message with `length` payload bytes read from the caller at `offset`: ST_NOBUFS, ST_FAULT. Takes over
 * the charge and the ref on who pays, but not when it fails. queue.h has what is done to it. */
enum status message_create(struct ipc_call *call, uint64_t offset, uint32_t length, uint32_t charge,
                           struct account *account, struct message **out);
/* Unlink the one after `previous` (NULL: the first). */
void message_unlink(struct socket *socket, struct message *previous, struct message *message);
void messages_purge(struct sockd *sockd, struct socket *socket);
static inline uint32_t message_unread(const struct message *message)
{
    return message->length - message->consumed;
}

/* ---- send and receive ------------------------------------------------------------------------ */

struct send {
    struct ipc_call *call;
    uint64_t principal, data_offset, length;
    bool nowait, has_address, credentials;
    bool again; /* the call has waited before: it is a blocking one, and errors are those of waiting */
    struct address *address;
    uint32_t flags, pid, serial, uid, gid;
    struct rights *rights; /* or NULL; send must leave it NULL when it used it */
};
struct receive {
    struct ipc_call *call;
    uint64_t length, address_offset;
    uint64_t done;   /* bytes that this call of the program's has already: STREAM, after `more` */
    bool nowait, want_address;
    bool again;      /* the call has waited before: it is a blocking one */
    bool memory_bad; /* libposix could not make the memory present: a fault is the program's */
    uint32_t flags;
    /* out */
    uint64_t count, full_length, message_flags;
    bool more; /* STREAM: less than was asked for, and nothing that ends the read: ask again */
    struct socket *sender; /* borrowed */
    bool credentials; /* in: those of the bytes `done`, from now on of no other writer */
    uint32_t pid, serial, uid, gid;
    struct rights *rights; /* a ref, or NULL */
    uint16_t address_length;
};
enum status stream_send(struct sockd *sockd, struct socket *socket, struct send *send,
                        uint64_t *count);
enum status stream_receive(struct sockd *sockd, struct socket *socket, struct receive *receive);
/* A read of `length` bytes may have to wait for more than is there (SO_RCVLOWAT). */
bool stream_below_low_water(const struct socket *socket, uint64_t length);
bool stream_at_mark(const struct socket *socket); /* sockatmark(3) */
/* What Linux finds before it looks at control data: only SEQPACKET does. */
enum status send_begin(struct socket *socket);
/* A send failed that Linux had a buffer for: that it goes again is news for who waits to write. */
void send_dropped(struct sockd *sockd, struct socket *socket);
enum status datagram_send(struct sockd *sockd, struct socket *socket, struct send *send,
                          uint64_t *count);
enum status datagram_receive(struct sockd *sockd, struct socket *socket, struct receive *receive);
enum status socket_send(struct sockd *sockd, struct socket *socket, struct send *send,
                        uint64_t *count);
enum status socket_receive(struct sockd *sockd, struct socket *socket, struct receive *receive);
/* Credentials of a message: explicit ones, or implicit ones when either end asked for them. */
void message_credentials(struct sockd *sockd, struct message *message, const struct send *send,
                         const struct socket *socket, const struct socket *other);
/* Put the sender's address into the address room, before anything is consumed. */
enum status receive_address(struct receive *receive, const struct socket *sender);
/* connect.c: a datagram socket lost or changed its peer: its own queue is purged. */
void datagram_disconnected(struct sockd *sockd, struct socket *socket, struct socket *old_peer);
bool datagram_may_send(const struct socket *socket, const struct socket *other);
/* The count limit that keeps `socket` from queueing at `other`. */
bool datagram_room(const struct socket *socket, const struct socket *other);

/* ---- rights.c, reclaim.c --------------------------------------------------------------------- */

struct session_object *session_object_find(struct sockd *sockd,
                                           uint64_t principal); /* NULL: none */
/* The last `count` capabilities of the request as the rights of one message, which `account` pays:
 * ST_BADF, ST_NOMEM, ST_TOOMANYREFS. */
enum status rights_take(struct sockd *sockd, const struct ipc_call *call, struct account *account,
                        unsigned count, struct rights **out);
/* Undo it, because the request is going to fail. */
void rights_return(struct sockd *sockd, struct rights *rights);
/* Take the stage as the rights of one message: NULL when it is empty. ST_MESSAGE when it does not
 * hold `expected`. */
enum status stage_take(struct sockd *sockd, uint64_t principal, uint64_t expected,
                       struct rights **out);
/* More in flight than RLIMIT_NOFILE allows the sender's user, before these are added: what Linux tests
 * when it attaches them to a message for which there is room. */
bool rights_too_many(const struct sockd *sockd, uint64_t principal, const struct rights *rights);
/* Whatever is left on it, of a call that a signal ended. */
void stage_forget(struct sockd *sockd, uint64_t principal);
void stage_give_back(struct sockd *sockd, uint64_t principal, struct rights *rights);
void rights_unref(struct sockd *sockd, struct rights *rights);
/* Reply with up to `room` of them: the first 8 now, the rest as the session's claim. Takes over the
 * ref. Returns how many the caller gets in all. */
unsigned rights_deliver(struct sockd *sockd, struct ipc_call *call, struct rights *rights,
                        unsigned room);
void session_object_release(struct sockd *sockd, struct session_object *session);
/* Its thread's datagram waits no more; it gives its memory back. */
void sending_end(struct sockd *sockd, struct session_object *session);
void sending_release(struct sockd *sockd, struct session_object *session);
/* Drop slots of doomed rights while the effects have room. */
void doomed_drain(struct sockd *sockd);
/* Find sockets that hold each other in their queues, out of reach, and empty those queues. */
void orphans_reclaim(struct sockd *sockd);

/* ---- owner.c: SIGURG and SIGIO --------------------------------------------------------------- */

enum async_event { ASYNC_IN = 1, ASYNC_OUT, ASYNC_ERROR = 4, ASYNC_URGENT, ASYNC_HANG_UP }; /* POLL_* */
/* SIGIO to the owner of a socket with O_ASYNC. ASYNC_OUT only after socket_no_space. */
void socket_signal_owner(struct sockd *sockd, struct socket *socket, enum async_event event);
static inline void socket_signal(struct sockd *sockd, struct socket *socket, enum async_event event)
{
    if (socket->object.flags & LX_O_ASYNC)
        socket_signal_owner(sockd, socket, event);
}
void socket_signal_urgent(struct sockd *sockd, struct socket *socket);
void socket_no_space(struct socket *socket);
/* F_SETFL turned O_ASYNC on. ST_NOBUFS. */
enum status socket_async_begin(struct socket *socket, int32_t fd);
enum status handle_owner(void *state, struct ipc_call *call, const struct io_owner_request *request,
                         struct io_owner_reply *reply);

/* ---- the other kinds ------------------------------------------------------------------------- */

/* The events that are ready, of `events` and always ERR, HUP, NVAL. Who finds a full datagram queue
 * in the way hears of it when there is room. */
uint32_t object_poll(struct sockd *sockd, struct object *object, uint32_t events);
/* A queue that is limited by count has room, or its socket changed: wake those who wait for it. */
void room_wake(struct sockd *sockd, struct socket *socket, uint32_t events);
/* Nobody's queue is in the way any more; false: none was. */
bool relay_end(struct socket *socket);
enum status pipe_read(struct sockd *sockd, struct pipe_end *end, struct ipc_call *call,
                      uint64_t length, bool nowait, uint64_t *count);
enum status pipe_write(struct sockd *sockd, struct pipe_end *end, struct ipc_call *call,
                       uint64_t length, bool nowait, uint64_t *count);
uint64_t pipe_unread(const struct pipe *pipe);
/* Copy up to `length` bytes out of the ring, not beyond a packet; take bytes out of it. */
uint64_t pipe_peek(const struct pipe *pipe, uint8_t *to, uint64_t length);
void pipe_drop(struct sockd *sockd, struct pipe *pipe, uint64_t length);
void pipe_end_release(struct sockd *sockd, struct pipe_end *end);
enum status handle_lock(void *state, struct ipc_call *call, const struct io_lock_request *request,
                        struct io_lock_reply *reply);
enum status event_read(struct sockd *sockd, struct event *event, struct ipc_call *call,
                       uint64_t length, bool nowait, uint64_t *count);
enum status event_write(struct sockd *sockd, struct event *event, struct ipc_call *call,
                        uint64_t length, bool nowait, uint64_t *count);

/* ---- table.c: /proc/net/unix ----------------------------------------------------------------- */

#define TABLE_LINE_MAX 192u
struct table {
    struct object object; /* also the place in the list of objects: those behind it come next */
    uint64_t offset;      /* the description's */
    uint64_t at;          /* in the text: where the rest of `line` stands */
    uint32_t pid;         /* who opened it */
    uint16_t line_used, line_length;
    char line[TABLE_LINE_MAX];
};
enum status table_read(struct sockd *sockd, struct table *table, struct ipc_call *call,
                       int64_t offset, uint64_t length, bool nowait, uint64_t *count);
enum status table_seek(struct table *table, int64_t offset, uint64_t whence, int64_t *result);

/* ---- operations, for the tables in core.c and io.c ------------------------------------------- */

extern const struct io_server sockd_io;
#define SOCKD_OP(name, ...) enum status op_##name(void *state, struct ipc_call *call, __VA_ARGS__)
SOCKD_OP(socket, const struct sock_socket_request *);
SOCKD_OP(socket_pair, const struct sock_socket_pair_request *);
SOCKD_OP(pipe, const struct sock_pipe_request *);
SOCKD_OP(event, const struct sock_event_request *);
SOCKD_OP(bind_prepare, const struct sock_bind_prepare_request *, struct sock_bind_prepare_reply *);
SOCKD_OP(table, const struct sock_table_request *);
enum status op_bind_commit(void *state, struct ipc_call *call);
enum status op_bind_abort(void *state, struct ipc_call *call);
SOCKD_OP(listen, const struct sock_listen_request *);
SOCKD_OP(accept, const struct sock_accept_request *, struct sock_accept_reply *);
SOCKD_OP(connect, const struct sock_connect_request *);
SOCKD_OP(send, const struct sock_send_request *, struct sock_send_reply *);
SOCKD_OP(send_as, const struct sock_send_as_request *, struct sock_send_as_reply *);
SOCKD_OP(receive, const struct sock_receive_request *, struct sock_receive_reply *);
SOCKD_OP(receive_more, const struct sock_receive_more_request *, struct sock_receive_more_reply *);
SOCKD_OP(stage, const struct sock_stage_request *, struct sock_stage_reply *);
SOCKD_OP(claim, const struct sock_claim_request *, struct sock_claim_reply *);
SOCKD_OP(splice, const struct sock_splice_request *, struct sock_splice_reply *);
SOCKD_OP(peek, const struct sock_peek_request *, struct sock_peek_reply *);
SOCKD_OP(drop, const struct sock_drop_request *);
SOCKD_OP(shutdown, const struct sock_shutdown_request *);
SOCKD_OP(get_name, const struct sock_get_name_request *, struct sock_get_name_reply *);
SOCKD_OP(get_option, const struct sock_get_option_request *, struct sock_get_option_reply *);
SOCKD_OP(set_option, const struct sock_set_option_request *);

#endif
