/*
 * A client of sockd's core for unit tests: plays the kernel (copies of gates, the caller's memory)
 * and the shell. SPDX-License-Identifier: MIT
 *
 * Calls answer as system calls do: a value from 0 up, or -(enum status). `W.as` chooses who calls.
 * The fixture checks after each test that the core freed everything once the last copies of all
 * gates are gone.
 */
#ifndef SOCKD_HARNESS_H
#define SOCKD_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <ipc/memory.h>
#include <ipc/session.h>
#include <posix_abi.h>
#include <proto/io.h>
#include <proto/session.h>
#include <proto/sock.h>

#include "linux_values.h"
#include "sockd.h"

#define BADGES_MAX 8192u
#define SLOTS_MAX 8192u
#define MEMORY_MAX (2u << 20)
#define USER PRINCIPAL(1, 1)  /* uid 1000, pid 101 */
#define ROOT PRINCIPAL(2, 2)  /* uid 0, pid 102 */
#define OTHER PRINCIPAL(3, 3) /* uid 1001, pid 103 */
#define FIRST_SLOT 4096u      /* foreign capabilities that arrive get slots from here on */
#define NOTIFICATION_OF(thread) (100u + (thread))

struct world {
    struct credentials table[CREDENTIALS_MAX];
    struct sockd *sockd;
    size_t heap_before;
    uint64_t as;                 /* principal */
    unsigned copies[BADGES_MAX]; /* of gates, outside */
    bool slot_used[SLOTS_MAX];   /* capabilities that sockd owns */
    unsigned wakes[200];         /* per notification slot */
    uint32_t answer;             /* of the last wake-up */
    uint64_t session_badge[8];   /* per thread */
    uint64_t next_slot;
    struct ipc_effects effects;
    /* one call */
    struct ipc_call call;
    uint8_t in[MEMORY_MAX], out[MEMORY_MAX];
    size_t in_size, out_size; /* declared */
    size_t in_bad, out_bad;   /* a byte at or behind this offset is not there; SIZE_MAX: none */
    struct ipc_cap caps[8];
    unsigned cap_count;
    struct ipc_reply_cap got[8];
    unsigned got_count;
};
static struct world W;

static enum status world_get(void *context, uint64_t offset, void *destination, size_t length)
{
    (void)context;
    if (offset + length > W.in_size || offset + length > W.in_bad)
        return ST_FAULT;
    memcpy(destination, &W.in[offset], length);
    return ST_OK;
}

static enum status world_put(void *context, uint64_t offset, const void *source, size_t length)
{
    (void)context;
    if (offset + length > W.out_size || offset + length > W.out_bad)
        return ST_FAULT;
    memcpy(&W.out[offset], source, length);
    return ST_OK;
}

static void effects_apply(void)
{
    for (unsigned i = 0; i < W.effects.count; i++) {
        struct ipc_effect effect = W.effects.list[i];
        if (effect.kind == IPC_EFFECT_WAKE) {
            assert_in_range(effect.value, 1, 199);
            W.wakes[effect.value]++;
            W.answer = effect.answer;
        } else {
            assert_true(effect.value < SLOTS_MAX && W.slot_used[effect.value]);
            W.slot_used[effect.value] = false;
        }
    }
    W.effects.count = 0;
}

/* One request. The memory and caps prepared in W go along; caps are used up. */
static enum status ask(uint64_t badge, uint32_t label, const void *words, unsigned word_count)
{
    static const struct ipc_data_ops ops = {world_get, world_put};
    W.call = (struct ipc_call){.label = label,
                               .badge = badge,
                               .principal = W.as,
                               .word_count = word_count,
                               .cap_count = W.cap_count,
                               .effects = &W.effects,
                               .data = &ops};
    if (word_count)
        memcpy(W.call.words, words, word_count * 8);
    for (unsigned i = 0; i < W.cap_count; i++) {
        W.call.caps[i] = W.caps[i];
        if (W.caps[i].kind == AR_RECEIVED_CAP)
            W.slot_used[W.caps[i].value] = true;
    }
    W.cap_count = 0;
    sockd_handle(W.sockd, &W.call);
    assert_true(W.call.reply_cap_count <= AR_MSG_CAPS);
    W.got_count = W.call.reply_cap_count;
    for (unsigned i = 0; i < W.got_count; i++) {
        W.got[i] = W.call.reply_caps[i];
        if (W.got[i].own_gate) {
            assert_in_range(W.got[i].value, BADGE_OBJECTS, BADGES_MAX - 1);
            W.copies[W.got[i].value]++;
        } else {
            assert_true(W.slot_used[W.got[i].value]);
            if (W.got[i].move)
                W.slot_used[W.got[i].value] = false;
        }
    }
    effects_apply();
    return W.call.status;
}

