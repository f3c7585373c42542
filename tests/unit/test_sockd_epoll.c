/* sockd: epoll instances, checklist R2 (shared/AF_UNIX.md), after epoll(7), epoll_ctl(2) and
 * epoll_wait(2). SPDX-License-Identifier: MIT */
#include "sockd_harness.h"

#define IN LX_POLLIN
#define OUT LX_POLLOUT
#define ET LX_EPOLLET
#define ONESHOT LX_EPOLLONESHOT

static long epoll_make(void)
{
    assert_int_equal(ASK(BADGE_ROOT, SOCK_EVENT, 1, 0, 0), ST_OK);
    return (long)W.got[0].value;
}

/* The data of an interest is its number. */
static long ctl(long epoll, int operation, int fd, long target, uint32_t events)
{
    cap_own((uint64_t)target);
    return -(long)ASK((uint64_t)epoll, SOCK_EPOLL_CTL, (uint64_t)operation, (uint32_t)fd, events,
                      (uint64_t)fd, 0, 0, 0);
}
#define ADD(epoll, fd, target, events) ctl(epoll, LX_EPOLL_CTL_ADD, fd, target, events)
#define MOD(epoll, fd, target, events) ctl(epoll, LX_EPOLL_CTL_MOD, fd, target, events)
#define DEL(epoll, fd, target) ctl(epoll, LX_EPOLL_CTL_DEL, fd, target, 0)

static struct lx_epoll_event got[2000];

/* How many events; they are left in `got`. `words`: one may come in the reply. */
static long wait_by(long epoll, unsigned most, bool arm, bool words)
{
    memory_reset();
    W.out_size = most * sizeof(got[0]);
    enum status status = ASK((uint64_t)epoll, SOCK_EPOLL_WAIT, most, arm, 0, words);
    if (status != ST_OK)
        return -(long)status;
    memcpy(got, W.out, REPLY(0) * sizeof(got[0]));
    if (REPLY(2)) {
        assert_true(words && REPLY(0) == 1);
        got[0] = (struct lx_epoll_event){(uint32_t)REPLY(2), REPLY(3)};
    }
    return (long)REPLY(0);
}

/* In every other call one event may come in words, so that each test meets both ways. */
static long wait_arm(long epoll, unsigned most, bool arm)
{
    static bool words;
    words = !words;
    return wait_by(epoll, most, arm, words);
}
#define WAIT(epoll) wait_arm(epoll, 100, false)

/* Exactly one event, of number `fd` with these bits. */
static void one(long epoll, uint64_t fd, uint32_t events)
{
    assert_int_equal(WAIT(epoll), 1);
    assert_int_equal(got[0].data, fd);
    assert_int_equal(got[0].events, events);
}

static void r2_level(void **state)
{
    (void)state;
    long e = epoll_make(), fd[2];
    pair_make(LX_SOCK_STREAM, fd);
    assert_int_equal(ADD(e, 3, fd[0], IN), 0);
    assert_int_equal(WAIT(e), 0);
    sk_send(fd[1], "x", 1, 0);
    one(e, 3, IN);
    one(e, 3, IN);
    assert_int_equal(sk_recv(fd[0], 1, 0), 1);
    assert_int_equal(WAIT(e), 0);
    assert_int_equal(MOD(e, 3, fd[0], IN | OUT | LX_POLLRDHUP), 0);
    one(e, 3, OUT);
    fd_close(fd[1]);
    one(e, 3, IN | OUT | LX_POLLHUP | LX_POLLRDHUP);
    assert_int_equal(DEL(e, 3, fd[0]), 0);
    assert_int_equal(WAIT(e), 0);
}

static void r2_edge_reports_each_write(void **state)
{
    (void)state;
    long e = epoll_make(), fd[2];
    pair_make(LX_SOCK_STREAM, fd);
    assert_int_equal(ADD(e, 3, fd[0], IN | ET), 0);
    for (int i = 0; i < 3; i++) {
        sk_send(fd[1], "x", 1, 0);
        one(e, 3, IN);
        assert_int_equal(WAIT(e), 0);
    }
    assert_int_equal(MOD(e, 3, fd[0], IN | ET), 0); /* news again */
    one(e, 3, IN);
    sk_send(fd[1], "x", 1, 0);
    assert_int_equal(sk_recv(fd[0], 9, 0), 4); /* read before it was reported */
    assert_int_equal(WAIT(e), 0);
}

