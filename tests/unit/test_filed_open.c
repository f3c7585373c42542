/* open(2): flags, creation, who may. SPDX-License-Identifier: MIT */
#include "filed_harness.h"

static void creating(void **state)
{
    (void)state;
    assert_int_equal(t_opens("/f", O_RDONLY, 0), -ENOENT);
    assert_int_equal(t_opens("/f", O_CREAT | O_RDWR, 0640), 0);
    struct fs_stat_reply reply;
    assert_int_equal(t_stat("/f", &reply), 0);
    assert_int_equal(reply.mode, S_IFREG | 0640);
    assert_int_equal(reply.nlink, 1);
    assert_int_equal(t_opens("/f", O_CREAT | O_RDONLY, 0), 0);
    assert_int_equal(t_opens("/f", O_CREAT | O_EXCL | O_RDWR, 0640), -EEXIST);
    assert_int_equal(t_opens("/none/f", O_CREAT | O_RDWR, 0640), -ENOENT);
    assert_int_equal(t_opens("/f/f", O_CREAT | O_RDWR, 0640), -ENOTDIR);
    assert_int_equal(t_opens("/g/", O_CREAT | O_RDWR, 0640), -EISDIR);
    assert_int_equal(t_opens("/f/", O_CREAT | O_RDWR, 0640), -EISDIR);
}

static void through_links(void **state)
{
    (void)state;
    assert_int_equal(t_symlink("target", "/link"), 0);
    assert_int_equal(t_opens("/link", O_CREAT | O_EXCL | O_WRONLY, 0600), -EEXIST);
    assert_int_equal(t_opens("/link", O_CREAT | O_WRONLY, 0600), 0); /* makes the target */
    assert_int_equal(t_stat("/target", NULL), 0);
    assert_int_equal(t_opens("/link", O_NOFOLLOW | O_RDONLY, 0), -ELOOP);
    assert_int_equal(t_opens("/link", O_NOFOLLOW | O_DIRECTORY | O_RDONLY, 0), -ENOTDIR);
    int link = t_open("/link", O_NOFOLLOW | O_PATH, 0);
    assert_true(S_ISLNK(t_fstat(link).mode));
    t_close(link);
}

static void directories(void **state)
{
    (void)state;
    assert_int_equal(t_opens("/tmp", O_RDONLY | O_DIRECTORY, 0), 0);
    assert_int_equal(t_opens("/tmp", O_WRONLY, 0), -EISDIR);
    assert_int_equal(t_opens("/tmp", O_RDWR, 0), -EISDIR);
    assert_int_equal(t_opens("/tmp", O_RDONLY | O_TRUNC, 0), -EISDIR);
    assert_int_equal(t_opens("/tmp", O_RDONLY | O_CREAT, 0), -EISDIR);
    assert_int_equal(t_opens("/tmp/.", O_RDONLY | O_CREAT, 0), -EISDIR);
    assert_int_equal(t_opens("/tmp/.", O_RDONLY | O_CREAT | O_EXCL, 0), -EEXIST);
    assert_int_equal(t_opens("/dev/null", O_RDONLY | O_DIRECTORY, 0), -ENOTDIR);
    assert_int_equal(t_opens("/tmp", O_DIRECTORY | O_CREAT, 0), -EINVAL);
    assert_int_equal(t_opens("/tmp", 020000000 | O_DIRECTORY | O_RDWR, 0), -EOPNOTSUPP);
}

static void permissions(void **state)
{
    (void)state;
    become(ALICE);
    assert_int_equal(t_opens("/f", O_CREAT | O_RDWR, 0600), -EACCES);
    assert_int_equal(t_opens("/tmp/f", O_CREAT | O_RDWR, 0640), 0);
    /* the mode counts from the second open on */
    assert_int_equal(t_opens("/tmp/mine", O_CREAT | O_RDWR, 0), 0);
    assert_int_equal(t_opens("/tmp/mine", O_RDONLY, 0), -EACCES);
    become(BOB);
    assert_int_equal(t_opens("/tmp/f", O_RDONLY, 0), -EACCES);
    become(CAROL);
    assert_int_equal(t_opens("/tmp/f", O_RDONLY, 0), 0);
    assert_int_equal(t_opens("/tmp/f", O_RDONLY | O_TRUNC, 0), -EACCES);
    assert_int_equal(t_opens("/tmp/f", O_RDONLY | O_NOATIME, 0), -EPERM);
    become(ROOT);
    assert_int_equal(t_opens("/tmp/mine", O_RDWR | O_NOATIME, 0), 0);
}

