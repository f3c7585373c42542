/* Sessions, locks, FIFOs, socket nodes: what waits and wakes, and what owns slots.
 * SPDX-License-Identifier: MIT */
#include "filed_harness.h"

#define SLOT(process) (300u + (process))

static int sessions[8];

static int start(void **state)
{
    int result = world_start(state);
    for (uint32_t p = ROOT; p <= CAROL && !result; p++) {
        become(p);
        sessions[p] = t_session(SLOT(p));
        result = sessions[p] <= 0;
    }
    become(ROOT);
    return result;
}

static int t_lock(int badge, uint64_t kind, uint64_t mode, int64_t first, int64_t length,
                  uint64_t flags)
{
    struct io_lock_request rq = {kind, mode, first, length, flags};
    return t_call((uint64_t)badge, IO_LOCK, &rq, sizeof(rq));
}

enum { FLOCK, QUERY, SET, SET_WAIT };
enum { SHARED, EXCLUSIVE, UNLOCK };

static void session_life(void **state)
{
    (void)state;
    w->call.caps[0] = (struct ipc_cap){.kind = AR_RECEIVED_BADGE, .type = AR_GATE, .value = 17};
    w->call.cap_count = 1;
    assert_int_equal(T_CALL(BADGE_ROOT, SESSION_OPEN, (uint64_t[0]){}), -(int)ST_MESSAGE);
    /* the first one's slot is dropped, its badge outlives it for a while */
    int second = t_session(555);
    assert_true(t_effect(IPC_EFFECT_DROP, SLOT(ROOT)));
    t_close(sessions[ROOT]);
    assert_false(t_effect(IPC_EFFECT_DROP, 555));
    t_close(second);
    assert_true(t_effect(IPC_EFFECT_DROP, 555));
    int f = t_open("/f", O_CREAT | O_RDWR, 0600), g = t_open("/f", O_RDWR, 0);
    assert_int_equal(t_lock(f, FLOCK, EXCLUSIVE, 0, 0, 0), 0);
    assert_int_equal(t_lock(g, FLOCK, EXCLUSIVE, 0, 0, 0), -(int)ST_SESSION);
    t_close(f);
    t_close(g);
}

static void flocks(void **state)
{
    (void)state;
    int f = t_open("/f", O_CREAT | O_RDWR, 0666), g = t_open("/f", O_RDONLY, 0);
    assert_int_equal(t_lock(f, FLOCK, SHARED, 0, 0, 0), 0);
    assert_int_equal(t_lock(g, FLOCK, SHARED, 0, 0, 0), 0);
    /* and f's shared one is gone */
    assert_int_equal(t_lock(f, FLOCK, EXCLUSIVE, 0, 0, IO_NOWAIT), -EAGAIN);
    assert_int_equal(t_lock(g, FLOCK, EXCLUSIVE, 0, 0, IO_NOWAIT), 0);
    assert_int_equal(t_lock(f, FLOCK, SHARED, 0, 0, 0), -(int)ST_WAIT);
    assert_int_equal(t_lock(g, FLOCK, UNLOCK, 0, 0, 0), 0);
    assert_true(t_effect(IPC_EFFECT_WAKE, SLOT(ROOT)));
    assert_int_equal(t_lock(f, FLOCK, EXCLUSIVE, 0, 0, 0), 0);
    assert_int_equal(t_lock(g, FLOCK, SHARED, 0, 0, 0), -(int)ST_WAIT);
    t_close(f);
    assert_true(t_effect(IPC_EFFECT_WAKE, SLOT(ROOT)));
    assert_int_equal(t_lock(g, FLOCK, SHARED, 0, 0, 0), 0);
    t_close(g);
}

