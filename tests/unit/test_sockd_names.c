/* sockd: types and names, checklist N1 to N4 (shared/AF_UNIX.md). SPDX-License-Identifier: MIT */
#include "sockd_harness.h"

static long make(uint64_t domain, uint64_t type, uint64_t protocol)
{
    return -(long)ASK(BADGE_ROOT, SOCK_SOCKET, domain, type, protocol);
}

static void n1_types_and_their_errors(void **state)
{
    (void)state;
    assert_int_equal(make(1, LX_SOCK_STREAM, 0), 0);
    assert_int_equal(make(1, LX_SOCK_STREAM, 1), 0);
    assert_int_equal(make(1, LX_SOCK_STREAM, 2), -ST_PROTONOSUPPORT);
    assert_int_equal(make(1, 4, 0), -ST_SOCKTNOSUPPORT);
    assert_int_equal(make(1, 0, 0), -ST_SOCKTNOSUPPORT);
    assert_int_equal(make(1, 11, 0), -ST_INVAL);
    assert_int_equal(make(1, LX_SOCK_STREAM | 0x100, 0), -ST_INVAL);
    assert_int_equal(make(2, LX_SOCK_STREAM, 0), -ST_AFNOSUPPORT);
    assert_int_equal(make(999, LX_SOCK_STREAM, 0), -ST_AFNOSUPPORT);
    assert_int_equal(make(UINT64_MAX, UINT64_MAX, UINT64_MAX), -ST_INVAL);
}

static void n1_raw_is_dgram(void **state)
{
    (void)state;
    long fd = sk(LX_SOCK_RAW);
    assert_int_equal(sk_get(fd, LX_SO_TYPE), LX_SOCK_DGRAM);
}

static void n1_nonblock(void **state)
{
    (void)state;
    long fd = sk(LX_SOCK_DGRAM | LX_SOCK_NONBLOCK);
    assert_int_equal(sk_recv(fd, 1, 0), -ST_AGAIN);
    assert_int_equal(ASK0(fd, IO_GET_FLAGS), ST_OK);
    assert_int_equal(REPLY(0), LX_O_RDWR | LX_O_NONBLOCK);
    assert_int_equal(REPLY(1), IO_KIND_SOCKET);
}

static long name_get(long fd, bool peer)
{
    memory_reset();
    W.out_size = 128;
    enum status status = ASK(fd, SOCK_GET_NAME, peer);
    return status == ST_OK ? (long)REPLY(0) : -(long)status;
}

static void n2_abstract_name_is_per_type(void **state)
{
    (void)state;
    long a = sk(LX_SOCK_STREAM), b = sk(LX_SOCK_DGRAM), c = sk(LX_SOCK_STREAM);
    assert_int_equal(sk_bind(a, "@x"), 0);
    assert_int_equal(sk_bind(b, "@x"), 0);
    assert_int_equal(sk_bind(c, "@x"), -ST_ADDRINUSE);
    fd_close(a);
    assert_int_equal(sk_bind(c, "@x"), 0);
}

static void n2_abstract_name_is_length_delimited(void **state)
{
    (void)state;
    long a = sk(LX_SOCK_STREAM), b = sk(LX_SOCK_STREAM);
    assert_int_equal(sk_bind(a, "@x"), 0);
    memory_reset();
    memcpy(W.in, "\1\0\0x\0", 5);
    W.in_size = 5;
    assert_int_equal(ASK(b, SOCK_BIND_PREPARE, 5), ST_OK); /* another name: it has a NUL more */
    assert_int_equal(name_get(b, false), 5);
    assert_memory_equal(W.out, "\1\0\0x\0", 5);
}

static void n3_autobind(void **state)
{
    (void)state;
    long a = sk(LX_SOCK_STREAM), b = sk(LX_SOCK_STREAM);
    memory_reset();
    memcpy(W.in, "\1\0", 2);
    W.in_size = 2;
    assert_int_equal(ASK(a, SOCK_BIND_PREPARE, 2), ST_OK);
    assert_int_equal(W.got_count, 0);
    assert_int_equal(ASK(a, SOCK_BIND_PREPARE, 2), ST_OK); /* again: nothing happens */
    assert_int_equal(ASK(b, SOCK_BIND_PREPARE, 2), ST_OK);
    assert_int_equal(name_get(a, false), 8);
    for (unsigned i = 3; i < 8; i++)
        assert_non_null(strchr("0123456789abcdef", W.out[i]));
    char first[8];
    memcpy(first, W.out, 8);
    assert_int_equal(name_get(b, false), 8);
    assert_memory_not_equal(W.out, first, 8);
    assert_int_equal(sk_bind(a, "@other"), -ST_INVAL);
}

static void n3_second_bind_is_invalid(void **state)
{
    (void)state;
    long a = sk(LX_SOCK_STREAM);
    assert_int_equal(sk_bind(a, "@x"), 0);
    assert_int_equal(sk_bind(a, "@y"), -ST_INVAL);
    assert_int_equal(sk_bind(a, "/y"), -ST_INVAL);
}

