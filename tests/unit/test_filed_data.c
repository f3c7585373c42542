/* read(2), write(2), lseek(2), ftruncate(2), fallocate(2), poll(2), ioctl(2).
 * SPDX-License-Identifier: MIT */
#include "filed_harness.h"

static char big[300000], back[300000];

static void fill(void)
{
    for (size_t i = 0; i < sizeof(big); i++)
        big[i] = (char)(i * 7 + i / 251);
}

static void shared_offset(void **state)
{
    (void)state;
    char buffer[8] = {0};
    int f = t_open("/f", O_CREAT | O_RDWR, 0600);
    assert_int_equal(t_write(f, "hello", 5), 5);
    assert_int_equal(t_read(f, buffer, 8), 0);
    assert_int_equal(t_seek(f, 1, SEEK_SET), 1);
    become(ALICE); /* the description was passed on */
    assert_int_equal(t_read(f, buffer, 2), 2);
    become(ROOT);
    assert_int_equal(t_read(f, buffer + 2, 8 - 2), 2);
    assert_memory_equal(buffer, "ello", 4);
    assert_int_equal(t_read_at(f, buffer, 8, 3), 2);
    assert_int_equal(t_seek(f, 0, SEEK_CUR), 5);
    assert_int_equal(t_read_at(f, buffer, 8, -2), -EINVAL);
    t_close(f);
}

static void big_files(void **state)
{
    (void)state;
    fill();
    int f = t_open("/f", O_CREAT | O_RDWR, 0600);
    for (size_t at = 0, step = 1; at < sizeof(big); at += step, step = step * 3 + 1) {
        size_t length = sizeof(big) - at < step ? sizeof(big) - at : step;
        assert_int_equal(t_write(f, big + at, length), length);
    }
    assert_int_equal(t_read_at(f, back, sizeof(back), 0), sizeof(back));
    assert_memory_equal(big, back, sizeof(big));
    assert_int_equal(t_fstat(f).blocks, (sizeof(big) + 4095) / 4096 * 8);
    assert_int_equal(t_write_at(f, "XY", 2, 65535), 2); /* over a chunk's end */
    assert_int_equal(t_read_at(f, back, 4, 65534), 4);
    assert_int_equal(back[1], 'X');
    assert_int_equal(back[2], 'Y');
    assert_int_equal(back[3], big[65537]);
    t_close(f);
}

static void append(void **state)
{
    (void)state;
    int f = t_open("/f", O_CREAT | O_RDWR | O_APPEND, 0600), g = t_open("/f", O_WRONLY, 0);
    assert_int_equal(t_write(g, "0123", 4), 4);
    assert_int_equal(t_write(f, "45", 2), 2);
    assert_int_equal(t_seek(f, 0, SEEK_CUR), 6);
    assert_int_equal(t_write_at(f, "67", 2, 0), 2); /* Linux: O_APPEND beats pwrite's offset */
    assert_int_equal(t_fstat(f).size, 8);
    assert_int_equal(T_CALL((uint64_t)f, IO_SET_FLAGS, ((uint64_t[]){0, 0})), 0);
    assert_int_equal(t_write_at(f, "A", 1, 0), 1);
    assert_int_equal(t_read_at(f, back, 10, 0), 8);
    assert_memory_equal(back, "A1234567", 8);
    t_close(f);
    t_close(g);
}

static void sparse_is_cheap(void **state)
{
    (void)state;
    size_t before = mem_in_use();
    int f = t_open("/f", O_CREAT | O_RDWR, 0600);
    assert_int_equal(t_write_at(f, "x", 1, (int64_t)1 << 40), 1);
    assert_true(mem_in_use() - before < 4096);
    assert_int_equal(t_fstat(f).size, ((int64_t)1 << 40) + 1);
    memset(back, 1, 200000);
    assert_int_equal(t_read_at(f, back, 200000, 12345), 200000);
    assert_int_equal(back[0] | back[100000] | back[199999], 0);
    assert_int_equal(t_read_at(f, back, 10, ((int64_t)1 << 40) - 1), 2);
    assert_int_equal(back[1], 'x');
    assert_int_equal(t_write_at(f, "y", 1, 70000), 1); /* a chunk before the other */
    assert_int_equal(t_read_at(f, back, 3, 69999), 3);
    assert_memory_equal(back, "\0y", 3);
    assert_int_equal(t_write_at(f, "x", 1, INT64_MAX), -EFBIG);
    t_close(f);
}