#define ASK(badge, label, ...)                                                                     \
    ({                                                                                             \
        const uint64_t ask_words[] = {__VA_ARGS__};                                                \
        ask(badge, label, ask_words, sizeof(ask_words) / 8);                                       \
    })
#define ASK0(badge, label) ask(badge, label, NULL, 0)
#define REPLY(n) (W.call.reply_words[n])

/* The last copy: closed arrives. */
static void fd_close(uint64_t badge)
{
    assert_true(badge < BADGES_MAX && W.copies[badge] > 0);
    if (--W.copies[badge])
        return;
    sockd_closed(W.sockd, badge, &W.effects);
    effects_apply();
}

static void cap_own(uint64_t badge)
{
    W.caps[W.cap_count++] = (struct ipc_cap){
        .kind = AR_RECEIVED_BADGE, .type = AR_GATE, .value = badge, .issuer = ISSUER_SOCKD};
}

static uint64_t cap_foreign(enum ar_type type, uint64_t issuer)
{
    uint64_t slot = W.next_slot++;
    W.caps[W.cap_count++] =
        (struct ipc_cap){.kind = AR_RECEIVED_CAP, .type = type, .value = slot, .issuer = issuer};
    return slot;
}

static void memory_reset(void)
{
    W.in_size = W.out_size = 0;
    W.in_bad = W.out_bad = SIZE_MAX;
}

static void session_make(uint64_t principal)
{
    uint32_t thread = PRINCIPAL_THREAD(principal);
    uint64_t before = W.as;
    W.as = principal;
    W.caps[0] = (struct ipc_cap){
        .kind = AR_RECEIVED_CAP, .type = AR_NOTIFICATION, .value = NOTIFICATION_OF(thread)};
    W.cap_count = 1;
    assert_int_equal(ASK0(BADGE_ROOT, SESSION_OPEN), ST_OK);
    W.session_badge[thread] = W.got[0].value;
    W.as = before;
}

/* ---- calls as a program makes them ----------------------------------------------------------- */

static long sk(int type)
{
    enum status status = ASK(BADGE_ROOT, SOCK_SOCKET, LX_AF_UNIX, (uint64_t)type, 0);
    return status == ST_OK ? (long)W.got[0].value : -(long)status;
}

static void pair_make(int type, long fd[2])
{
    assert_int_equal(ASK(BADGE_ROOT, SOCK_SOCKET_PAIR, LX_AF_UNIX, (uint64_t)type, 0), ST_OK);
    fd[0] = (long)W.got[0].value;
    fd[1] = (long)W.got[1].value;
}

/* A sockaddr_un at the start of the input memory; a leading '@' stands for NUL. Returns its length.
 */
static uint64_t address_put(const char *name)
{
    size_t length = strlen(name);
    W.in[0] = LX_AF_UNIX;
    W.in[1] = 0;
    memcpy(&W.in[2], name, length);
    if (name[0] == '@')
        W.in[2] = 0;
    W.in_size = 2 + length;
    return W.in_size;
}

/* Names of pathname sockets: filed's side. */
static uint64_t last_name_gate;

static long sk_bind(long fd, const char *name)
{
    memory_reset();
    uint64_t length = address_put(name);
    enum status status = ASK((uint64_t)fd, SOCK_BIND_PREPARE, length);
    if (status != ST_OK)
        return -(long)status;
    if (!REPLY(0))
        return 0;
    last_name_gate = W.got[0].value;
    return -(long)ASK0((uint64_t)fd, SOCK_BIND_COMMIT);
}

static long sk_connect(long fd, const char *name, uint64_t name_gate)
{
    memory_reset();
    uint64_t length = address_put(name);
    if (name_gate)
        cap_own(name_gate);
    return -(long)ASK((uint64_t)fd, SOCK_CONNECT, length);
}

static long sk_listen(long fd, int backlog)
{
    return -(long)ASK((uint64_t)fd, SOCK_LISTEN, (uint64_t)(int64_t)backlog);
}

static long sk_accept(long fd)
{
    memory_reset();
    W.out_size = 128;
    enum status status = ASK((uint64_t)fd, SOCK_ACCEPT, 0);
    return status == ST_OK ? (long)W.got[0].value : -(long)status;
}

struct send_extra {
    const char *to;
    uint64_t gate, staged, credentials, pid, uid, gid;
    const long *fds; /* `along` descriptors of our own that come with it, behind W.caps as it is */
    unsigned along;
};

