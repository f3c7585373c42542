/*
 * What one process may hold, who pays for what, and that others go on. SPDX-License-Identifier: MIT
 */
#include "sockd_harness.h"

#define SECOND PRINCIPAL(4, 4) /* another process of root's, pid 104 */
#define ALL (1u << 20)         /* bytes queued, of everybody */

static int setup_small(void **state)
{
    (void)state;
    const struct sockd_limits limits = {.objects = 200,
                                        .objects_of_user = 200,
                                        .queued = ALL,
                                        .queued_of_user = ALL,
                                        .messages = 400,
                                        .in_flight = 60};
    world_begin(&limits);
    credentials_set(4, 104, 0);
    session_make(SECOND);
    W.as = ROOT;
    return 0;
}

static unsigned sockets_make(void)
{
    unsigned made = 0;
    while (sk(LX_SOCK_DGRAM) > 0)
        made++;
    return made;
}

/* Datagrams of `length` into pairs until one does not fit; returns how many did. */
static unsigned queue_fill(size_t length, long *result)
{
    unsigned sent = 0;
    for (;;) {
        long fd[2];
        pair_make(LX_SOCK_DGRAM, fd);
        while ((*result = sk_send_size(fd[0], length, LX_MSG_DONTWAIT)) >= 0)
            sent++;
        if (*result != -ST_AGAIN)
            return sent;
    }
}

static void sockets_of_a_process(void **state)
{
    (void)state;
    /* 4 sessions; h + 1 <= 4 * (200 - 3 - (h + 1)) lets 157 be its own, the session among them */
    assert_int_equal(sockets_make(), 156);
    assert_int_equal(sk(LX_SOCK_STREAM), -ST_MFILE);
    assert_int_equal(ASK(BADGE_ROOT, SOCK_PIPE, 0), ST_MFILE);
    assert_int_equal(ASK(BADGE_ROOT, SOCK_SOCKET_PAIR, LX_AF_UNIX, LX_SOCK_DGRAM, 0), ST_MFILE);
    W.as = SECOND;
    assert_in_range(sockets_make(), 30, 40);
    W.as = OTHER;
    assert_in_range(sockets_make(), 5, 10);
}

static void queued_bytes_of_a_process(void **state)
{
    (void)state;
    long result;
    unsigned sent = queue_fill(50000, &result);
    assert_int_equal(result, -ST_NOBUFS);
    assert_in_range(counts_get().queued, ALL / 2 - 60000, ALL / 2);
    W.as = SECOND;
    unsigned second = queue_fill(50000, &result);
    assert_int_equal(result, -ST_NOBUFS);
    assert_in_range(second, sent / 2, sent / 2 + 1);
    W.as = OTHER; /* a third finds a quarter */
    assert_in_range(queue_fill(50000, &result), 1, sent / 2);
}

static void queued_messages_of_a_process(void **state)
{
    (void)state;
    long result;
    assert_int_equal(queue_fill(0, &result), 200);
    assert_int_equal(result, -ST_NOBUFS);
    W.as = SECOND;
    assert_int_equal(queue_fill(0, &result), 100);
}

static void pages_of_pipes_count(void **state)
{
    (void)state;
    unsigned pages = 0;
    for (long count = 0; count >= 0;) {
        assert_int_equal(ASK(BADGE_ROOT, SOCK_PIPE, LX_O_NONBLOCK), ST_OK);
        long end = (long)W.got[1].value;
        while ((count = fd_write(end, NULL, 4096)) > 0)
            pages++;
        if (count == -ST_AGAIN)
            count = 0;
    }
    assert_int_equal(pages, ALL / 2 / 4096);
}