/* In words comes what looking does not change: alone, and neither EPOLLET nor EPOLLONESHOT. */
static void r2_one_event_in_words(void **state)
{
    (void)state;
    long e = epoll_make(), a[2], b[2];
    pair_make(LX_SOCK_STREAM, a);
    pair_make(LX_SOCK_STREAM, b);
    assert_int_equal(ADD(e, 3, a[0], IN), 0);
    assert_int_equal(ADD(e, 4, b[0], IN), 0);
    assert_int_equal(wait_by(e, 1, false, true), 0);
    sk_send(a[1], "x", 1, 0);
    for (int i = 0; i < 3; i++) { /* nothing is lost when it does not get to the program */
        assert_int_equal(wait_by(e, 1, false, true), 1);
        assert_int_equal(REPLY(2), IN);
        assert_int_equal(REPLY(3), 3);
    }
    sk_send(b[1], "x", 1, 0);
    assert_int_equal(wait_by(e, 9, false, true), 2); /* two: in memory */
    assert_int_equal(REPLY(2), 0);
    assert_int_equal(wait_by(e, 1, false, true), 1); /* in turn */
    assert_int_equal(got[0].data, 3);
    assert_int_equal(wait_by(e, 1, false, true), 1);
    assert_int_equal(got[0].data, 4);
    assert_int_equal(REPLY(2), 0);
    assert_int_equal(sk_recv(a[0], 1, 0), 1); /* it stands first and has nothing any more */
    assert_int_equal(wait_by(e, 1, false, true), 1);
    assert_int_equal(REPLY(2), IN);
    assert_int_equal(REPLY(3), 4);
    assert_int_equal(MOD(e, 4, b[0], IN | ONESHOT), 0);
    assert_int_equal(wait_by(e, 1, false, true), 1);
    assert_int_equal(REPLY(2), 0);
    assert_int_equal(MOD(e, 4, b[0], IN | ET), 0);
    assert_int_equal(wait_by(e, 1, false, true), 1);
    assert_int_equal(REPLY(2), 0);
    assert_int_equal(wait_by(e, 1, false, true), 0);
}

static void r2_one_shot(void **state)
{
    (void)state;
    long e = epoll_make(), fd[2];
    pair_make(LX_SOCK_STREAM, fd);
    assert_int_equal(ADD(e, 3, fd[0], IN | ONESHOT), 0);
    sk_send(fd[1], "x", 1, 0);
    one(e, 3, IN);
    sk_send(fd[1], "x", 1, 0);
    fd_close(fd[1]); /* not even a hang-up */
    assert_int_equal(WAIT(e), 0);
    assert_int_equal(MOD(e, 3, fd[0], IN | ONESHOT), 0);
    one(e, 3, IN | LX_POLLHUP);
    assert_int_equal(WAIT(e), 0);
}