static void record_locks(void **state)
{
    (void)state;
    int f = t_open("/f", O_CREAT | O_RDWR, 0666), r = t_open("/f", O_RDONLY, 0);
    assert_int_equal(t_lock(f, SET, EXCLUSIVE, 0, 100, 0), 0);
    assert_int_equal(t_lock(f, SET, UNLOCK, 40, 20, 0), 0); /* cut in two */
    become(ALICE);
    assert_int_equal(t_lock(f, SET, EXCLUSIVE, 40, 20, 0), 0);
    assert_int_equal(t_lock(f, SET, EXCLUSIVE, 39, 1, 0), -EAGAIN);
    assert_int_equal(t_lock(f, SET, SHARED, 60, 0, 0), -EAGAIN);
    assert_int_equal(t_lock(f, QUERY, EXCLUSIVE, 60, 0, 0), 0);
    assert_int_equal(w->call.reply_words[0], EXCLUSIVE);
    assert_int_equal(w->call.reply_words[1], 60);
    assert_int_equal(w->call.reply_words[2], 40);
    assert_int_equal(w->call.reply_words[3], w->credentials[ROOT].pid);
    assert_int_equal(t_lock(f, QUERY, EXCLUSIVE, 100, 0, 0), 0);
    assert_int_equal(w->call.reply_words[0], UNLOCK);
    assert_int_equal(t_lock(f, SET_WAIT, SHARED, 90, 20, 0), -(int)ST_WAIT);
    become(ROOT);
    assert_int_equal(t_lock(f, SET, SHARED, 60, 40, 0), 0); /* converts its own */
    assert_true(t_effect(IPC_EFFECT_WAKE, SLOT(ALICE)));
    become(ALICE);
    assert_int_equal(t_lock(f, SET_WAIT, SHARED, 90, 20, 0), 0);
    assert_int_equal(t_lock(r, SET, EXCLUSIVE, 500, 1, 0), -EBADF);
    assert_int_equal(t_lock(f, SET, SHARED, -1, 1, 0), -EINVAL);
    assert_int_equal(t_lock(f, SET, SHARED, 5, -6, 0), -EINVAL);
    assert_int_equal(t_lock(f, SET, SHARED, INT64_MAX, 2, 0), -EOVERFLOW);
    assert_int_equal(t_lock(f, SET, EXCLUSIVE, 210, -10, 0), 0); /* 200 to 209 */
    become(BOB);
    assert_int_equal(t_lock(f, SET, EXCLUSIVE, 199, 1, 0), 0);
    assert_int_equal(t_lock(f, SET, EXCLUSIVE, 209, 1, 0), -EAGAIN);
    w->credentials[ALICE].pid = 0; /* she dies, others still hold the description */
    assert_int_equal(t_lock(f, SET, EXCLUSIVE, 209, 1, 0), 0);
    t_close(f);
    t_close(r);
}

static int t_poll(int badge, uint64_t events, uint64_t arm)
{
    struct io_poll_request rq = {events, arm};
    assert_int_equal(t_call((uint64_t)badge, IO_POLL, &rq, sizeof(rq)), 0);
    return (int)w->call.reply_words[0];
}

static void fifo_opening(void **state)
{
    (void)state;
    assert_int_equal(t_mknod("/p", S_IFIFO | 0666, 0), 0);
    assert_int_equal(t_open("/p", O_WRONLY | O_NONBLOCK, 0), -ENXIO);
    become(ALICE);
    assert_int_equal(t_open("/p", O_RDONLY, 0), -(int)ST_WAIT);
    become(BOB);
    int wr = t_open("/p", O_WRONLY, 0); /* somebody waits: no waiting here */
    assert_true(wr > 0);
    assert_true(t_effect(IPC_EFFECT_WAKE, SLOT(ALICE)));
    assert_int_equal(t_write(wr, "hello", 5), 5);
    t_close(wr); /* before the reader is back */
    become(ALICE);
    int r = t_open("/p", O_RDONLY, 0);
    assert_true(r > 0);
    char buffer[8];
    assert_int_equal(t_read(r, buffer, 8), 5);
    assert_int_equal(t_poll(r, POLLIN, 0), POLLHUP); /* its writer has been there */
    assert_int_equal(t_read(r, buffer, 8), 0);
    t_close(r);
    assert_int_equal(t_open("/p", O_WRONLY, 0), -(int)ST_WAIT);
    become(BOB);
    r = t_open("/p", O_RDONLY, 0);
    assert_true(r > 0);
    assert_true(t_effect(IPC_EFFECT_WAKE, SLOT(ALICE)));
    become(ALICE);
    wr = t_open("/p", O_WRONLY, 0);
    assert_true(wr > 0);
    t_close(wr);
    t_close(r);
    int both = t_open("/p", O_RDWR, 0);
    assert_true(both > 0);
    t_close(both);
}

static void fifo_data(void **state)
{
    (void)state;
    static char big[FIFO_SIZE], buffer[FIFO_SIZE];
    memset(big, 'b', sizeof(big));
    assert_int_equal(t_mknod("/p", S_IFIFO | 0666, 0), 0);
    int r = t_open("/p", O_RDONLY | O_NONBLOCK, 0);
    assert_int_equal(t_poll(r, POLLIN, 0), 0); /* no hang-up before the first writer */
    assert_int_equal(t_read(r, buffer, 10), 0);
    int wr = t_open("/p", O_WRONLY, 0);
    assert_int_equal(t_read(r, buffer, 10), -EAGAIN);
    assert_int_equal(t_read_at(r, buffer, 10, 0), -ESPIPE);
    assert_int_equal(t_seek(r, 0, SEEK_SET), -ESPIPE);
    assert_int_equal(t_poll(r, POLLIN, 1), 0);
    become(ALICE);
    assert_int_equal(t_write(wr, big, 60000), 60000);
    assert_true(t_effect(IPC_EFFECT_WAKE, SLOT(ROOT)));
    assert_int_equal(t_poll(r, POLLIN, 0), POLLIN);
    assert_int_equal(t_write(wr, big, 10000), FIFO_SIZE - 60000);
    assert_int_equal(t_write(wr, big, 100), -(int)ST_WAIT);
    assert_int_equal(t_poll(wr, POLLOUT, 0), 0);
    become(ROOT);
    assert_int_equal(t_read(r, buffer, 50), 50);
    assert_true(t_effect(IPC_EFFECT_WAKE, SLOT(ALICE)));
    become(ALICE);
    /* at most PIPE_BUF: whole or not at all */
    assert_int_equal(t_write(wr, big, 100), -(int)ST_WAIT);
    become(ROOT);
    assert_int_equal(t_read(r, buffer, 60000), 60000);
    become(ALICE);
    assert_int_equal(t_write(wr, "0123456789", 10), 10); /* round the ring's end */
    become(ROOT);
    assert_int_equal(t_read(r, buffer, FIFO_SIZE), FIFO_SIZE - 60050 + 10);
    assert_memory_equal(buffer + FIFO_SIZE - 60050, "0123456789", 10);
    assert_int_equal(t_poll(r, POLLIN, 1), 0);
    t_close(wr);
    assert_true(t_effect(IPC_EFFECT_WAKE, SLOT(ROOT)));
    assert_int_equal(t_poll(r, POLLIN, 0), POLLHUP);
    wr = t_open("/p", O_WRONLY, 0);
    t_close(r);
    assert_int_equal(t_write(wr, "x", 1), -EPIPE);
    assert_int_equal(t_poll(wr, POLLOUT, 0), POLLOUT | POLLERR);
    t_close(wr);
}

