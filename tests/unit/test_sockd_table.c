/* O4: the list of sockets behind /proc/net/unix. SPDX-License-Identifier: MIT */
#include "sockd_harness.h"

#define O_PATH_ONLY 010000000
#define PIECE 4096u
static char text[400000];

static long table_open(void)
{
    enum status status = ASK(BADGE_ROOT, SOCK_TABLE, 0);
    return status == ST_OK ? (long)W.got[0].value : -(long)status;
}

/* Read on from where the description is, to the end; how many requests found nothing yet. */
static unsigned read_all(long fd, size_t piece)
{
    size_t length = 0;
    unsigned waits = 0;
    for (;;) {
        unsigned wakes = W.wakes[NOTIFICATION_OF(PRINCIPAL_THREAD(W.as))];
        long got = fd_read(fd, piece);
        if (got == -(long)ST_WAIT) { /* and the wake-up is there already */
            assert_true(W.wakes[NOTIFICATION_OF(PRINCIPAL_THREAD(W.as))] > wakes);
            waits++;
            continue;
        }
        assert_true(got >= 0);
        if (got == 0)
            break;
        assert_true(length + (size_t)got < sizeof(text));
        memcpy(text + length, W.out, (size_t)got);
        length += (size_t)got;
    }
    text[length] = 0;
    return waits;
}

static unsigned count_lines(void)
{
    unsigned lines = 0;
    for (const char *at = text; (at = strchr(at, '\n')); at++)
        lines++;
    return lines - 1; /* the heading */
}

static void O4_one_line_a_socket(void **state)
{
    (void)state;
    long pair[2], table = table_open();
    assert_int_equal(read_all(table, PIECE), 0);
    assert_string_equal(text, "Num       RefCount Protocol Flags    Type St Inode Path\n");
    long listener = sk(LX_SOCK_STREAM);
    assert_int_equal(sk_bind(listener, "@a"), 0);
    assert_int_equal(sk_listen(listener, 3), 0);
    long client = sk(LX_SOCK_STREAM);
    assert_int_equal(sk_connect(client, "@a", 0), 0);
    pair_make(LX_SOCK_DGRAM, pair);
    fd_close((uint64_t)table);
    table = table_open();
    read_all(table, 7);
    assert_int_equal(count_lines(), 5);
    assert_non_null(strstr(text, ": 00000002 00000000 00010000 0001 01 "));
    assert_non_null(strstr(text, ": 00000003 00000000 00000000 0001 02     0 @a\n"));
    assert_non_null(strstr(text, ": 00000003 00000000 00000000 0001 03 "));
    assert_non_null(strstr(text, ": 00000003 00000000 00000000 0002 03 "));
}

/* A request looks at no more than so many objects, whatever they are. */
static void O4_work_is_bounded(void **state)
{
    (void)state;
    long first = sk(LX_SOCK_STREAM);
    for (unsigned i = 0; i < 1000; i++)
        assert_int_equal(ASK(BADGE_ROOT, SOCK_EVENT, 0, 0, 0), ST_OK);
    long table = table_open();
    assert_in_range(read_all(table, PIECE), 2, 9);
    assert_int_equal(count_lines(), 1);
    (void)first;
    /* nothing is waited for when the caller says so */
    memory_reset();
    W.out_size = 10;
    assert_int_equal(ASK((uint64_t)table, IO_READ, 60, IO_NOWAIT, 10), ST_AGAIN);
}

static void O4_sockets_come_and_go_meanwhile(void **state)
{
    (void)state;
    enum { MANY = 200 };
    long fds[MANY];
    for (unsigned i = 0; i < MANY; i++)
        fds[i] = sk(LX_SOCK_DGRAM);
    long table = table_open(), other = table_open();
    assert_int_equal(fd_read(other, 100), 100);
    assert_int_equal(fd_read(table, 100), 100);
    for (unsigned i = 0; i < MANY; i += 2) /* those that the place stands between, too */
        fd_close((uint64_t)fds[i]);
    fd_close((uint64_t)other);
    long fresh = sk(LX_SOCK_DGRAM);
    read_all(table, 100);
    /* the line that was begun is of a socket that may be closed; new ones are not seen */
    assert_in_range(count_lines() + 1, MANY / 2 - 1, MANY / 2 + 1);
    assert_int_equal(ASK((uint64_t)table, IO_SEEK, 0, 0), ST_OK);
    read_all(table, 100);
    assert_int_equal(count_lines(), MANY / 2 + 1);
    (void)fresh;
}

static void O4_a_bad_buffer_loses_nothing(void **state)
{
    (void)state;
    sk(LX_SOCK_STREAM), sk(LX_SOCK_STREAM), sk(LX_SOCK_STREAM);
    long table = table_open();
    memory_reset();
    W.out_size = PIECE;
    W.out_bad = 3;
    assert_int_equal(ASK((uint64_t)table, IO_READ, (uint64_t)-1, 0, PIECE), ST_FAULT);
    W.out_bad = 60; /* the heading is good */
    assert_int_equal(ASK((uint64_t)table, IO_READ, (uint64_t)-1, 0, PIECE), ST_OK);
    assert_int_equal(REPLY(0), 56);
    read_all(table, PIECE);
    assert_int_equal(count_lines() + 1, 3);
}

static void O4_what_the_file_refuses(void **state)
{
    (void)state;
    assert_int_equal(ASK(BADGE_ROOT, SOCK_TABLE, 1), ST_ACCES);
    long table = table_open();
    assert_int_equal(ASK((uint64_t)table, SOCK_LISTEN, 1), ST_NOTSOCK);
    assert_int_equal(fd_write(table, "x", 1), -(long)ST_BADF);
    assert_int_equal(ASK((uint64_t)table, IO_SEEK, 0, 2), ST_INVAL);
    assert_int_equal(ASK((uint64_t)table, IO_SEEK, (uint64_t)-1, 0), ST_INVAL);
    assert_int_equal(ASK((uint64_t)table, IO_READ, (uint64_t)-2, 0, 1), ST_INVAL);
    assert_int_equal(ASK((uint64_t)table, IO_SET_ATTRIBUTES, 1, 0, 0, 0, 0, 0), ST_PERM);
    assert_int_equal(ASK(BADGE_ROOT, SOCK_TABLE, O_PATH_ONLY), ST_OK);
    assert_int_equal(fd_read((long)W.got[0].value, 9), -(long)ST_BADF);
    for (unsigned n = 1; n < 4; n++) { /* the first is the caller's user */
        fd_close((uint64_t)table);
        mem_fail_at(n);
        table = table_open();
        mem_fail_at(0);
        if (table > 0)
            break;
        assert_int_equal(table, -(long)ST_NOMEM);
        table = table_open();
    }
}

int main(void)
{
    harness_unused();
    const struct CMUnitTest tests[] = {
        TEST(O4_one_line_a_socket),
        TEST(O4_work_is_bounded),
        TEST(O4_sockets_come_and_go_meanwhile),
        TEST(O4_a_bad_buffer_loses_nothing),
        TEST(O4_what_the_file_refuses),
    };
    return cmocka_run_group_tests_name("sockd table", tests, NULL, NULL);
}