static void r2_errors(void **state)
{
    (void)state;
    long e = epoll_make(), other = epoll_make(), fd[2];
    pair_make(LX_SOCK_STREAM, fd);
    assert_int_equal(ADD(e, 3, fd[0], IN), 0);
    assert_int_equal(ADD(e, 3, fd[0], IN), -ST_EXIST);
    assert_int_equal(ADD(e, 4, fd[0], IN), 0); /* another number of the same description */
    assert_int_equal(ADD(e, 3, fd[1], IN), 0); /* the number means another one by now */
    assert_int_equal(MOD(e, 5, fd[0], IN), -ST_NOENT);
    assert_int_equal(DEL(e, 5, fd[0]), -ST_NOENT);
    assert_int_equal(ADD(e, 7, e, IN), -ST_INVAL);
    assert_int_equal(ADD(fd[0], 7, fd[1], IN), -ST_INVAL);
    assert_int_equal(ctl(e, 7, 3, fd[0], IN), -ST_INVAL);
    assert_int_equal(ADD(e, 8, other, IN | LX_EPOLLEXCLUSIVE), -ST_INVAL);
    assert_int_equal(ADD(e, 8, fd[0], IN | LX_POLLRDHUP | LX_EPOLLEXCLUSIVE), -ST_INVAL);
    assert_int_equal(ADD(e, 8, fd[0], IN | LX_EPOLLEXCLUSIVE), 0);
    assert_int_equal(MOD(e, 8, fd[0], IN), -ST_INVAL);
    assert_int_equal(MOD(e, 4, fd[0], IN | LX_EPOLLEXCLUSIVE), -ST_INVAL);
    assert_int_equal(DEL(e, 8, fd[0]), 0);
    assert_int_equal(ASK((uint64_t)e, SOCK_EPOLL_CTL, 1, 3, IN, 0, 0, 0, 0), ST_BADF);
    cap_foreign(AR_GATE, ISSUER_FILED);
    assert_int_equal(ASK((uint64_t)e, SOCK_EPOLL_CTL, 1, 9, IN, 0, 0, 0, 0), ST_BADF);
    assert_int_equal(wait_arm(fd[0], 1, false), -ST_INVAL);
    assert_int_equal(wait_arm((long)W.session_badge[1], 1, false), -ST_BADF);
}

static void r2_the_description_is_the_key(void **state)
{
    (void)state;
    long e = epoll_make(), fd[2];
    pair_make(LX_SOCK_STREAM, fd);
    assert_int_equal(ADD(e, 3, fd[0], IN), 0);
    W.copies[fd[0]]++; /* dup */
    fd_close(fd[0]);   /* 3 is closed, and goes on reporting */
    sk_send(fd[1], "x", 1, 0);
    one(e, 3, IN);
    fd_close(fd[0]); /* now the description ends */
    assert_int_equal(WAIT(e), 0);
    assert_int_equal(fd_poll(e), 0);
}

static void r2_round_robin(void **state)
{
    (void)state;
    long e = epoll_make(), fd[5][2];
    for (int i = 0; i < 5; i++) {
        pair_make(LX_SOCK_STREAM, fd[i]);
        assert_int_equal(ADD(e, i, fd[i][0], IN), 0);
    }
    static const int order[] = {2, 0, 4, 1, 3};
    for (int i = 0; i < 5; i++)
        sk_send(fd[order[i]][1], "x", 1, 0);
    for (int i = 0; i < 12; i++) { /* one at a time, in the order of arrival, again and again */
        assert_int_equal(wait_arm(e, 1, false), 1);
        assert_int_equal(got[0].data, order[i % 5]);
    }
    assert_int_equal(wait_arm(e, 2, false), 2); /* the third and fourth; then the rest comes first */
    assert_int_equal(WAIT(e), 5);
    assert_int_equal(got[0].data, order[4]);
    assert_int_equal(got[1].data, order[0]);
    /* of two numbers of one description the newer is told first, as on Linux */
    long f = epoll_make();
    assert_int_equal(ADD(f, 1, fd[0][0], IN | ET), 0);
    assert_int_equal(ADD(f, 2, fd[0][0], IN | ET), 0);
    assert_int_equal(WAIT(f), 2);
    sk_send(fd[0][1], "x", 1, 0);
    assert_int_equal(WAIT(f), 2);
    assert_int_equal(got[0].data, 2);
    assert_int_equal(got[1].data, 1);
}