static int t_bind(const char *path, unsigned mode, uint64_t slot, uint64_t issuer)
{
    struct fs_bind_socket_request rq = {.path_length = paths_in(path, NULL), .mode = mode};
    w->call.caps[0] =
        (struct ipc_cap){.kind = AR_RECEIVED_CAP, .type = AR_GATE, .value = slot, .issuer = issuer};
    w->call.cap_count = 1;
    return t_call(BADGE_ROOT, FS_BIND_SOCKET, &rq, sizeof(rq));
}

static int t_lookup(const char *path)
{
    struct fs_lookup_socket_request rq = {.path_length = paths_in(path, NULL)};
    int result = t_call(BADGE_ROOT, FS_LOOKUP_SOCKET, &rq, sizeof(rq));
    return result ? result : (int)w->call.reply_caps[0].value;
}

static void socket_nodes(void **state)
{
    (void)state;
    struct fs_stat_reply reply;
    become(ALICE);
    assert_int_equal(t_bind("/tmp/s", 0700, 400, ISSUER_FILED), -(int)ST_MESSAGE);
    assert_true(t_effect(IPC_EFFECT_DROP, 400));
    assert_int_equal(t_bind("/tmp/s", 0700, 400, ISSUER_SOCKD), 0);
    assert_int_equal(w->effects.count, 0);
    assert_int_equal(t_stat("/tmp/s", &reply), 0);
    assert_int_equal(reply.mode, S_IFSOCK | 0700);
    assert_int_equal(t_bind("/tmp/s", 0700, 401, ISSUER_SOCKD), -EEXIST);
    assert_true(t_effect(IPC_EFFECT_DROP, 401));
    assert_int_equal(t_symlink("nowhere", "/tmp/l"), 0);
    assert_int_equal(t_bind("/tmp/l", 0700, 401, ISSUER_SOCKD), -EEXIST);
    assert_int_equal(t_bind("/tmp/x/y", 0700, 401, ISSUER_SOCKD), -ENOENT);
    assert_int_equal(t_bind("/s", 0700, 401, ISSUER_SOCKD), -EACCES);
    assert_int_equal(t_lookup("/tmp/s"), 400);
    assert_false(w->call.reply_caps[0].move);
    assert_int_equal(t_lookup("/tmp/l"), -ENOENT);
    assert_int_equal(t_symlink("s", "/tmp/good"), 0);
    assert_int_equal(t_lookup("/tmp/good"), 400);
    assert_int_equal(t_lookup("/dev/null"), -ECONNREFUSED);
    assert_int_equal(t_lookup("/tmp"), -ECONNREFUSED);
    become(BOB);
    assert_int_equal(t_lookup("/tmp/s"), -EACCES);
    become(ALICE);
    assert_int_equal(t_opens("/tmp/s", O_RDWR, 0), -ENXIO);
    assert_int_equal(t_link("/tmp/s", "/tmp/s2"), 0);
    assert_int_equal(t_unlink("/tmp/s"), 0);
    assert_false(t_effect(IPC_EFFECT_DROP, 400));
    assert_int_equal(t_lookup("/tmp/s2"), 400);
    assert_int_equal(t_unlink("/tmp/s2"), 0);
    assert_true(t_effect(IPC_EFFECT_DROP, 400)); /* which tells sockd */
    mem_fail_at(2);
    assert_int_equal(t_bind("/tmp/s", 0700, 402, ISSUER_SOCKD), -ENOSPC);
    assert_true(t_effect(IPC_EFFECT_DROP, 402));
    assert_int_equal(t_mknod("/tmp/dead", S_IFSOCK | 0777, 0), 0);
    assert_int_equal(t_lookup("/tmp/dead"), -ECONNREFUSED);
}

#define WAIT(function) cmocka_unit_test_setup_teardown(function, start, world_stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WAIT(session_life), WAIT(flocks),    WAIT(record_locks),
        WAIT(fifo_opening), WAIT(fifo_data), WAIT(socket_nodes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