static long sk_send_extra(long fd, const void *data, size_t length, uint64_t flags,
                          struct send_extra extra)
{
    memory_reset();
    uint64_t address = extra.to ? address_put(extra.to) : 0;
    if (data)
        memcpy(&W.in[address], data, length);
    W.in_size = address + length;
    if (extra.gate)
        cap_own(extra.gate);
    uint64_t rights = extra.staged ? extra.staged : W.cap_count - !!extra.gate + extra.along;
    for (unsigned i = 0; i < extra.along; i++)
        cap_own((uint64_t)extra.fds[i]);
    flags |= extra.staged ? SOCK_STAGED : 0;
    enum status status = extra.credentials
                             ? ASK((uint64_t)fd, SOCK_SEND_AS, flags, length, address, rights,
                                   extra.pid, extra.uid, extra.gid)
                             : ASK((uint64_t)fd, SOCK_SEND, flags, length, address, rights);
    return status == ST_OK ? (long)REPLY(0) : -(long)status;
}

static long sk_send(long fd, const void *data, size_t length, uint64_t flags)
{
    return sk_send_extra(fd, data, length, flags, (struct send_extra){0});
}

static long sk_send_size(long fd, size_t length, uint64_t flags)
{
    return sk_send(fd, NULL, length, flags);
}

#define RECV_COUNT (uint32_t)REPLY(0)
#define RECV_FULL (REPLY(0) >> 32)
#define RECV_FLAGS (uint32_t)REPLY(1)
#define RECV_ADDRESS (REPLY(1) >> SOCK_ADDRESS_SHIFT & 0xff)
#define RECV_RIGHTS (REPLY(1) >> SOCK_RIGHTS_SHIFT & 0xff)
#define RECV_CREDENTIALS (REPLY(1) & (SOCK_WITH_CREDENTIALS | SOCK_WITH_PIDFD))
#define RECV_PID REPLY(2)
#define RECV_UID (uint32_t)REPLY(3)
#define RECV_GID (REPLY(3) >> 32)

/* Data is left in W.out, the address behind it, the reply in W.call. */
static long sk_recv_rights(long fd, size_t length, uint64_t flags, unsigned max_rights)
{
    memory_reset();
    W.out_size = length + 128;
    enum status status = ASK((uint64_t)fd, SOCK_RECEIVE, flags, length, 1, max_rights);
    return status == ST_OK ? (long)RECV_COUNT : -(long)status;
}

static long sk_recv(long fd, size_t length, uint64_t flags)
{
    return sk_recv_rights(fd, length, flags, 0);
}

/* Going on after `done` bytes, without credentials. */
static long sk_recv_more(long fd, size_t length, uint64_t flags, uint64_t done, bool memory_bad)
{
    memory_reset();
    W.out_size = length + 128;
    if (memory_bad)
        W.out_bad = 0;
    enum status status = ASK((uint64_t)fd, SOCK_RECEIVE_MORE, flags, length, 0, 0, done,
                             memory_bad, 0, 0, 0, 0);
    return status == ST_OK ? (long)RECV_COUNT : -(long)status;
}
static long fd_poll_arm(long fd, uint32_t events, bool arm)
{
    enum status status = ASK((uint64_t)fd, IO_POLL, events, arm);
    return status == ST_OK ? (long)REPLY(0) : -(long)status;
}

static long fd_poll(long fd)
{
    return fd_poll_arm(fd, 0xffff, false);
}

static long fd_read(long fd, size_t length)
{
    memory_reset();
    W.out_size = length;
    enum status status = ASK((uint64_t)fd, IO_READ, (uint64_t)-1, 0, length);
    return status == ST_OK ? (long)REPLY(0) : -(long)status;
}

static long fd_write(long fd, const void *data, size_t length)
{
    memory_reset();
    W.in_size = length;
    if (data)
        memcpy(W.in, data, length);
    enum status status = ASK((uint64_t)fd, IO_WRITE, (uint64_t)-1, 0, length);
    return status == ST_OK ? (long)REPLY(0) : -(long)status;
}

static long fd_ioctl(long fd, uint64_t request)
{
    memory_reset();
    W.out_size = 4;
    enum status status = ASK((uint64_t)fd, IO_IOCTL, request, 0);
    int32_t value;
    memcpy(&value, W.out, 4);
    return status == ST_OK ? value : -(long)status;
}

static long sk_shutdown(long fd, int how)
{
    return -(long)ASK((uint64_t)fd, SOCK_SHUTDOWN, (uint64_t)how);
}

static long sk_get(long fd, int option)
{
    memory_reset();
    memset(W.out, 0, 16);
    W.out_size = 16;
    enum status status = ASK((uint64_t)fd, SOCK_GET_OPTION, LX_SOL_SOCKET, (uint64_t)option, 16);
    int32_t value;
    memcpy(&value, W.out, 4);
    return status == ST_OK ? value : -(long)status;
}

