/* The tree from cpio archives, and the nodes every system has. SPDX-License-Identifier: MIT */
#include "filed_harness.h"

static char blob[400000];
static size_t blob_size, bad;

struct extra {
    unsigned ino, nlink, major, minor, uid, gid, mtime;
};

static void put_bytes(const void *bytes, size_t length)
{
    memcpy(blob + blob_size, bytes, length);
    blob_size += length;
    while (blob_size % 4)
        blob[blob_size++] = 0;
}

static void put_member(const char *name, unsigned mode, const void *data, size_t length,
                       struct extra e)
{
    char header[128];
    snprintf(header, sizeof(header), "070701%08X%08X%08X%08X%08X%08X%08zX%08X%08X%08X%08X%08zX%08X",
             e.ino, mode, e.uid, e.gid, e.nlink ? e.nlink : 1, e.mtime, length, 0, 0, e.major,
             e.minor, strlen(name) + 1, 0);
    memcpy(blob + blob_size, header, 110);
    blob_size += 110;
    put_bytes(name, strlen(name) + 1);
    put_bytes(data, length);
}

static void put_end(void)
{
    put_member("TRAILER!!!", 0, "", 0, (struct extra){0});
}

static int add(void)
{
    return -(int)filed_add_archive(&w->filed, blob, blob_size, &bad);
}

static int start(void **state)
{
    blob_size = 0;
    return world_start_bare(state);
}

static void everything_of_one(void **state)
{
    (void)state;
    struct fs_stat_reply reply;
    char buffer[16];
    put_member(".", S_IFDIR | 0711, "", 0, (struct extra){.mtime = 9});
    put_member("bin", S_IFDIR | 0750, "", 0, (struct extra){.uid = 3, .gid = 4, .mtime = 77});
    put_member("./bin/tool", S_IFREG | 04755, "#!tool", 6, (struct extra){.mtime = 88});
    put_member("/bin/sh", S_IFLNK | 0777, "tool", 4, (struct extra){0});
    put_member("deep/er/file", S_IFREG | 0600, "", 0, (struct extra){0});
    put_member("tty9", S_IFCHR | 0620, "", 0, (struct extra){.major = 4, .minor = 300});
    put_member("fifo", S_IFIFO | 0622, "", 0, (struct extra){0});
    put_end();
    assert_int_equal(add(), 0);
    assert_int_equal(t_stat("/", &reply), 0);
    assert_int_equal(reply.mode, S_IFDIR | 0711);
    assert_int_equal(reply.mtime, 9000000000);
    assert_int_equal(reply.nlink, 4);
    assert_int_equal(t_stat("/bin", &reply), 0);
    assert_int_equal(reply.mode, S_IFDIR | 0750);
    assert_int_equal(reply.uid, 3);
    assert_int_equal(reply.gid, 4);
    assert_int_equal(reply.mtime, 77000000000);
    assert_int_equal(t_stat("/bin/sh", &reply), 0);
    assert_int_equal(reply.mode, S_IFREG | 04755);
    assert_int_equal(reply.mtime, 88000000000);
    assert_int_equal(reply.size, 6);
    assert_int_equal(reply.blocks, 8);
    assert_int_equal(t_stat("/deep/er", &reply), 0);
    assert_int_equal(reply.mode, S_IFDIR | 0755);
    assert_int_equal(t_stat("/tty9", &reply), 0);
    assert_int_equal(reply.rdev, 4 << 8 | (300 & 0xff) | (300 & ~0xff) << 12);
    assert_int_equal(t_stat("/fifo", &reply), 0);
    assert_true(S_ISFIFO(reply.mode));
    int f = t_open("/bin/sh", O_RDONLY, 0);
    assert_int_equal(t_read(f, buffer, 16), 6);
    assert_memory_equal(buffer, "#!tool", 6);
    t_close(f);
}

static void in_place_until_written(void **state)
{
    (void)state;
    static char data[200000], back[200000];
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (char)(i * 13 + i / 255);
    put_member("big", S_IFREG | 0755, data, sizeof(data), (struct extra){0});
    put_end();
    size_t before = mem_in_use();
    assert_int_equal(add(), 0);
    assert_true(mem_in_use() - before < 1000);
    int f = t_open("/big", O_RDWR, 0);
    assert_int_equal(t_read(f, back, sizeof(back)), sizeof(back));
    assert_int_equal(w->puts, 1); /* one copy, straight out of the archive */
    assert_memory_equal(back, data, sizeof(data));
    assert_int_equal(t_write_at(f, "new", 3, 70000), 3);
    assert_true(mem_in_use() - before < 67000 + 1000);
    memcpy(data + 70000, "new", 3);
    assert_int_equal(t_read_at(f, back, sizeof(back), 0), sizeof(back));
    assert_int_equal(w->puts, 3);
    assert_memory_equal(back, data, sizeof(data));
    assert_int_equal(t_fstat(f).blocks, (200000 + 4095) / 4096 * 8);
    assert_int_equal(t_truncate(f, 150000), 0);
    assert_int_equal(t_write_at(f, "end", 3, 199997), 3);
    memset(data + 150000, 0, 49997);
    memcpy(data + 199997, "end", 3);
    assert_int_equal(t_read_at(f, back, sizeof(back), 0), sizeof(back));
    assert_memory_equal(back, data, sizeof(data));
    t_close(f);
}

