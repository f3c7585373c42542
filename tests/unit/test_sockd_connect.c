/* sockd: connecting, checklist C1 to C5, C7 (shared/AF_UNIX.md). SPDX-License-Identifier: MIT */
#include "sockd_harness.h"

static long listener_make(int type, const char *name, int backlog)
{
    long fd = sk(type);
    assert_int_equal(sk_bind(fd, name), 0);
    assert_int_equal(sk_listen(fd, backlog), 0);
    return fd;
}

static void c1_refusals(void **state)
{
    (void)state;
    long fd = sk(LX_SOCK_STREAM);
    assert_int_equal(sk_connect(fd, "@missing", 0), -ST_CONNREFUSED);
    listener_make(LX_SOCK_SEQPACKET, "@other-type", 1);
    assert_int_equal(sk_connect(fd, "@other-type", 0), -ST_CONNREFUSED);
    listener_make(LX_SOCK_SEQPACKET, "/other-type", 1);
    assert_int_equal(sk_connect(fd, "/other-type", last_name_gate), -ST_PROTOTYPE);
    long bound = sk(LX_SOCK_STREAM);
    assert_int_equal(sk_bind(bound, "@not-listening"), 0);
    assert_int_equal(sk_connect(fd, "@not-listening", 0), -ST_CONNREFUSED);
    assert_int_equal(sk_connect(bound, "@not-listening", 0), -ST_CONNREFUSED);
    /* a descriptor is no name, nor is another server's gate */
    assert_int_equal(sk_connect(fd, "/x", (uint64_t)bound), -ST_CONNREFUSED);
    memory_reset();
    uint64_t length = address_put("/x");
    cap_foreign(AR_GATE, ISSUER_FILED);
    assert_int_equal(ASK(fd, SOCK_CONNECT, length), ST_CONNREFUSED);
}

static void c2_backlog_admits_one_more(void **state)
{
    (void)state;
    long server = listener_make(LX_SOCK_STREAM, "@s", 2), client = 0;
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(sk_connect(sk(LX_SOCK_STREAM), "@s", 0), 0);
    client = sk(LX_SOCK_STREAM | LX_SOCK_NONBLOCK);
    assert_int_equal(sk_connect(client, "@s", 0), -ST_AGAIN);
    assert_int_equal(sk_listen(server, 3), 0);
    assert_int_equal(sk_connect(client, "@s", 0), 0);
    assert_int_equal(sk_listen(server, 0), 0);
    assert_int_equal(sk_connect(sk(LX_SOCK_STREAM | LX_SOCK_NONBLOCK), "@s", 0), -ST_AGAIN);
}

/* Whether it must have a name was looked at before it waited. */
static void c2_a_connect_that_waits_gets_no_name(void **state)
{
    (void)state;
    listener_make(LX_SOCK_STREAM, "@s", 0);
    long first = sk(LX_SOCK_STREAM), fd = sk(LX_SOCK_STREAM);
    assert_int_equal(sk_connect(first, "@s", 0), 0);
    assert_int_equal(sk_connect(fd, "@s", 0), -ST_WAIT);
    assert_int_equal(sk_set(fd, LX_SO_PASSCRED, 1), 0);
    memory_reset();
    uint64_t length = address_put("@s");
    assert_int_equal(ASK((uint64_t)fd, SOCK_CONNECT, length | SOCK_AGAIN), ST_WAIT);
    assert_int_equal(sk_bind(fd, "@mine"), 0);
}

static void c2_backlog_of_minus_one_is_somaxconn(void **state)
{
    (void)state;
    listener_make(LX_SOCK_STREAM, "@s", -1);
    unsigned connected = 0;
    long fd;
    while (connected < 3000 && (fd = sk(LX_SOCK_STREAM)) > 0 && sk_connect(fd, "@s", 0) == 0)
        connected++;
    assert_int_equal(connected, 3000);
}

static void c3_data_flows_before_accept(void **state)
{
    (void)state;
    long server = listener_make(LX_SOCK_STREAM, "@s", 2), client = sk(LX_SOCK_STREAM);
    assert_int_equal(sk_connect(client, "@s", 0), 0);
    assert_int_equal(sk_send(client, "early", 5, 0), 5);
    long peer = sk_accept(server);
    assert_true(peer > 0);
    assert_int_equal(sk_recv(peer, 10, 0), 5);
    assert_int_equal(sk_send(peer, "back", 4, 0), 4);
    assert_int_equal(sk_recv(client, 10, 0), 4);
}

static void c3_client_gone_before_accept(void **state)
{
    (void)state;
    long server = listener_make(LX_SOCK_STREAM, "@s", 2), client = sk(LX_SOCK_STREAM);
    assert_int_equal(sk_bind(client, "@client"), 0);
    assert_int_equal(sk_connect(client, "@s", 0), 0);
    sk_send(client, "bye", 3, 0);
    fd_close(client);
    long peer = sk_accept(server);
    assert_int_equal(REPLY(0), 9);
    assert_memory_equal(W.out + 3, "client", 6);
    assert_int_equal(sk_recv(peer, 10, 0), 3);
    assert_int_equal(sk_recv(peer, 10, 0), 0);
}

