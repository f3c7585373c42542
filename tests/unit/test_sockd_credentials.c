/* sockd: credentials, checklist A5, A6 (shared/AF_UNIX.md). SPDX-License-Identifier: MIT */
#include "sockd_harness.h"

struct ucred_words {
    int32_t pid;
    uint32_t uid, gid;
};

static struct ucred_words peer_credentials(long fd)
{
    struct ucred_words words;
    assert_int_equal(sk_get(fd, LX_SO_PEERCRED) >= 0, 1);
    memcpy(&words, W.out, sizeof(words));
    return words;
}

static void a5_peer_credentials(void **state)
{
    (void)state;
    long server = sk(LX_SOCK_STREAM), client;
    W.as = ROOT;
    assert_int_equal(sk_bind(server, "@s"), 0);
    assert_int_equal(sk_listen(server, 5), 0);
    W.as = USER;
    W.table[1].euid = 7;
    client = sk(LX_SOCK_STREAM);
    assert_int_equal(peer_credentials(client).uid, UINT32_MAX);
    assert_int_equal(peer_credentials(client).pid, 0);
    assert_int_equal(sk_connect(client, "@s", 0), 0);
    W.table[1].euid = 9; /* setuid afterwards changes nothing */
    W.as = ROOT;
    long peer = sk_accept(server);
    assert_int_equal(peer_credentials(peer).uid, 7);
    assert_int_equal(peer_credentials(peer).pid, 101);
    assert_int_equal(peer_credentials(client).uid, 0);
    assert_int_equal(peer_credentials(client).pid, 102);
    long fd[2];
    pair_make(LX_SOCK_DGRAM, fd);
    assert_int_equal(peer_credentials(fd[1]).pid, 102);
}

static void a6_nothing_unless_asked_for(void **state)
{
    (void)state;
    long fd[2];
    pair_make(LX_SOCK_STREAM, fd);
    sk_send(fd[0], "x", 1, 0);
    assert_int_equal(sk_recv(fd[1], 9, 0), 1);
    assert_int_equal(RECV_CREDENTIALS, 0);
}

static void a6_implicit_credentials_are_real_ids(void **state)
{
    (void)state;
    long fd[2];
    pair_make(LX_SOCK_DGRAM, fd);
    sk_send(fd[0], "early", 5, 0);
    assert_int_equal(sk_set(fd[1], LX_SO_PASSCRED, 1), 0);
    W.table[1].euid = 7;
    sk_send(fd[0], "late", 4, 0);
    assert_int_equal(sk_recv(fd[1], 9, 0), 5);
    assert_int_equal(RECV_CREDENTIALS, SOCK_WITH_CREDENTIALS);
    assert_int_equal(RECV_PID, 0);
    assert_int_equal(RECV_UID, 65534);
    assert_int_equal(RECV_GID, 65534);
    assert_int_equal(sk_recv(fd[1], 9, 0), 4);
    assert_int_equal(RECV_PID, 101);
    assert_int_equal(RECV_UID, 1000);
}

static long send_as(long fd, uint64_t pid, uint64_t uid, uint64_t gid)
{
    return sk_send_extra(fd, "x", 1, LX_MSG_DONTWAIT,
                         (struct send_extra){.credentials = 1, .pid = pid, .uid = uid, .gid = gid});
}

static void a6_explicit_credentials(void **state)
{
    (void)state;
    long fd[2];
    pair_make(LX_SOCK_DGRAM, fd);
    sk_set(fd[1], LX_SO_PASSCRED, 1);
    W.table[1].suid = 55;
    assert_int_equal(send_as(fd[0], 101, 1000, 1000), 1);
    assert_int_equal(send_as(fd[0], 101, 55, 1000), 1);
    assert_int_equal(send_as(fd[0], 101, 0, 1000), -ST_PERM);
    assert_int_equal(send_as(fd[0], 101, 1000, 0), -ST_PERM);
    assert_int_equal(send_as(fd[0], 102, 1000, 1000), -ST_PERM);
    assert_int_equal(send_as(fd[0], 101, UINT32_MAX, 1000), -ST_INVAL);
    W.as = ROOT;
    assert_int_equal(send_as(fd[0], 103, 42, 43), 1);
    assert_int_equal(send_as(fd[0], 4242, 0, 0), -ST_SRCH);
    assert_int_equal(send_as(fd[0], 0, 0, 0), -ST_SRCH);
    sk_recv(fd[1], 9, 0);
    assert_int_equal(sk_recv(fd[1], 9, 0), 1);
    assert_int_equal(RECV_UID, 55);
    assert_int_equal(sk_recv(fd[1], 9, 0), 1);
    assert_int_equal(RECV_PID, 103);
    assert_int_equal(RECV_UID, 42);
    assert_int_equal(RECV_GID, 43);
}