static void descriptors_in_flight_of_a_process(void **state)
{
    (void)state;
    long fd = sk(LX_SOCK_DGRAM), pair[2];
    pair_make(LX_SOCK_DGRAM, pair);
    const long fds[6] = {fd, fd, fd, fd, fd, fd};
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(stage_own(fds, 6), 6);
        assert_int_equal(sk_send_extra(pair[0], "x", 1, 0, (struct send_extra){.staged = 6}), 1);
    }
    assert_int_equal(stage_own(&fd, 1), -ST_TOOMANYREFS); /* 30 of 60: the others must have 30 */
    assert_int_equal(counts_get().in_flight, 30);
    W.as = SECOND;
    assert_int_equal(stage_own(fds, 6), 6);
    W.as = ROOT;
    sk_recv(pair[1], 1, 0);
    assert_int_equal(stage_own(&fd, 1), 1);
}

/* The description is ROOT's, SECOND (as after fork) fills it: SECOND pays, sndbuf bounds it. */
static void who_sends_pays(void **state)
{
    (void)state;
    long pairs[10][2], result = 0;
    for (unsigned i = 0; i < 10; i++)
        pair_make(LX_SOCK_STREAM, pairs[i]);
    W.as = SECOND;
    for (unsigned i = 0; i < 10 && result != -ST_NOBUFS; i++)
        while ((result = sk_send_size(pairs[i][0], 30000, LX_MSG_DONTWAIT)) > 0)
            continue;
    assert_int_equal(result, -ST_NOBUFS);
    W.as = ROOT;
    assert_int_equal(sk_send_size(pairs[9][1], 1000, 0), 1000);
}

static void who_accepts_pays(void **state)
{
    (void)state;
    long server = sk(LX_SOCK_STREAM);
    sk_bind(server, "@s");
    sk_listen(server, 200);
    W.as = SECOND;
    unsigned clients = 0;
    for (; clients < 60; clients++)
        assert_int_equal(sk_connect(sk(LX_SOCK_STREAM), "@s", 0), 0);
    W.as = ROOT;
    for (unsigned i = 0; i < 60; i++)
        assert_true(sk_accept(server) > 0);
    assert_int_equal(sk_accept(server), -ST_WAIT);
    W.as = SECOND; /* 35 if it still paid for the 60 ends of the server */
    assert_int_equal(sockets_make(), 47);
    W.as = ROOT;
    assert_int_equal(sk_accept(server), -ST_WAIT);
}

/* Over its share the acceptor gets MFILE, and the connection waits. */
static void accept_over_the_share(void **state)
{
    (void)state;
    long server = sk(LX_SOCK_STREAM);
    sk_bind(server, "@s");
    sk_listen(server, 200);
    unsigned own = sockets_make();
    W.as = SECOND;
    assert_int_equal(sk_connect(sk(LX_SOCK_STREAM), "@s", 0), 0);
    W.as = ROOT;
    assert_int_equal(sk_accept(server), -ST_MFILE);
    for (uint64_t badge = (uint64_t)server + 1; own > 20 && badge < BADGES_MAX; badge++)
        if (W.copies[badge] && badge != W.session_badge[4]) {
            fd_close(badge);
            own--;
        }
    assert_true(sk_accept(server) > 0);
}

/* An index is used again for another process: a fresh account. */
static void a_new_process_starts_at_nothing(void **state)
{
    (void)state;
    long result, fd[2];
    queue_fill(50000, &result);
    assert_int_equal(result, -ST_NOBUFS);
    credentials_set(2, 999, 0);
    pair_make(LX_SOCK_DGRAM, fd);
    assert_int_equal(sk_send_size(fd[0], 50000, LX_MSG_DONTWAIT), 50000);
    credentials_set(2, 102, 0);
}

#define SMALL(name) cmocka_unit_test_setup_teardown(name, setup_small, teardown)

int main(void)
{
    harness_unused();
    const struct CMUnitTest tests[] = {
        SMALL(sockets_of_a_process),
        SMALL(queued_bytes_of_a_process),
        SMALL(queued_messages_of_a_process),
        SMALL(pages_of_pipes_count),
        SMALL(descriptors_in_flight_of_a_process),
        SMALL(who_sends_pays),
        SMALL(who_accepts_pays),
        SMALL(accept_over_the_share),
        SMALL(a_new_process_starts_at_nothing),
    };
    return cmocka_run_group_tests_name("sockd quota", tests, NULL, NULL);
}