static void truncation(void **state)
{
    (void)state;
    int f = t_open("/f", O_CREAT | O_RDWR, 0600);
    fill();
    assert_int_equal(t_write(f, big, 200000), 200000);
    assert_int_equal(t_truncate(f, 100), 0);
    assert_int_equal(t_truncate(f, 200000), 0); /* what was there is not seen again */
    assert_int_equal(t_read_at(f, back, 200000, 0), 200000);
    assert_memory_equal(back, big, 100);
    for (int i = 100; i < 200000; i++)
        assert_int_equal(back[i], 0);
    assert_int_equal(t_truncate(f, -1), -EINVAL);
    struct fs_truncate_request rq = {.path_length = paths_in("/f", NULL), .length = 7};
    assert_int_equal(t_call(BADGE_ROOT, FS_TRUNCATE, &rq, sizeof(rq)), 0);
    assert_int_equal(t_fstat(f).size, 7);
    become(ALICE);
    paths_in("/f", NULL);
    assert_int_equal(t_call(BADGE_ROOT, FS_TRUNCATE, &rq, sizeof(rq)), -EACCES);
    become(ROOT);
    rq.path_length = paths_in("/tmp", NULL);
    assert_int_equal(t_call(BADGE_ROOT, FS_TRUNCATE, &rq, sizeof(rq)), -EISDIR);
    rq.path_length = paths_in("/dev/null", NULL);
    assert_int_equal(t_call(BADGE_ROOT, FS_TRUNCATE, &rq, sizeof(rq)), -EINVAL);
    t_close(f);
}

static void bad_memory_changes_nothing(void **state)
{
    (void)state;
    fill();
    int f = t_open("/f", O_CREAT | O_RDWR, 0600);
    assert_int_equal(t_write(f, "abc", 3), 3);
    size_t before = mem_in_use();
    w->get_limit = 150000; /* the page after that is not there */
    assert_int_equal(t_write(f, big, 200000), -EFAULT);
    w->get_limit = SIZE_MAX;
    assert_int_equal(t_fstat(f).size, 3);
    assert_int_equal(t_seek(f, 0, SEEK_CUR), 3);
    assert_true(mem_in_use() <= before + 70000);
    assert_int_equal(t_truncate(f, 100000), 0);
    assert_int_equal(t_read_at(f, back, 100000, 0), 100000);
    for (int i = 3; i < 100000; i++)
        assert_int_equal(back[i], 0);
    assert_int_equal(t_seek(f, 0, SEEK_SET), 0);
    w->fault = true;
    assert_int_equal(t_read(f, back, 10), -EFAULT);
    w->fault = false;
    assert_int_equal(t_seek(f, 0, SEEK_CUR), 0);
    assert_int_equal(t_read(f, back, 10), 10);
    t_close(f);
}

static void full_memory(void **state)
{
    (void)state;
    fill();
    int f = t_open("/f", O_CREAT | O_RDWR, 0600);
    mem_fail_at(1);
    assert_int_equal(t_write(f, big, 200000), -ENOSPC);
    assert_int_equal(t_fstat(f).size, 0);
    mem_fail_at(4); /* the second chunk's memory: what fits is written */
    int count = t_write(f, big, 200000);
    assert_int_equal(count, 65536);
    assert_int_equal(t_fstat(f).size, 65536);
    mem_fail_at(0);
    assert_int_equal(t_write(f, big + count, 200000 - (size_t)count), 200000 - count);
    assert_int_equal(t_read_at(f, back, 200000, 0), 200000);
    assert_memory_equal(big, back, 200000);
    t_close(f);
}

static void contents_leave_a_reserve(void **state)
{
    (void)state;
    w->filed.config.heap_size = (mem_in_use() + 200000) / 15 * 16;
    int f = t_open("/f", O_CREAT | O_RDWR, 0600);
    int count = t_write(f, big, 300000);
    assert_in_range(count, 65536, 200000);
    assert_int_equal(t_write(f, big, 100000), -ENOSPC);
    struct io_allocate_request rq = {0, 0, 1 << 30};
    assert_int_equal(t_call((uint64_t)f, IO_ALLOCATE, &rq, sizeof(rq)), -ENOSPC);
    assert_int_equal(t_fstat(f).size, count);
    assert_int_equal(t_create("/g"), 0);
    assert_int_equal(t_truncate(f, 0), 0);
    assert_int_equal(t_write(f, big, 65536), 65536);
    t_close(f);
}