static void hard_links(void **state)
{
    (void)state;
    struct fs_stat_reply one, two;
    put_member("a", S_IFREG | 0755, "", 0, (struct extra){.ino = 5, .nlink = 2});
    put_member("b", S_IFREG | 0755, "data", 4, (struct extra){.ino = 5, .nlink = 2});
    put_end();
    /* another archive's 5 */
    put_member("c", S_IFREG | 0755, "other", 5, (struct extra){.ino = 5, .nlink = 2});
    put_end();
    assert_int_equal(add(), 0);
    assert_int_equal(t_stat("/a", &one), 0);
    assert_int_equal(t_stat("/b", &two), 0);
    assert_int_equal(one.ino, two.ino);
    assert_int_equal(one.nlink, 2);
    assert_int_equal(one.size, 4);
    assert_int_equal(t_stat("/c", &two), 0);
    assert_int_not_equal(one.ino, two.ino);
    assert_int_equal(two.nlink, 1);
}

static void later_archives_win(void **state)
{
    (void)state;
    struct fs_stat_reply reply;
    put_member("etc", S_IFDIR | 0700, "", 0, (struct extra){0});
    put_member("etc/keep", S_IFREG | 0644, "1", 1, (struct extra){0});
    put_member("etc/change", S_IFREG | 0644, "1", 1, (struct extra){0});
    put_member("usr", S_IFDIR | 0755, "", 0, (struct extra){0});
    put_member("lib", S_IFLNK | 0777, "usr", 3, (struct extra){0});
    put_member("empty", S_IFDIR | 0755, "", 0, (struct extra){0});
    put_end();
    memset(blob + blob_size, 0, 500);
    blob_size += 500;
    put_member("etc", S_IFDIR | 0755, "", 0, (struct extra){0});
    put_member("etc/change", S_IFREG | 0600, "22", 2, (struct extra){0});
    put_member("lib/so", S_IFREG | 0644, "", 0, (struct extra){0});
    put_member("empty", S_IFREG | 0644, "no", 2, (struct extra){0});
    put_end();
    memset(blob + blob_size, 0, 100);
    blob_size += 100;
    assert_int_equal(add(), 0);
    assert_int_equal(t_stat("/etc", &reply), 0);
    assert_int_equal(reply.mode, S_IFDIR | 0755);
    assert_int_equal(t_stat("/etc/keep", NULL), 0);
    assert_int_equal(t_stat("/etc/change", &reply), 0);
    assert_int_equal(reply.size, 2);
    assert_int_equal(t_stat("/usr/so", NULL), 0); /* through the link */
    assert_int_equal(t_stat("/empty", &reply), 0);
    assert_true(S_ISREG(reply.mode));
}

static void malformed(void **state)
{
    (void)state;
    put_member("fine", S_IFREG | 0644, "1", 1, (struct extra){0});
    size_t second = blob_size;
    put_member("second", S_IFREG | 0644, "22222", 5, (struct extra){0});
    size_t whole = blob_size;
    for (blob_size = second + 1; blob_size < second + 110 + 8 + 5; blob_size++) {
        assert_int_equal(add(), -EINVAL);
        assert_int_equal(bad, second);
    }
    blob_size = whole;
    blob[second + 20] = 'x';
    assert_int_equal(add(), -EINVAL);
    assert_int_equal(t_stat("/fine", NULL), 0);
    blob_size = 0;
    put_member("../out", S_IFREG | 0644, "1", 1, (struct extra){0});
    assert_int_equal(add(), 0); /* the root is its own parent: it cannot get out */
    assert_int_equal(t_stat("/out", NULL), 0);
    static const struct {
        const char *name;
        unsigned mode;
        const char *data;
        size_t size;
    } wrong[] = {
        {"a/..", S_IFREG, "", 0}, {"nul", S_IFLNK, "a\0b", 3},   {"empty", S_IFLNK, "", 0},
        {"type", 0170000, "", 0}, {"out/below", S_IFREG, "", 0},
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        blob_size = 0;
        put_member(wrong[i].name, wrong[i].mode, wrong[i].data, wrong[i].size, (struct extra){0});
        assert_int_equal(add(), -EINVAL);
    }
}

