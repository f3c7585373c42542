/* sockd: bugs that others shipped, one test each: lines B2 to B6 and B9 to B11 of docs/af_unix.md. B1, B7 and B8 are
 * libposix's: tests/boot/programs/posix_corner.c. SPDX-License-Identifier: MIT */
#include "sockd_harness.h"

/* The leading NUL counts, and two names that differ behind a NUL are two names. */
static void b2_abstract_names_keep_their_nul(void **state)
{
    (void)state;
    long fd = sk(LX_SOCK_STREAM);
    assert_int_equal(sk_bind(fd, "@auth"), 0);
    memory_reset();
    W.out_size = 128;
    assert_int_equal(ASK((uint64_t)fd, SOCK_GET_NAME, 0), ST_OK);
    assert_int_equal(REPLY(0), 2 + 5);
    assert_memory_equal(W.out, "\1\0\0auth", 7);
}

static void b3_peer_credentials_name_the_peer(void **state)
{
    (void)state;
    long listener, client;
    W.as = ROOT;
    listener = sk(LX_SOCK_STREAM);
    assert_int_equal(sk_bind(listener, "@server"), 0);
    assert_int_equal(sk_listen(listener, 1), 0);
    W.as = USER;
    client = sk(LX_SOCK_STREAM);
    assert_int_equal(sk_connect(client, "@server", 0), 0);
    assert_int_equal(sk_get(client, LX_SO_PEERCRED), 102); /* the server's pid, not its own */
    W.as = ROOT;
    assert_int_equal(sk_get(sk_accept(listener), LX_SO_PEERCRED), 101);
}

static void b3_connect_leaves_a_connection_alone(void **state)
{
    (void)state;
    long a = sk(LX_SOCK_STREAM), b = sk(LX_SOCK_STREAM), client = sk(LX_SOCK_STREAM);
    assert_int_equal(sk_bind(a, "@a") + sk_listen(a, 1) + sk_bind(b, "@b") + sk_listen(b, 1), 0);
    assert_int_equal(sk_connect(client, "@a", 0), 0);
    assert_int_equal(sk_connect(client, "@b", 0), -(long)ST_ISCONN);
    assert_int_equal(sk_send(client, "to a", 4, 0), 4);
    assert_int_equal(sk_recv(sk_accept(a), 9, 0), 4);
    fd_nonblock(b);
    assert_int_equal(sk_accept(b), -(long)ST_AGAIN);
}

/* What arrives is the description itself: no path is opened, and the state is shared. */
static void b3_a_passed_descriptor_is_the_same(void **state)
{
    (void)state;
    long pair[2], passed[2];
    pair_make(LX_SOCK_STREAM, pair);
    pair_make(LX_SOCK_STREAM, passed);
    assert_int_equal(stage_own(passed, 1), 1);
    assert_int_equal(sk_send_extra(pair[0], "x", 1, 0, (struct send_extra){.staged = 1}), 1);
    assert_int_equal(sk_recv_rights(pair[1], 1, 0, 1), 1);
    assert_int_equal(W.got[0].value, passed[0]);
}

static void b4_no_credentials_unless_asked_for(void **state)
{
    (void)state;
    long pair[2];
    pair_make(LX_SOCK_STREAM, pair);
    assert_int_equal(sk_send(pair[0], "x", 1, 0), 1);
    assert_int_equal(sk_recv_rights(pair[1], 9, 0, 9), 1);
    assert_int_equal(RECV_CREDENTIALS, 0);
    assert_int_equal(RECV_RIGHTS, 0);
}

/* Every flag alone and all together, on every type: nobody else's sockets notice. */
static void b5_no_flags_end_the_server(void **state)
{
    (void)state;
    static const int types[] = {LX_SOCK_STREAM, LX_SOCK_DGRAM, LX_SOCK_SEQPACKET};
    long pair[2], good[2];
    pair_make(LX_SOCK_STREAM, good);
    for (unsigned type = 0; type < 3; type++)
        for (unsigned bit = 0; bit <= 64; bit++) {
            uint64_t flags = bit == 64 ? UINT64_MAX : 1ull << bit;
            pair_make(types[type], pair);
            sk_send(pair[0], "x", 1, flags | LX_MSG_DONTWAIT);
            sk_recv(pair[1], 1, flags | LX_MSG_DONTWAIT);
            ASK((uint64_t)pair[0], SOCK_SHUTDOWN, flags);
            ASK((uint64_t)pair[0], IO_SET_FLAGS, flags);
            ASK((uint64_t)pair[0], IO_POLL, flags, 0);
            ASK(BADGE_ROOT, SOCK_SOCKET, LX_AF_UNIX, flags, 0);
            sk_set(pair[0], (int)flags, (int)flags);
            sk_get(pair[0], (int)flags);
            fd_close((uint64_t)pair[0]), fd_close((uint64_t)pair[1]);
        }
    assert_int_equal(sk_send(good[0], "still", 5, 0), 5);
    assert_int_equal(sk_recv(good[1], 9, 0), 5);
}