static void seeking(void **state)
{
    (void)state;
    int f = t_open("/f", O_CREAT | O_RDWR, 0600);
    assert_int_equal(t_write(f, "0123456789", 10), 10);
    assert_int_equal(t_seek(f, -3, SEEK_END), 7);
    assert_int_equal(t_seek(f, 2, SEEK_CUR), 9);
    assert_int_equal(t_seek(f, -10, SEEK_CUR), -EINVAL);
    assert_int_equal(t_seek(f, INT64_MAX, SEEK_CUR), -EOVERFLOW);
    assert_int_equal(t_seek(f, 0, 9), -EINVAL);
    assert_int_equal(t_seek(f, 3, SEEK_DATA), 3);
    assert_int_equal(t_seek(f, 3, SEEK_HOLE), 10);
    assert_int_equal(t_seek(f, 10, SEEK_DATA), -ENXIO);
    assert_int_equal(t_seek(f, 1000, SEEK_SET), 1000);
    assert_int_equal(t_read(f, back, 10), 0);
    t_close(f);
}

static void allocation(void **state)
{
    (void)state;
    int f = t_open("/f", O_CREAT | O_RDWR, 0600);
    struct io_allocate_request rq = {0, 0, 100000};
    assert_int_equal(t_call((uint64_t)f, IO_ALLOCATE, &rq, sizeof(rq)), 0);
    assert_int_equal(t_fstat(f).size, 100000);
    rq = (struct io_allocate_request){1, 0, 200000};
    assert_int_equal(t_call((uint64_t)f, IO_ALLOCATE, &rq, sizeof(rq)), 0);
    assert_int_equal(t_fstat(f).size, 100000);
    rq = (struct io_allocate_request){0, 0, 0};
    assert_int_equal(t_call((uint64_t)f, IO_ALLOCATE, &rq, sizeof(rq)), -EINVAL);
    rq = (struct io_allocate_request){3, 0, 10};
    assert_int_equal(t_call((uint64_t)f, IO_ALLOCATE, &rq, sizeof(rq)), -EOPNOTSUPP);
    mem_fail_at(3);
    rq = (struct io_allocate_request){0, 0, 900000};
    assert_int_equal(t_call((uint64_t)f, IO_ALLOCATE, &rq, sizeof(rq)), -ENOSPC);
    assert_int_equal(t_fstat(f).size, 100000);
    t_close(f);
}

static void polling_and_ioctl(void **state)
{
    (void)state;
    int f = t_open("/f", O_CREAT | O_RDWR, 0600);
    assert_int_equal(t_write(f, "12345", 5), 5);
    assert_int_equal(t_seek(f, 1, SEEK_SET), 1);
    assert_int_equal(T_CALL((uint64_t)f, IO_POLL, ((uint64_t[]){POLLIN | POLLOUT | POLLPRI, 1})),
                     0);
    assert_int_equal(w->call.reply_words[0], POLLIN | POLLOUT);
    int value = 0;
    w->out = (char *)&value;
    w->out_length = sizeof(value);
    assert_int_equal(T_CALL((uint64_t)f, IO_IOCTL, ((uint64_t[]){0x541b, 0})), 0);
    assert_int_equal(value, 4);
    assert_int_equal(T_CALL((uint64_t)f, IO_IOCTL, ((uint64_t[]){0x5401, 0})), -ENOTTY);
    t_close(f);
    f = t_open("/tmp", O_RDONLY, 0);
    assert_int_equal(t_read(f, back, 1), -EISDIR);
    t_close(f);
}

/* Contents against a plain array, by random operations. */
static void random_against_array(void **state)
{
    (void)state;
    static char model[300000];
    size_t size = 0;
    memset(model, 0, sizeof(model));
    fill();
    srand(7);
    int f = t_open("/f", O_CREAT | O_RDWR, 0600);
    for (int i = 0; i < 3000; i++) {
        size_t at = (size_t)rand() % 150000, length = (size_t)rand() % (i % 3 ? 500 : 140000);
        if (i % 7 == 0) {
            size_t to = (size_t)rand() % sizeof(model);
            if (to < size)
                memset(model + to, 0, size - to);
            size = to;
            assert_int_equal(t_truncate(f, (int64_t)size), 0);
        } else if (i % 2) {
            if (length == 0)
                continue;
            memcpy(model + at, big + i, length);
            size = at + length > size ? at + length : size;
            assert_int_equal(t_write_at(f, big + i, length, (int64_t)at), length);
        } else {
            size_t expect = at >= size ? 0 : size - at < length ? size - at : length;
            assert_int_equal(t_read_at(f, back, length, (int64_t)at), expect);
            assert_memory_equal(back, model + at, expect);
        }
    }
    t_close(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(shared_offset),
        TEST(big_files),
        TEST(append),
        TEST(sparse_is_cheap),
        TEST(truncation),
        TEST(bad_memory_changes_nothing),
        TEST(full_memory),
        TEST(contents_leave_a_reserve),
        TEST(seeking),
        TEST(allocation),
        TEST(polling_and_ioctl),
        TEST(random_against_array),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
