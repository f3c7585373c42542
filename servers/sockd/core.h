/* What the files of sockd's core offer each other, file by file; the states that they work on are in state.h.
 * SPDX-License-Identifier: MIT */
#ifndef SOCKD_CORE_H
#define SOCKD_CORE_H

#include "state.h"

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