static void c3_blocked_connect_goes_on_after_accept(void **state)
{
    (void)state;
    long server = listener_make(LX_SOCK_STREAM, "@s", 0);
    assert_int_equal(sk_connect(sk(LX_SOCK_STREAM), "@s", 0), 0);
    long client = sk(LX_SOCK_STREAM);
    assert_int_equal(sk_connect(client, "@s", 0), -ST_WAIT);
    W.as = OTHER;
    assert_true(sk_accept(server) > 0);
    W.as = USER;
    assert_int_equal(woken(USER), 1);
    assert_int_equal(sk_connect(client, "@s", 0), 0);
}

static void c4_closing_a_listener(void **state)
{
    (void)state;
    long server = listener_make(LX_SOCK_STREAM, "@s", 0), waiting = sk(LX_SOCK_STREAM),
         blocked = sk(LX_SOCK_STREAM);
    assert_int_equal(sk_connect(waiting, "@s", 0), 0);
    assert_int_equal(sk_connect(blocked, "@s", 0), -ST_WAIT);
    fd_close(server);
    assert_int_equal(woken(USER), 1);
    assert_int_equal(sk_recv(waiting, 1, 0), -ST_CONNRESET);
    assert_int_equal(sk_recv(waiting, 1, 0), 0);
    assert_int_equal(sk_connect(blocked, "@s", 0), -ST_CONNREFUSED);
}

static void c4_shut_down_listener(void **state)
{
    (void)state;
    long server = listener_make(LX_SOCK_STREAM, "@s", 2);
    assert_int_equal(sk_connect(sk(LX_SOCK_STREAM), "@s", 0), 0);
    assert_int_equal(sk_shutdown(server, 0), 0);
    assert_int_equal(sk_connect(sk(LX_SOCK_STREAM), "@s", 0), -ST_CONNREFUSED);
    assert_true(sk_accept(server) > 0);
    assert_int_equal(sk_accept(server), -ST_INVAL);
}

static void c4_shutdown_wakes_accept(void **state)
{
    (void)state;
    long server = listener_make(LX_SOCK_STREAM, "@s", 2);
    assert_int_equal(sk_accept(server), -ST_WAIT);
    assert_int_equal(sk_shutdown(server, 0), 0);
    assert_int_equal(woken(USER), 1);
    assert_int_equal(sk_accept(server), -ST_INVAL);
}

/* As in Linux, only accept and the listener's end wake who waits to connect. */
static void c4_shutdown_wakes_no_connect(void **state)
{
    (void)state;
    long server = listener_make(LX_SOCK_STREAM, "@s", 0), client = sk(LX_SOCK_STREAM);
    assert_int_equal(sk_connect(sk(LX_SOCK_STREAM), "@s", 0), 0);
    assert_int_equal(sk_connect(client, "@s", 0), -ST_WAIT);
    assert_int_equal(sk_shutdown(server, 0), 0);
    assert_int_equal(woken(USER), 0);
    assert_true(sk_accept(server) > 0);
    assert_int_equal(woken(USER), 1);
    assert_int_equal(sk_connect(client, "@s", 0), -ST_CONNREFUSED);
}

static void c5_states(void **state)
{
    (void)state;
    long server = listener_make(LX_SOCK_STREAM, "@s", 5), client = sk(LX_SOCK_STREAM);
    assert_int_equal(sk_recv(client, 1, 0), -ST_INVAL);
    assert_int_equal(sk_send(client, "x", 1, 0), -ST_NOTCONN);
    assert_int_equal(sk_send_extra(client, "x", 1, 0, (struct send_extra){.to = "@s"}),
                     -ST_OPNOTSUPP);
    assert_int_equal(sk_connect(client, "@s", 0), 0);
    assert_int_equal(sk_connect(client, "@s", 0), -ST_ISCONN);
    assert_int_equal(sk_connect(client, "@missing", 0), -ST_CONNREFUSED);
    assert_int_equal(sk_send_extra(client, "x", 1, 0, (struct send_extra){.to = "@s"}), -ST_ISCONN);
    assert_int_equal(sk_connect(server, "@s", 0), -ST_INVAL);
    assert_int_equal(sk_listen(client, 1), -ST_INVAL);
    assert_int_equal(sk_recv(server, 1, 0), -ST_INVAL);
    assert_int_equal(sk_accept(client), -ST_INVAL);
    long packet = sk(LX_SOCK_SEQPACKET), datagram = sk(LX_SOCK_DGRAM);
    assert_int_equal(sk_recv(packet, 1, 0), -ST_NOTCONN);
    assert_int_equal(sk_send(packet, "x", 1, 0), -ST_NOTCONN);
    assert_int_equal(sk_accept(datagram), -ST_OPNOTSUPP);
    assert_int_equal(sk_listen(datagram, 1), -ST_OPNOTSUPP);
    assert_int_equal(sk_listen(packet, 1), -ST_INVAL); /* no name */
}