static void a6_writers_are_never_joined(void **state)
{
    (void)state;
    long fd[2];
    pair_make(LX_SOCK_STREAM, fd);
    sk_set(fd[1], LX_SO_PASSCRED, 1);
    sk_send(fd[0], "aa", 2, 0);
    sk_send(fd[0], "bb", 2, 0);
    W.as = ROOT;
    sk_send(fd[0], "cc", 2, 0);
    assert_int_equal(sk_recv(fd[1], 99, 0), 4);
    assert_int_equal(RECV_PID, 101);
    assert_int_equal(sk_recv(fd[1], 99, LX_MSG_PEEK), 2);
    assert_int_equal(sk_recv(fd[1], 99, 0), 2);
    assert_int_equal(RECV_PID, 102);
}

static void a6_passcred_autobinds(void **state)
{
    (void)state;
    long server = sk(LX_SOCK_STREAM), client = sk(LX_SOCK_STREAM), datagram = sk(LX_SOCK_DGRAM);
    assert_int_equal(sk_bind(server, "@s"), 0);
    assert_int_equal(sk_listen(server, 5), 0);
    sk_set(client, LX_SO_PASSCRED, 1);
    assert_int_equal(sk_connect(client, "@s", 0), 0);
    assert_true(sk_accept(server) > 0);
    assert_int_equal(REPLY(0), 8);
    sk_set(datagram, LX_SO_PASSCRED, 1);
    assert_int_equal(sk_send_extra(datagram, "x", 1, 0, (struct send_extra){.to = "@nobody"}),
                     -ST_CONNREFUSED);
    memory_reset();
    W.out_size = 128;
    assert_int_equal(ASK(datagram, SOCK_GET_NAME, 0), ST_OK);
    assert_int_equal(REPLY(0), 8);
}

static void a6_identity_for_pidfds(void **state)
{
    (void)state;
    long fd[2];
    W.table[1].serial = 77;
    W.table[2].serial = 78;
    pair_make(LX_SOCK_STREAM, fd);
    memory_reset();
    W.out_size = 8;
    assert_int_equal(ASK(fd[0], SOCK_GET_OPTION, LX_SOL_SOCKET, LX_SO_PEERPIDFD, 8), ST_OK);
    uint32_t peer[2];
    memcpy(peer, W.out, sizeof(peer));
    assert_int_equal(peer[0], 101);
    assert_int_equal(peer[1], 77);
    sk_send(fd[0], "a", 1, 0);
    assert_int_equal(sk_set(fd[1], LX_SO_PASSPIDFD, 5), 0);
    assert_int_equal(sk_get(fd[1], LX_SO_PASSPIDFD), 1);
    assert_int_equal(sk_get(fd[1], LX_SO_PASSCRED), 0);
    sk_send(fd[0], "b", 1, 0);
    W.as = ROOT;
    sk_send(fd[0], "c", 1, 0);
    assert_int_equal(sk_recv(fd[1], 9, 0), 1);
    assert_int_equal(RECV_CREDENTIALS, SOCK_WITH_PIDFD);
    assert_int_equal(RECV_PID, 0); /* sent before it was asked for */
    assert_int_equal(sk_recv(fd[1], 9, 0), 1); /* never two writers in one read */
    assert_int_equal(RECV_PID, 101 | 77ull << 32);
    assert_int_equal(sk_set(fd[1], LX_SO_PASSCRED, 1), 0);
    assert_int_equal(sk_recv(fd[1], 9, 0), 1);
    assert_int_equal(RECV_CREDENTIALS, SOCK_WITH_PIDFD | SOCK_WITH_CREDENTIALS);
    assert_int_equal(RECV_PID, 102 | 78ull << 32);
    /* the same pid again is another process, and its sockets say so */
    W.as = USER;
    W.table[1].serial = 79;
    pair_make(LX_SOCK_STREAM, fd);
    memory_reset();
    W.out_size = 8;
    assert_int_equal(ASK(fd[0], SOCK_GET_OPTION, LX_SOL_SOCKET, LX_SO_PEERPIDFD, 8), ST_OK);
    memcpy(peer, W.out, sizeof(peer));
    assert_int_equal(peer[1], 79);
    long lonely = sk(LX_SOCK_DGRAM);
    assert_int_equal(sk_get(lonely, LX_SO_PEERPIDFD), -ST_NODATA);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a5_peer_credentials),
        TEST(a6_nothing_unless_asked_for),
        TEST(a6_implicit_credentials_are_real_ids),
        TEST(a6_explicit_credentials),
        TEST(a6_writers_are_never_joined),
        TEST(a6_identity_for_pidfds),
        TEST(a6_passcred_autobinds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