static void group_of_directory(void **state)
{
    (void)state;
    assert_int_equal(t_mkdir("/shared", 0777), 0);
    assert_int_equal(t_attributes("/shared", 1 | 4, 02777, 0, 55), 0);
    become(ALICE);
    assert_int_equal(t_create("/shared/f"), 0);
    assert_int_equal(t_mkdir("/shared/d", 0755), 0);
    struct fs_stat_reply reply;
    assert_int_equal(t_stat("/shared/f", &reply), 0);
    assert_int_equal(reply.gid, 55);
    assert_int_equal(reply.uid, 1000);
    assert_int_equal(t_stat("/shared/d", &reply), 0);
    assert_int_equal(reply.mode, S_IFDIR | S_ISGID | 0755);
}

static void truncating(void **state)
{
    (void)state;
    int f = t_open("/f", O_CREAT | O_RDWR, 0600);
    assert_int_equal(t_write(f, "hello", 5), 5);
    w->now += 5;
    assert_int_equal(t_opens("/f", O_WRONLY | O_TRUNC, 0), 0);
    struct io_stat_reply reply = t_fstat(f);
    assert_int_equal(reply.size, 0);
    assert_int_equal(reply.mtime, w->now);
    t_close(f);
}

static void unlinked_lives_on(void **state)
{
    (void)state;
    unsigned nodes = w->filed.node_count;
    int f = t_open("/f", O_CREAT | O_RDWR, 0600);
    assert_string_equal(t_path(f), "/f");
    assert_int_equal(t_write(f, "hello", 5), 5);
    assert_int_equal(t_unlink("/f"), 0);
    char buffer[8];
    assert_int_equal(t_read_at(f, buffer, 8, 0), 5);
    assert_int_equal(t_fstat(f).nlink, 0);
    assert_string_equal(t_path(f), "/f (deleted)");
    assert_int_equal(w->filed.node_count, nodes + 1);
    t_close(f);
    assert_int_equal(w->filed.node_count, nodes);
}

static void path_only(void **state)
{
    (void)state;
    char byte;
    assert_int_equal(t_create("/f"), 0);
    assert_int_equal(t_chmod("/f", 0), 0);
    become(ALICE);
    int f = t_open("/f", O_PATH | O_RDWR | O_CREAT | O_TRUNC, 0);
    assert_true(f > 0);
    assert_int_equal(t_read(f, &byte, 1), -EBADF);
    assert_int_equal(t_write(f, "x", 1), -EBADF);
    assert_int_equal(t_seek(f, 0, 0), -EBADF);
    assert_int_equal(t_truncate(f, 0), -EBADF);
    assert_int_equal(t_fstat(f).size, 0);
    t_close(f);
}

static void access_modes(void **state)
{
    (void)state;
    char byte;
    int r = t_open("/f", O_CREAT | O_RDONLY, 0600), wr = t_open("/f", O_WRONLY, 0),
        none = t_open("/f", 3, 0);
    assert_int_equal(t_write(r, "x", 1), -EBADF);
    assert_int_equal(t_read(wr, &byte, 1), -EBADF);
    assert_int_equal(t_read(none, &byte, 1), -EBADF);
    assert_int_equal(t_write(none, "x", 1), -EBADF);
    assert_int_equal(t_truncate(r, 0), -EINVAL);
    assert_int_equal(T_CALL((uint64_t)wr, IO_GET_FLAGS, (uint64_t[0]){}), 0);
    assert_int_equal(w->call.reply_words[0], O_WRONLY);
    assert_int_equal(t_read(BADGE_ROOT, &byte, 1), -EBADF);
    t_close(r);
    t_close(wr);
    t_close(none);
}