static void n4_names_byte_for_byte(void **state)
{
    (void)state;
    long a = sk(LX_SOCK_STREAM), b = sk(LX_SOCK_STREAM), c = sk(LX_SOCK_STREAM);
    assert_int_equal(name_get(a, false), 2);
    assert_memory_equal(W.out, "\1\0", 2);
    assert_int_equal(name_get(a, true), -ST_NOTCONN);
    assert_int_equal(sk_bind(a, "/tmp/some.sock"), 0);
    assert_int_equal(name_get(a, false), 17);
    assert_memory_equal(W.out, "\1\0/tmp/some.sock", 17);
    char full[109];
    memset(full, 'p', 108);
    full[108] = 0;
    assert_int_equal(sk_bind(b, full), 0);
    assert_int_equal(name_get(b, false), 111);
    assert_memory_equal(W.out + 2, full, 109);
    assert_int_equal(sk_bind(c, "@abc"), 0);
    assert_int_equal(name_get(c, false), 6);
    assert_memory_equal(W.out, "\1\0\0abc", 6);
}

static void bind_refuses_bad_addresses(void **state)
{
    (void)state;
    long a = sk(LX_SOCK_STREAM);
    memory_reset();
    W.in_size = 110;
    W.in[0] = 2; /* AF_INET */
    assert_int_equal(ASK(a, SOCK_BIND_PREPARE, 20), ST_INVAL);
    assert_int_equal(ASK(a, SOCK_BIND_PREPARE, 2), ST_INVAL);
    assert_int_equal(ASK(a, SOCK_BIND_PREPARE, 1), ST_INVAL);
    assert_int_equal(ASK(a, SOCK_BIND_PREPARE, 0), ST_INVAL);
    assert_int_equal(ASK(a, SOCK_BIND_PREPARE, 111), ST_MESSAGE);
    W.in_size = 5;
    assert_int_equal(ASK(a, SOCK_BIND_PREPARE, 20), ST_FAULT);
}

static void name_gate_is_no_descriptor(void **state)
{
    (void)state;
    long a = sk(LX_SOCK_STREAM);
    assert_int_equal(sk_bind(a, "/s"), 0);
    assert_int_equal(sk_recv((long)last_name_gate, 1, 0), -ST_BADF);
    assert_int_equal(fd_read((long)last_name_gate, 1), -ST_BADF);
    assert_int_equal(fd_poll((long)last_name_gate), -ST_BADF);
    cap_own(last_name_gate);
    assert_int_equal(ASK(BADGE_ROOT, SOCK_STAGE, 0), ST_BADF);
}

static void name_outlives_socket_and_socket_outlives_name(void **state)
{
    (void)state;
    long a = sk(LX_SOCK_STREAM), c = sk(LX_SOCK_STREAM);
    assert_int_equal(sk_bind(a, "/s"), 0);
    uint64_t gate = last_name_gate;
    assert_int_equal(sk_listen(a, 5), 0);
    fd_close(a);
    assert_int_equal(sk_connect(c, "/s", gate), -ST_CONNREFUSED);
    fd_close(gate);
    assert_int_equal(sk_connect(c, "/s", 0), -ST_CONNREFUSED);
    long b = sk(LX_SOCK_STREAM);
    assert_int_equal(sk_bind(b, "/t"), 0);
    assert_int_equal(sk_listen(b, 5), 0);
    fd_close(last_name_gate); /* unlinked */
    assert_int_equal(name_get(b, false), 5);
    assert_int_equal(sk_bind(b, "/u"), -ST_INVAL);
}

static void bind_abort_and_lost_preparation(void **state)
{
    (void)state;
    long a = sk(LX_SOCK_STREAM);
    memory_reset();
    uint64_t length = address_put("/s");
    assert_int_equal(ASK0(a, SOCK_BIND_COMMIT), ST_INVAL);
    assert_int_equal(ASK(a, SOCK_BIND_PREPARE, length), ST_OK);
    uint64_t first = W.got[0].value;
    assert_int_equal(ASK0(a, SOCK_BIND_ABORT), ST_OK);
    assert_int_equal(ASK0(a, SOCK_BIND_ABORT), ST_INVAL);
    fd_close(first);
    assert_int_equal(ASK(a, SOCK_BIND_PREPARE, length), ST_OK);
    fd_close(W.got[0].value); /* the program died before fs.bind_socket */
    assert_int_equal(ASK0(a, SOCK_BIND_COMMIT), ST_INVAL);
    assert_int_equal(name_get(a, false), 2);
}

static void n5_fchmod_before_bind_is_kept(void **state)
{
    (void)state;
    long a = sk(LX_SOCK_STREAM);
    assert_int_equal(ASK(a, IO_SET_ATTRIBUTES, 1, 0600, 0, 0, 0, 0), ST_OK);
    assert_int_equal(ASK0(a, IO_STAT), ST_OK);
    assert_int_equal(REPLY(2), LX_S_IFSOCK | 0600);
    assert_int_equal(REPLY(4), 1000);
    W.as = OTHER;
    assert_int_equal(ASK(a, IO_SET_ATTRIBUTES, 1, 0777, 0, 0, 0, 0), ST_PERM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(n1_types_and_their_errors),
        TEST(n1_raw_is_dgram),
        TEST(n1_nonblock),
        TEST(n2_abstract_name_is_per_type),
        TEST(n2_abstract_name_is_length_delimited),
        TEST(n3_autobind),
        TEST(n3_second_bind_is_invalid),
        TEST(n4_names_byte_for_byte),
        TEST(bind_refuses_bad_addresses),
        TEST(name_gate_is_no_descriptor),
        TEST(name_outlives_socket_and_socket_outlives_name),
        TEST(bind_abort_and_lost_preparation),
        TEST(n5_fchmod_before_bind_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
