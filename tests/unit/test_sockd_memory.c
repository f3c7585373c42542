/*
 * What sockets take. SPDX-License-Identifier: MIT
 *
 * The promise is 1 KiB of sockd's memory for an idle connected pair and 2 KiB in all. On the host
 * only the core's part can be seen: PAIR_MAX leaves room for what the shell adds in the guest,
 * which is for each of two gates at most 52 bytes of tables, and 16 for the heap's header and up to
 * 15 of rounding for each of two sockets. Test capacity measures in the guest.
 */
#include "sockd_harness.h"

#define PAIRS 1000u
#define PAIR_MAX (1024u - 2 * 52 - 2 * 31)

static size_t bytes_of_pair(int type)
{
    long fd[2];
    pair_make(type, fd); /* what is made once */
    size_t before = mem_in_use();
    for (unsigned i = 0; i < PAIRS; i++)
        pair_make(type, fd);
    return (mem_in_use() - before) / PAIRS;
}

static void idle_pairs(void **state)
{
    (void)state;
    static const int types[] = {LX_SOCK_STREAM, LX_SOCK_DGRAM, LX_SOCK_SEQPACKET};
    for (unsigned i = 0; i < 3; i++) {
        size_t bytes = bytes_of_pair(types[i]);
        print_message("# an idle pair of type %d takes %zu bytes of the core's heap, limit %u\n",
                      types[i], bytes, PAIR_MAX);
        assert_in_range(bytes, 1, PAIR_MAX);
    }
}

/* Groups are kept once for a process and not once for a socket. */
static void idle_pairs_of_many_groups(void **state)
{
    (void)state;
    W.table[1].group_count = CREDENTIALS_GROUPS;
    assert_in_range(bytes_of_pair(LX_SOCK_STREAM), 1, PAIR_MAX);
}

/* A server's end shares its listener's address. */
static void idle_connections(void **state)
{
    (void)state;
    static char name[] = "@a name of a hundred bytes, more or less, for it is as long as the field "
                         "of an address lets it be";
    long server = sk(LX_SOCK_STREAM);
    assert_int_equal(sk_bind(server, name), 0);
    assert_int_equal(sk_listen(server, 5), 0);
    size_t before = mem_in_use();
    for (unsigned i = 0; i < PAIRS; i++) {
        assert_int_equal(sk_connect(sk(LX_SOCK_STREAM), name, 0), 0);
        assert_true(sk_accept(server) > 0);
    }
    assert_in_range((mem_in_use() - before) / PAIRS, 1, PAIR_MAX);
}

static void shared_credentials_differ_when_they_must(void **state)
{
    (void)state;
    long a[2], b[2];
    pair_make(LX_SOCK_STREAM, a);
    W.table[1].euid = 7;
    pair_make(LX_SOCK_STREAM, b);
    memory_reset();
    W.out_size = 12;
    uint32_t ids[3];
    assert_int_equal(ASK((uint64_t)a[0], SOCK_GET_OPTION, LX_SOL_SOCKET, LX_SO_PEERCRED, 12), 0);
    memcpy(ids, W.out, 12);
    assert_int_equal(ids[1], 1000);
    assert_int_equal(ASK((uint64_t)b[0], SOCK_GET_OPTION, LX_SOL_SOCKET, LX_SO_PEERCRED, 12), 0);
    memcpy(ids, W.out, 12);
    assert_int_equal(ids[1], 7);
}

int main(void)
{
    harness_unused();
    const struct CMUnitTest tests[] = {
        TEST(idle_pairs),
        TEST(idle_pairs_of_many_groups),
        TEST(idle_connections),
        TEST(shared_credentials_differ_when_they_must),
    };
    return cmocka_run_group_tests_name("sockd memory", tests, NULL, NULL);
}