static void r2_waiting(void **state)
{
    (void)state;
    long e = epoll_make(), fd[2], late[2];
    pair_make(LX_SOCK_STREAM, fd);
    pair_make(LX_SOCK_STREAM, late);
    sk_send(late[1], "x", 1, 0);
    assert_int_equal(ADD(e, 3, fd[0], IN), 0);
    assert_int_equal(wait_arm(e, 1, true), -ST_WAIT);
    sk_send(fd[0], "x", 1, 0); /* of no interest */
    assert_int_equal(woken(USER), 0);
    sk_send(fd[1], "x", 1, 0);
    assert_int_equal(woken(USER), 1);
    one(e, 3, IN);
    sk_recv(fd[0], 1, 0);
    assert_int_equal(wait_arm(e, 1, true), -ST_WAIT);
    assert_int_equal(ADD(e, 4, late[0], IN), 0); /* ready from the start */
    assert_int_equal(woken(USER), 1);
    one(e, 4, IN);
    assert_int_equal(DEL(e, 4, late[0]), 0);
    assert_int_equal(fd_poll_arm(e, IN, true), 0); /* poll(2) on the instance */
    sk_send(fd[1], "x", 1, 0);
    assert_int_equal(woken(USER), 1);
    assert_int_equal(fd_poll(e), IN | LX_POLLRDNORM);
    W.as = PRINCIPAL(1, 77);
    sk_recv(fd[0], 1, 0);
    assert_int_equal(wait_arm(e, 1, true), -ST_SESSION);
}

/* What stands on the ready list has been told of: a change of it is news only when it was not there. */
static void r2_a_change_of_what_is_ready(void **state)
{
    (void)state;
    long inner = epoll_make(), outer = epoll_make(), fd[2];
    pair_make(LX_SOCK_STREAM, fd);
    assert_int_equal(ADD(outer, 4, inner, IN | ET), 0);
    assert_int_equal(ADD(inner, 3, fd[0], OUT), 0);
    one(outer, 4, IN);
    one(inner, 3, OUT);
    assert_int_equal(MOD(inner, 3, fd[0], IN | OUT), 0);
    assert_int_equal(WAIT(outer), 0);
    assert_int_equal(MOD(inner, 3, fd[0], IN), 0);
    assert_int_equal(WAIT(inner), 0); /* it is taken off */
    assert_int_equal(MOD(inner, 3, fd[0], OUT), 0);
    one(outer, 4, IN);
}

static void r2_pipes_and_counters(void **state)
{
    (void)state;
    long e = epoll_make();
    assert_int_equal(ASK(BADGE_ROOT, SOCK_PIPE, 0), ST_OK);
    long reader = (long)W.got[0].value, writer = (long)W.got[1].value;
    assert_int_equal(ASK(BADGE_ROOT, SOCK_EVENT, 0, 0, LX_EFD_NONBLOCK), ST_OK);
    long counter = (long)W.got[0].value;
    assert_int_equal(ADD(e, 1, reader, IN | ET), 0);
    assert_int_equal(ADD(e, 2, writer, OUT | ET), 0);
    assert_int_equal(ADD(e, 3, counter, IN | ET), 0);
    one(e, 2, OUT);
    for (int i = 0; i < 2; i++) {
        fd_write(writer, "x", 1);
        one(e, 1, IN);
        fd_write(counter, "\1\0\0\0\0\0\0\0", 8);
        one(e, 3, IN);
    }
    fd_read(reader, 2); /* it was not full, so there is no news for writers */
    assert_int_equal(WAIT(e), 0);
    for (int i = 0; i < 16; i++)
        assert_int_equal(fd_write(writer, NULL, 4096), 4096);
    one(e, 1, IN);
    fd_read(reader, 4096);
    one(e, 2, OUT);
    fd_close(writer);
    one(e, 1, IN | LX_POLLHUP);
}

static void r2_a_full_datagram_queue(void **state)
{
    (void)state;
    long e = epoll_make(), server = sk(LX_SOCK_DGRAM), client = sk(LX_SOCK_DGRAM);
    assert_int_equal(sk_bind(server, "@d"), 0);
    assert_int_equal(sk_connect(client, "@d", 0), 0);
    assert_int_equal(ADD(e, 3, client, OUT | ET), 0);
    one(e, 3, OUT);
    while (sk_send(client, "x", 1, LX_MSG_DONTWAIT) == 1)
        ;
    assert_int_equal(fd_poll_arm(client, OUT, true), 0);
    assert_int_equal(WAIT(e), 0);
    assert_int_equal(sk_recv(server, 1, 0), 1);
    assert_int_equal(woken(USER), 1);
    one(e, 3, OUT);
    sk_send(client, "x", 1, 0);
    assert_int_equal(fd_poll(client) & OUT, 0);
    fd_close(server); /* the relay goes with the queue */
    assert_int_equal(fd_poll(client) & OUT, OUT);
}