/* Peeks, short reads and messages without descriptors in between: each comes with its own byte. */
static void b6_descriptors_stay_with_their_bytes(void **state)
{
    (void)state;
    long pair[2], passed[10];
    pair_make(LX_SOCK_STREAM, pair);
    for (unsigned i = 0; i < 10; i++) {
        char byte = (char)i;
        passed[i] = sk(LX_SOCK_DGRAM);
        assert_int_equal(sk_send(pair[0], "--", 2, 0), 2);
        assert_int_equal(stage_own(&passed[i], 1), 1);
        assert_int_equal(sk_send_extra(pair[0], &byte, 1, 0, (struct send_extra){.staged = 1}), 1);
    }
    for (unsigned i = 0; i < 10; i++) {
        sk_recv_rights(pair[1], 1 + i % 3, LX_MSG_PEEK, i % 2);
        assert_int_equal(sk_recv_rights(pair[1], 1, 0, 1), 1);
        assert_int_equal(RECV_RIGHTS, 0);
        assert_int_equal(sk_recv_rights(pair[1], 9, 0, 1), 2);
        assert_int_equal(RECV_RIGHTS, 1);
        assert_int_equal(W.out[1], i);
        assert_int_equal(W.got[0].value, passed[i]);
    }
}

/* Queues end somewhere, and a neighbour's do not feel it. */
static void b9_queues_are_bounded(void **state)
{
    (void)state;
    long pair[2], dgram[2], listener = sk(LX_SOCK_STREAM), other[2];
    uint64_t sent = 0;
    pair_make(LX_SOCK_STREAM, pair);
    pair_make(LX_SOCK_DGRAM, dgram);
    while (sk_send_size(pair[0], 60000, LX_MSG_DONTWAIT) > 0)
        assert_true(++sent < 100);
    for (sent = 0; sk_send_size(dgram[0], 1, LX_MSG_DONTWAIT) > 0;)
        assert_true(++sent < 1000);
    assert_int_equal(sk_bind(listener, "@spam") + sk_listen(listener, 3), 0);
    for (sent = 0;; sent++) {
        long client = sk(LX_SOCK_STREAM);
        fd_nonblock(client);
        if (sk_connect(client, "@spam", 0) != 0)
            break;
    }
    assert_int_equal(sent, 4);
    W.as = OTHER;
    pair_make(LX_SOCK_STREAM, other);
    assert_int_equal(sk_send(other[0], "room", 4, LX_MSG_DONTWAIT), 4);
    W.as = USER;
}

static void b10_closing_a_socket_in_flight_to_itself(void **state)
{
    (void)state;
    long pair[2];
    pair_make(LX_SOCK_STREAM, pair);
    assert_int_equal(stage_own(&pair[1], 1), 1);
    assert_int_equal(sk_send_extra(pair[0], "x", 1, 0, (struct send_extra){.staged = 1}), 1);
    fd_close((uint64_t)pair[1]);
    fd_close((uint64_t)pair[0]);
    fd_close((uint64_t)sk(LX_SOCK_DGRAM));
    assert_int_equal(counts_get().sockets, 0);
}

/* sockd has no restart; what can be said of the line is that the data is there whenever accept comes, also when the
 * client has gone meanwhile. */
static void b11_data_waits_for_accept(void **state)
{
    (void)state;
    long listener = sk(LX_SOCK_STREAM), client = sk(LX_SOCK_STREAM);
    assert_int_equal(sk_bind(listener, "@later") + sk_listen(listener, 1), 0);
    assert_int_equal(sk_connect(client, "@later", 0), 0);
    assert_int_equal(sk_send(client, "early", 5, 0), 5);
    fd_close((uint64_t)client);
    long server = sk_accept(listener);
    assert_int_equal(sk_recv(server, 9, 0), 5);
    assert_memory_equal(W.out, "early", 5);
    assert_int_equal(sk_recv(server, 9, 0), 0);
}

int main(void)
{
    harness_unused();
    const struct CMUnitTest tests[] = {
        TEST(b2_abstract_names_keep_their_nul),
        TEST(b3_peer_credentials_name_the_peer),
        TEST(b3_connect_leaves_a_connection_alone),
        TEST(b3_a_passed_descriptor_is_the_same),
        TEST(b4_no_credentials_unless_asked_for),
        TEST(b5_no_flags_end_the_server),
        TEST(b6_descriptors_stay_with_their_bytes),
        TEST(b9_queues_are_bounded),
        TEST(b10_closing_a_socket_in_flight_to_itself),
        TEST(b11_data_waits_for_accept),
    };
    return cmocka_run_group_tests_name("sockd shipped", tests, NULL, NULL);
}