static void c5_seqpacket_ignores_the_address(void **state)
{
    (void)state;
    long fd[2];
    pair_make(LX_SOCK_SEQPACKET, fd);
    assert_int_equal(sk_send_extra(fd[0], "x", 1, 0, (struct send_extra){.to = "@nobody"}), 1);
    assert_int_equal(sk_recv(fd[1], 9, 0), 1);
}

static void c5_connect_stream_unspecified_is_invalid(void **state)
{
    (void)state;
    long fd = sk(LX_SOCK_STREAM);
    memory_reset();
    memset(W.in, 0, 16);
    W.in_size = 16;
    assert_int_equal(ASK(fd, SOCK_CONNECT, 16), ST_INVAL);
    assert_int_equal(ASK(fd, SOCK_CONNECT, 1), ST_INVAL);
    assert_int_equal(ASK(fd, SOCK_CONNECT, 2), ST_INVAL);
    W.in[0] = 1;
    W.in_size = 128;
    assert_int_equal(ASK(fd, SOCK_CONNECT, 111), ST_INVAL);
}

static void c7_accept_inherits_and_reports(void **state)
{
    (void)state;
    long server = listener_make(LX_SOCK_STREAM, "/s", 5), client = sk(LX_SOCK_STREAM);
    uint64_t gate = last_name_gate;
    assert_int_equal(sk_set(server, LX_SO_PASSCRED, 1), 0);
    assert_int_equal(sk_connect(client, "/s", gate), 0);
    memory_reset();
    W.out_size = 128;
    assert_int_equal(ASK(server, SOCK_ACCEPT, LX_SOCK_NONBLOCK), ST_OK);
    assert_int_equal(REPLY(0), 2);
    long peer = (long)W.got[0].value;
    assert_int_equal(sk_get(peer, LX_SO_PASSCRED), 1);
    assert_int_equal(sk_recv(peer, 1, 0), -ST_AGAIN);
    memory_reset();
    W.out_size = 128;
    assert_int_equal(ASK(peer, SOCK_GET_NAME, 0), ST_OK); /* the listener's name */
    assert_int_equal(REPLY(0), 5);
    assert_int_equal(ASK(client, SOCK_GET_NAME, 1), ST_OK);
    assert_int_equal(REPLY(0), 5);
}

static void c7_accept_without_memory_for_an_address(void **state)
{
    (void)state;
    long server = listener_make(LX_SOCK_STREAM, "@s", 5);
    assert_int_equal(sk_connect(sk(LX_SOCK_STREAM), "@s", 0), 0);
    memory_reset();
    assert_int_equal(ASK(server, SOCK_ACCEPT, 0), ST_OK);
    assert_int_equal(ASK(server, SOCK_ACCEPT, 1), ST_INVAL);
}

static void c7_blocked_accept_wakes(void **state)
{
    (void)state;
    long server = listener_make(LX_SOCK_SEQPACKET, "@s", 5);
    assert_int_equal(sk_accept(server), -ST_WAIT);
    W.as = OTHER;
    assert_int_equal(sk_connect(sk(LX_SOCK_SEQPACKET), "@s", 0), 0);
    assert_int_equal(woken(USER), 1);
}

static void many_connections_in_order(void **state)
{
    (void)state;
    long server = listener_make(LX_SOCK_STREAM, "@s", 200), client[100];
    for (unsigned i = 0; i < 100; i++) {
        client[i] = sk(LX_SOCK_STREAM);
        assert_int_equal(sk_connect(client[i], "@s", 0), 0);
        unsigned char byte = (unsigned char)i;
        sk_send(client[i], &byte, 1, 0);
    }
    for (unsigned i = 0; i < 100; i++) {
        long peer = sk_accept(server);
        assert_int_equal(sk_recv(peer, 9, 0), 1);
        assert_int_equal(W.out[0], i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(c1_refusals),
        TEST(c2_backlog_admits_one_more),
        TEST(c2_a_connect_that_waits_gets_no_name),
        TEST(c2_backlog_of_minus_one_is_somaxconn),
        TEST(c3_data_flows_before_accept),
        TEST(c3_client_gone_before_accept),
        TEST(c3_blocked_connect_goes_on_after_accept),
        TEST(c4_closing_a_listener),
        TEST(c4_shut_down_listener),
        TEST(c4_shutdown_wakes_accept),
        TEST(c4_shutdown_wakes_no_connect),
        TEST(c5_states),
        TEST(c5_seqpacket_ignores_the_address),
        TEST(c5_connect_stream_unspecified_is_invalid),
        TEST(c7_accept_inherits_and_reports),
        TEST(c7_accept_without_memory_for_an_address),
        TEST(c7_blocked_accept_wakes),
        TEST(many_connections_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