static long sk_set(long fd, int option, int32_t value)
{
    memory_reset();
    W.in_size = 4;
    memcpy(W.in, &value, 4);
    return -(long)ASK((uint64_t)fd, SOCK_SET_OPTION, LX_SOL_SOCKET, (uint64_t)option, 4);
}

static void fd_nonblock(long fd)
{
    assert_int_equal(ASK((uint64_t)fd, IO_SET_FLAGS, LX_O_NONBLOCK, 0), ST_OK);
}

/* Stage our own descriptors, 8 a message. */
static long stage_own(const long *fds, unsigned count)
{
    long staged = -(long)ASK(BADGE_ROOT, SOCK_STAGE, 1);
    for (unsigned i = 0; i < count; i += 8) {
        for (unsigned j = i; j < count && j < i + 8; j++)
            cap_own((uint64_t)fds[j]);
        enum status status = ASK(BADGE_ROOT, SOCK_STAGE, 0);
        staged = status == ST_OK ? (long)REPLY(0) : -(long)status;
    }
    return staged;
}

static unsigned woken(uint64_t principal)
{
    unsigned *count = &W.wakes[NOTIFICATION_OF(PRINCIPAL_THREAD(principal))], value = *count;
    *count = 0;
    return value;
}

struct counts {
    uint64_t sockets, queued, in_flight, sessions, heap;
};
static struct counts counts_get(void)
{
    struct counts counts;
    assert_int_equal(ASK0(BADGE_ROOT, SOCK_COUNTS), ST_OK);
    memcpy(&counts, W.call.reply_words, sizeof(counts));
    return counts;
}

/* ---- fixture --------------------------------------------------------------------------------- */

static void credentials_set(unsigned process, uint32_t pid, uint32_t uid)
{
    W.table[process] = (struct credentials){.pid = pid,
                                            .ruid = uid,
                                            .euid = uid,
                                            .suid = uid,
                                            .fsuid = uid,
                                            .rgid = uid,
                                            .egid = uid,
                                            .sgid = uid,
                                            .fsgid = uid,
                                            .nofile = 1024};
}

static const struct sockd_limits default_limits = {
    .objects = 8000,
    .objects_of_user = 7000,
    .queued = 64u << 20,
    .queued_of_user = 32u << 20,
    .in_flight = 20000};

static void world_begin(const struct sockd_limits *limits)
{
    memset(&W, 0, sizeof(W));
    W.heap_before = mem_in_use();
    W.next_slot = FIRST_SLOT;
    memory_reset();
    credentials_set(1, 101, 1000);
    credentials_set(2, 102, 0);
    credentials_set(3, 103, 1001);
    W.sockd = sockd_create(W.table, limits);
    assert_non_null(W.sockd);
    W.as = USER;
    session_make(USER);
    session_make(ROOT);
    session_make(OTHER);
}

static void world_end(void)
{
    for (uint64_t badge = 0; badge < BADGES_MAX; badge++)
        while (W.copies[badge])
            fd_close(badge);
    while (sockd_deadline(W.sockd) == 0) {
        sockd_expired(W.sockd, 0, &W.effects);
        effects_apply();
    }
    struct counts counts = counts_get();
    assert_int_equal(counts.sockets, 0);
    assert_int_equal(counts.queued, 0);
    assert_int_equal(counts.in_flight, 0);
    assert_int_equal(counts.sessions, 0);
    for (unsigned slot = 0; slot < SLOTS_MAX; slot++)
        assert_false(W.slot_used[slot]);
    sockd_destroy(W.sockd, &W.effects);
    assert_int_equal(mem_in_use(), W.heap_before);
}

static int setup(void **state)
{
    (void)state;
    world_begin(&default_limits);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_end();
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* Not every file needs everything. */
static inline void harness_unused(void)
{
    (void)sk, (void)pair_make, (void)sk_bind, (void)sk_connect, (void)sk_listen, (void)sk_accept,
        (void)sk_send;
    (void)sk_send_size, (void)sk_recv, (void)fd_poll, (void)fd_read, (void)fd_write, (void)fd_ioctl;
    (void)sk_shutdown, (void)sk_get, (void)sk_set, (void)fd_nonblock, (void)stage_own, (void)woken;
    (void)cap_foreign, (void)setup, (void)teardown, (void)last_name_gate, (void)fd_poll_arm;
    (void)sk_recv_more;
}

/* A send of descriptors; more than a message holds are staged. */
static inline long send_fds(long to, const void *data, size_t length, const long *fds, unsigned count)
{
    if (count <= AR_MSG_CAPS)
        return sk_send_extra(to, data, length, LX_MSG_DONTWAIT,
                             (struct send_extra){.fds = fds, .along = count});
    assert_int_equal(stage_own(fds, count), count);
    return sk_send_extra(to, data, length, LX_MSG_DONTWAIT, (struct send_extra){.staged = count});
}

#endif