static void r2_nested(void **state)
{
    (void)state;
    long inner = epoll_make(), outer = epoll_make(), fd[2];
    pair_make(LX_SOCK_STREAM, fd);
    assert_int_equal(ADD(inner, 3, fd[0], IN), 0);
    assert_int_equal(ADD(outer, 4, inner, IN | ET), 0);
    assert_int_equal(wait_arm(outer, 1, true), -ST_WAIT);
    sk_send(fd[1], "x", 1, 0);
    assert_int_equal(woken(USER), 1);
    one(outer, 4, IN);
    assert_int_equal(WAIT(outer), 0);
    sk_send(fd[1], "x", 1, 0); /* each event goes all the way up */
    one(outer, 4, IN);
    one(inner, 3, IN);
    assert_int_equal(MOD(outer, 4, inner, IN), 0);
    one(outer, 4, IN);
    sk_recv(fd[0], 2, 0);
    assert_int_equal(WAIT(outer), 0);
    fd_close(inner);
    assert_int_equal(WAIT(outer), 0);
}

/* Five sets in a row and no more, whichever end is added last; no loops. */
static void r2_nesting_limits(void **state)
{
    (void)state;
    long e[7];
    for (int i = 0; i < 7; i++)
        e[i] = epoll_make();
    for (int i = 0; i < 4; i++)
        assert_int_equal(ADD(e[i], i, e[i + 1], IN), 0);
    assert_int_equal(ADD(e[4], 9, e[5], IN), -ST_LOOP);
    assert_int_equal(ADD(e[6], 9, e[0], IN), -ST_LOOP);
    assert_int_equal(ADD(e[4], 9, e[0], IN), -ST_LOOP);
    assert_int_equal(ADD(e[1], 9, e[0], IN), -ST_LOOP);
    assert_int_equal(ADD(e[5], 9, e[6], IN), 0);
    assert_int_equal(ADD(e[1], 9, e[5], IN), 0); /* 0 1 5 6 */
    assert_int_equal(ADD(e[3], 9, e[5], IN), -ST_LOOP);
    assert_int_equal(ADD(e[0], 0, e[1], IN), -ST_EXIST);
    long fd[2];
    pair_make(LX_SOCK_STREAM, fd);
    assert_int_equal(ADD(e[4], 5, fd[0], IN), 0);
    assert_int_equal(ADD(e[6], 5, fd[0], IN), 0);
    assert_int_equal(wait_arm(e[0], 1, true), -ST_WAIT);
    sk_send(fd[1], "x", 1, 0);
    assert_int_equal(woken(USER), 1); /* by two ways, once */
    one(e[0], 0, IN);
}

/* A graph with very many ways through it costs no more than its edges. */
static void r2_diamonds(void **state)
{
    (void)state;
    enum { WIDTH = 40, LEVELS = 5 };
    static long e[LEVELS][WIDTH];
    long fd[2];
    pair_make(LX_SOCK_STREAM, fd);
    for (int level = 0; level < LEVELS; level++)
        for (int i = 0; i < WIDTH; i++) {
            e[level][i] = epoll_make();
            for (int j = 0; j < (level ? WIDTH : 1); j++) {
                long target = level ? e[level - 1][j] : fd[0];
                assert_int_equal(ADD(e[level][i], j, target, IN), 0);
            }
        }
    sk_send(fd[1], "x", 1, 0);
    assert_int_equal(WAIT(e[LEVELS - 1][0]), WIDTH);
}