/* Bytes changed at random: any answer will do, as long as nothing outside the archive is touched
 * (ASan). */
static void mangled(void **state)
{
    (void)state;
    put_member("d", S_IFDIR | 0755, "", 0, (struct extra){0});
    put_member("d/f", S_IFREG | 0755, "contents", 8, (struct extra){.ino = 5, .nlink = 2});
    put_member("d/g", S_IFREG | 0755, "", 0, (struct extra){.ino = 5, .nlink = 2});
    put_member("d/l", S_IFLNK | 0777, "f", 1, (struct extra){0});
    put_end();
    srand(3);
    for (int i = 0; i < 3000; i++) {
        char *copy = malloc(blob_size);
        memcpy(copy, blob, blob_size);
        for (int k = rand() % 4; k >= 0; k--)
            copy[(size_t)rand() % blob_size] = "0123456789abcdef/.\0"[rand() % 19];
        struct filed *filed = malloc(sizeof(*filed));
        assert_int_equal(filed_init(filed, &w->filed.config), 0);
        filed_add_archive(filed, copy, blob_size, &bad);
        filed_destroy(filed, &w->effects);
        free(filed);
        free(copy);
    }
}

static void out_of_memory(void **state)
{
    (void)state;
    put_member("d", S_IFDIR | 0755, "", 0, (struct extra){0});
    put_member("d/e/f", S_IFREG | 0755, "contents", 8, (struct extra){.ino = 5, .nlink = 2});
    put_member("d/g", S_IFREG | 0755, "", 0, (struct extra){.ino = 5, .nlink = 2});
    put_end();
    int result = -1;
    for (unsigned n = 1; result; n++) {
        assert_true(n < 200);
        struct filed *filed = malloc(sizeof(*filed));
        size_t before = mem_in_use();
        mem_fail_at(n);
        result = (int)filed_init(filed, &w->filed.config);
        if (result == 0) {
            result = (int)filed_add_archive(filed, blob, blob_size, &bad);
            if (result == 0)
                result = (int)filed_add_defaults(filed);
            mem_fail_at(0);
            filed_destroy(filed, &w->effects);
        }
        mem_fail_at(0);
        assert_true(result == 0 || result == (int)ST_NOMEM);
        assert_int_equal(mem_in_use(), before);
        free(filed);
    }
}

static void defaults(void **state)
{
    (void)state;
    struct fs_stat_reply reply;
    char buffer[32];
    put_member("dev", S_IFDIR | 0700, "", 0, (struct extra){0});
    put_member("dev/null", S_IFREG | 0644, "", 0, (struct extra){0});
    put_end();
    assert_int_equal(add(), 0);
    assert_int_equal(filed_add_defaults(&w->filed), 0);
    assert_int_equal(t_stat("/dev", &reply), 0);
    assert_int_equal(reply.mode, S_IFDIR | 0700); /* the archive's stays */
    assert_int_equal(t_stat("/dev/null", &reply), 0);
    assert_true(S_ISREG(reply.mode));
    assert_int_equal(t_stat("/dev/zero", &reply), 0);
    assert_int_equal(reply.mode, S_IFCHR | 0666);
    assert_int_equal(reply.rdev, 1 << 8 | 5);
    assert_int_equal(t_stat("/dev/ttyS0", &reply), 0);
    assert_int_equal(reply.rdev, 4 << 8 | 64);
    assert_int_equal(t_stat("/tmp", &reply), 0);
    assert_int_equal(reply.mode, S_IFDIR | 01777);
    assert_int_equal(t_stat("/dev/shm", &reply), 0);
    assert_int_equal(reply.mode, S_IFDIR | 01777);
    assert_int_equal(t_read_link("/dev/fd", buffer, 32), 13);
    assert_memory_equal(buffer, "/proc/self/fd", 13);
    assert_int_equal(t_read_link("/dev/stderr", buffer, 32), 15);
}

#define ARCHIVE(function) cmocka_unit_test_setup_teardown(function, start, world_stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ARCHIVE(everything_of_one), ARCHIVE(in_place_until_written),
        ARCHIVE(hard_links),        ARCHIVE(later_archives_win),
        ARCHIVE(malformed),         ARCHIVE(mangled),
        ARCHIVE(out_of_memory),     ARCHIVE(defaults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