static void terminals_redirect(void **state)
{
    (void)state;
    assert_int_equal(t_open("/dev/console", O_RDWR, 0), -(int)ST_REDIRECT);
    assert_int_equal(w->call.reply_caps[0].value, CONSOLED_SLOT);
    assert_int_equal(w->call.reply_words[1], 0);
    become(ALICE);
    assert_int_equal(t_open("/dev/console", O_RDWR, 0), -EACCES);
    assert_int_equal(t_open("/dev/tty", O_RDWR, 0), -(int)ST_REDIRECT);
    assert_int_equal(t_stat("/dev/tty", NULL), 0);
}

static void other_nodes(void **state)
{
    (void)state;
    assert_int_equal(t_mknod("/disk", S_IFBLK | 0600, DEVICE(8, 0)), 0);
    assert_int_equal(t_opens("/disk", O_RDONLY, 0), -ENXIO);
    assert_int_equal(t_mknod("/socket", S_IFSOCK | 0600, 0), 0);
    assert_int_equal(t_opens("/socket", O_RDWR, 0), -ENXIO);
    become(ALICE);
    assert_int_equal(t_mknod("/tmp/disk", S_IFBLK | 0600, DEVICE(8, 0)), -EPERM);
    assert_int_equal(t_opens("/socket", O_RDWR, 0), -EACCES);
}

static void descriptions_are_bounded(void **state)
{
    (void)state;
    w->credentials[ALICE].nofile = 10;
    become(ALICE);
    int badge, made = 0, all[512];
    while ((badge = t_open("/dev/null", O_RDWR, 0)) > 0)
        all[made++] = badge;
    assert_int_equal(badge, -EMFILE);
    assert_int_equal(made, 10 + FILED_DESCRIPTIONS_SLACK);
    become(BOB);
    assert_int_equal(t_opens("/dev/null", O_RDWR, 0), 0);
    while (made > 0)
        t_close(all[--made]);
    become(ALICE);
    assert_int_equal(t_opens("/dev/null", O_RDWR, 0), 0);
}

static void devices(void **state)
{
    (void)state;
    char buffer[100], other[100];
    int null = t_open("/dev/null", O_RDWR, 0), zero = t_open("/dev/zero", O_RDWR, 0);
    int full = t_open("/dev/full", O_RDWR, 0), random = t_open("/dev/urandom", O_RDONLY, 0);
    assert_int_equal(t_read(null, buffer, 100), 0);
    assert_int_equal(t_write(null, buffer, 100), 100);
    memset(buffer, 1, 100);
    assert_int_equal(t_read(zero, buffer, 100), 100);
    assert_int_equal(buffer[0] | buffer[99], 0);
    assert_int_equal(t_write(full, buffer, 1), -ENOSPC);
    assert_int_equal(t_read(random, buffer, 100), 100);
    assert_int_equal(t_read(random, other, 100), 100);
    assert_memory_not_equal(buffer, other, 100);
    assert_int_equal(t_seek(null, 5, SEEK_SET), 0);
    assert_int_equal(t_fstat(null).rdev, DEVICE_NULL);
    t_close(null);
    t_close(zero);
    t_close(full);
    t_close(random);
}

/* RFC 8439, 2.3.2: the block function's own example (its nonce words are our counter's upper
 * half and zeros). */
static void random_is_chacha20(void **state)
{
    (void)state;
    /* key 0, counter 0 */
    static const uint8_t first[8] = {0x76, 0xb8, 0xe0, 0xad, 0xa0, 0xf1, 0x3d, 0x90};
    uint8_t buffer[8];
    random_seed(&w->filed, (uint64_t[4]){0});
    int random = t_open("/dev/random", O_RDONLY, 0);
    assert_int_equal(t_read(random, buffer, 8), 8);
    assert_memory_equal(buffer, first, 8);
    t_close(random);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(creating),
        TEST(through_links),
        TEST(directories),
        TEST(permissions),
        TEST(group_of_directory),
        TEST(truncating),
        TEST(unlinked_lives_on),
        TEST(path_only),
        TEST(access_modes),
        TEST(terminals_redirect),
        TEST(other_nodes),
        TEST(descriptions_are_bounded),
        TEST(devices),
        TEST(random_is_chacha20),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