static void r2_exclusive(void **state)
{
    (void)state;
    long a = epoll_make(), b = epoll_make(), c = epoll_make(), server = sk(LX_SOCK_STREAM);
    assert_int_equal(sk_bind(server, "@x"), 0);
    assert_int_equal(sk_listen(server, 9), 0);
    assert_int_equal(ADD(a, 1, server, IN | LX_EPOLLEXCLUSIVE), 0);
    assert_int_equal(ADD(b, 2, server, IN | LX_EPOLLEXCLUSIVE), 0);
    assert_int_equal(ADD(c, 3, server, IN), 0);
    W.as = ROOT;
    assert_int_equal(wait_arm(a, 1, true), -ST_WAIT);
    W.as = OTHER;
    assert_int_equal(wait_arm(b, 1, true), -ST_WAIT);
    W.as = USER;
    assert_int_equal(wait_arm(c, 1, true), -ST_WAIT);
    assert_int_equal(sk_connect(sk(LX_SOCK_STREAM), "@x", 0), 0);
    assert_int_equal(woken(ROOT) + woken(OTHER), 1);
    assert_int_equal(woken(USER), 1); /* not exclusive */
    assert_int_equal(sk_connect(sk(LX_SOCK_STREAM), "@x", 0), 0);
    assert_int_equal(woken(ROOT) + woken(OTHER), 1); /* the one that still waits */
}

static void r2_many_events_and_bad_memory(void **state)
{
    (void)state;
    long e = epoll_make(), fd[2];
    pair_make(LX_SOCK_STREAM, fd);
    sk_send(fd[1], "x", 1, 0);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(ADD(e, i, fd[0], IN | ET), 0);
    memory_reset();
    W.out_size = 12000;
    W.out_bad = 64 * 12 + 5; /* behind the first batch */
    assert_int_equal(ASK((uint64_t)e, SOCK_EPOLL_WAIT, 1000, 0, 0, 1), ST_OK);
    assert_int_equal(REPLY(0), 64);
    W.out_bad = 5;
    assert_int_equal(ASK((uint64_t)e, SOCK_EPOLL_WAIT, 1000, 0, 0, 1), ST_FAULT);
    assert_int_equal(wait_arm(e, 2000, false), 1000 - 64); /* none was lost */
    assert_int_equal(got[0].data, 64);
    assert_int_equal(got[1000 - 65].data, 999);
}

static long ctl_foreign(long epoll, int operation, int fd, uint64_t badge, uint32_t events)
{
    return -(long)ASK((uint64_t)epoll, SOCK_EPOLL_CTL, (uint64_t)operation, (uint32_t)fd, events,
                      (uint64_t)fd, 1, ISSUER_FILED, badge);
}

/* What the set wants asked: how many; ids in `ids`. */
static unsigned foreign_list(long epoll, uint64_t ids[32])
{
    memory_reset();
    W.out_size = 32 * 40;
    assert_int_equal(ASK((uint64_t)epoll, SOCK_EPOLL_FOREIGN, 0), ST_OK);
    for (unsigned i = 0; i < REPLY(0); i++)
        memcpy(&ids[i], &W.out[i * 40], 8);
    return (unsigned)REPLY(0);
}

static void report(long epoll, uint64_t id, uint64_t ready, uint64_t sequence)
{
    const uint64_t words[3] = {id, ready, sequence};
    memory_reset();
    memcpy(W.in, words, sizeof(words));
    W.in_size = sizeof(words);
    assert_int_equal(ASK((uint64_t)epoll, SOCK_EPOLL_REPORT, 1), ST_OK);
}

static long wait_reported(long epoll, bool arm)
{
    memory_reset();
    W.out_size = sizeof(got);
    enum status status = ASK((uint64_t)epoll, SOCK_EPOLL_WAIT, 100, arm, 1, 0);
    if (status == ST_OK)
        memcpy(got, W.out, REPLY(0) * sizeof(got[0]));
    return status == ST_OK ? (long)REPLY(0) : -(long)status;
}

static void r2_foreign(void **state)
{
    (void)state;
    long e = epoll_make(), outer = epoll_make();
    uint64_t ids[32];
    assert_int_equal(ADD(outer, 5, e, IN), 0);
    assert_int_equal(wait_arm(outer, 1, true), -ST_WAIT);
    assert_int_equal(ctl_foreign(e, LX_EPOLL_CTL_ADD, 3, 77, IN), 0);
    assert_int_equal(woken(USER), 1); /* who waits must ask now, in a set around it too */
    assert_int_equal(ctl_foreign(e, LX_EPOLL_CTL_ADD, 3, 77, IN), -ST_EXIST);
    assert_int_equal(ctl_foreign(e, LX_EPOLL_CTL_ADD, 3, 78, IN | ET), 0);
    assert_int_equal(WAIT(outer), 0);
    assert_int_equal(REPLY(1), 1); /* ask first */
    assert_int_equal(foreign_list(outer, ids), 2);
    report(outer, ids[0], IN, 1);
    report(outer, ids[1], IN, 1);
    assert_int_equal(wait_reported(outer, false), 1); /* the set in it */
    assert_int_equal(wait_reported(e, false), 2);
    report(e, ids[0], IN, 1);
    report(e, ids[1], IN, 1);
    assert_int_equal(wait_reported(e, false), 1); /* level again, edge not */
    assert_int_equal(got[0].data, 3);
    report(e, ids[0], 0, 2);
    report(e, ids[1], IN, 2);
    assert_int_equal(wait_reported(e, false), 1); /* news on the edge */
    report(e, ids[1], SOCK_EPOLL_UNSEEN, 0);
    assert_int_equal(wait_reported(e, false), 0);
    report(e, ids[1], IN, 2); /* no news, though one who cannot see it has asked */
    assert_int_equal(wait_reported(e, false), 0);
    assert_int_equal(wait_reported(e, true), -ST_WAIT);
    assert_int_equal(ctl_foreign(e, LX_EPOLL_CTL_MOD, 3, 77, IN | ONESHOT), 0);
    assert_int_equal(woken(USER), 1);
    report(e, ids[0], IN, 3);
    assert_int_equal(wait_reported(e, false), 1);
    report(e, ids[0], IN, 4);
    assert_int_equal(wait_reported(e, false), 0); /* spent */
    report(e, 12345, IN, 4);                      /* nobody */
    W.as = ROOT;
    assert_int_equal(ctl_foreign(e, SOCK_EPOLL_FORGET, 0, 77, 0), 0); /* not its own */
    assert_int_equal(foreign_list(e, ids), 2);
    W.as = USER;
    assert_int_equal(ctl_foreign(e, SOCK_EPOLL_FORGET, 0, 77, 0), 0);
    assert_int_equal(foreign_list(e, ids), 1);
    assert_int_equal(ctl_foreign(e, LX_EPOLL_CTL_DEL, 3, 77, 0), -ST_NOENT);
    assert_int_equal(ctl_foreign(e, LX_EPOLL_CTL_DEL, 3, 78, 0), 0);
}

/* All who wait are told, but not who polls the set for something else than POLLIN. */
static void r2_who_is_told_of_foreign_ones(void **state)
{
    (void)state;
    long e = epoll_make();
    assert_int_equal(wait_arm(e, 1, true), -ST_WAIT);
    W.as = ROOT;
    assert_int_equal(wait_arm(e, 1, true), -ST_WAIT);
    assert_int_equal(ctl_foreign(e, LX_EPOLL_CTL_ADD, 3, 77, IN), 0);
    assert_int_equal(woken(USER), 1);
    assert_int_equal(woken(ROOT), 1);
    W.as = USER;
    assert_int_equal(fd_poll_arm(e, IN, true), 0);
    assert_int_equal(ctl_foreign(e, LX_EPOLL_CTL_ADD, 4, 78, IN), 0);
    assert_int_equal(woken(USER), 1);
    assert_int_equal(fd_poll_arm(e, LX_POLLRDNORM, true), 0);
    assert_int_equal(ctl_foreign(e, LX_EPOLL_CTL_ADD, 5, 79, IN), 0);
    assert_int_equal(woken(USER), 0);
}

/* An interest holds nothing: an instance in flight inside a socket that it watches goes with it. */
static void r2_in_flight_cycles(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        long e = epoll_make(), fd[2];
        pair_make(LX_SOCK_STREAM, fd);
        assert_int_equal(ADD(e, 3, fd[0], IN), 0);
        assert_int_equal(ADD(e, 4, fd[1], IN), 0);
        long rights[] = {e, fd[0], fd[1]};
        assert_int_equal(stage_own(rights, 3), 3);
        struct send_extra extra = {.staged = 3};
        assert_int_equal(sk_send_extra(fd[1], "x", 1, 0, extra), 1);
        fd_close(e);
        fd_close(fd[0]);
        fd_close(fd[1]);
    }
    assert_int_equal(counts_get().sockets, 0);
    assert_int_equal(counts_get().in_flight, 0);
}

static void r2_passed(void **state)
{
    (void)state;
    long e = epoll_make(), fd[2], way[2];
    pair_make(LX_SOCK_STREAM, fd);
    pair_make(LX_SOCK_STREAM, way);
    assert_int_equal(ADD(e, 3, fd[0], IN), 0);
    assert_int_equal(stage_own(&e, 1), 1);
    assert_int_equal(sk_send_extra(way[0], "x", 1, 0, (struct send_extra){.staged = 1}), 1);
    fd_close(e); /* in flight alone, and still told */
    sk_send(fd[1], "x", 1, 0);
    W.as = OTHER;
    assert_int_equal(sk_recv_rights(way[1], 1, 0, 1), 1);
    one((long)W.got[0].value, 3, IN);
}

/* Linux: max_user_watches, ENOSPC. */
static void r2_limits(void **state)
{
    (void)state;
    world_end();
    struct sockd_limits limits = default_limits;
    limits.interests = 1000;
    world_begin(&limits);
    long e = epoll_make(), fd[2], made = 0;
    pair_make(LX_SOCK_STREAM, fd);
    long result;
    while ((result = ADD(e, (int)made, fd[0], IN)) == 0)
        made++;
    assert_int_equal(result, -ST_NOSPC);
    assert_int_equal(made, 500); /* a user's half */
    assert_int_equal(ADD(epoll_make(), 1, fd[0], IN), -ST_NOSPC);
    W.as = ROOT;
    assert_int_equal(ADD(epoll_make(), 1, fd[0], IN), 0);
    assert_int_equal(ADD(e, 1000, fd[0], IN), -ST_NOSPC); /* who made the set pays */
    W.as = USER;
    fd_close(e);
    e = epoll_make();
    sockd_expired(W.sockd, 0, &W.effects); /* the rest of what it had */
    assert_int_equal(ADD(e, 1, fd[0], IN), 0);
    for (int i = 0; i < 2; i++) { /* memory */
        mem_fail_at(1);
        assert_int_equal(ADD(e, 2, fd[0], IN), -ST_NOMEM);
    }
    assert_int_equal(ADD(e, 2, fd[0], IN), 0);
}

static void r2_watchers_of_one_description(void **state)
{
    (void)state;
    long e = epoll_make(), fd[2];
    pair_make(LX_SOCK_STREAM, fd);
    long made = 0;
    while (ADD(e, (int)made, fd[0], IN) == 0)
        made++;
    assert_int_equal(made, 1024);
    fd_close(fd[0]); /* takes them all along */
    assert_int_equal(ADD(e, 1, fd[1], IN), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(r2_level),
        TEST(r2_edge_reports_each_write),
        TEST(r2_one_event_in_words),
        TEST(r2_one_shot),
        TEST(r2_errors),
        TEST(r2_the_description_is_the_key),
        TEST(r2_round_robin),
        TEST(r2_waiting),
        TEST(r2_a_change_of_what_is_ready),
        TEST(r2_pipes_and_counters),
        TEST(r2_a_full_datagram_queue),
        TEST(r2_nested),
        TEST(r2_nesting_limits),
        TEST(r2_diamonds),
        TEST(r2_exclusive),
        TEST(r2_many_events_and_bad_memory),
        TEST(r2_foreign),
        TEST(r2_who_is_told_of_foreign_ones),
        TEST(r2_in_flight_cycles),
        TEST(r2_passed),
        TEST(r2_limits),
        TEST(r2_watchers_of_one_description),
    };
    harness_unused();
    (void)sk_recv_rights;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
