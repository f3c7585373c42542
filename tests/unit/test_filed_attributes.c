/* chmod, chown, utimensat, access, stat, read_directory, path, statfs.
 * SPDX-License-Identifier: MIT */
#include "filed_harness.h"

static unsigned mode_of(const char *path)
{
    struct fs_stat_reply reply;
    assert_int_equal(t_stat(path, &reply), 0);
    return (unsigned)reply.mode & 07777;
}

static void chmod_rules(void **state)
{
    (void)state;
    become(ALICE);
    assert_int_equal(t_create("/tmp/f"), 0);
    assert_int_equal(t_chmod("/tmp/f", 0100644 | 04711), 0);
    assert_int_equal(mode_of("/tmp/f"), 04755 & (0644 | 04711));
    become(BOB);
    assert_int_equal(t_chmod("/tmp/f", 0777), -EPERM);
    become(ROOT);
    assert_int_equal(t_attributes("/tmp/f", 4, 0, 0, 77), 0);
    become(ALICE);
    assert_int_equal(t_chmod("/tmp/f", 02755), 0);
    assert_int_equal(mode_of("/tmp/f"), 0755); /* not her group */
    assert_int_equal(t_chmod("/tmp/x", 0755), -ENOENT);
    assert_int_equal(t_chmod("/proc/x", 0755), -EPERM);
}

static void chown_rules(void **state)
{
    (void)state;
    become(CAROL);
    assert_int_equal(t_create("/tmp/f"), 0);
    assert_int_equal(t_chmod("/tmp/f", 06755), 0);
    assert_int_equal(t_attributes("/tmp/f", 4, 0, 0, 1000), 0); /* a group of hers */
    assert_int_equal(mode_of("/tmp/f"), 0755);
    assert_int_equal(t_attributes("/tmp/f", 4, 0, 0, 5), -EPERM);
    assert_int_equal(t_attributes("/tmp/f", 2, 0, 1000, 0), -EPERM);
    assert_int_equal(t_attributes("/tmp/f", 2, 0, 1002, 0), 0); /* as it is */
    become(ALICE);
    assert_int_equal(t_attributes("/tmp/f", 4, 0, 0, 1000), -EPERM);
    become(ROOT);
    assert_int_equal(t_attributes("/tmp/f", 6, 0, 7, 8), 0);
    struct fs_stat_reply reply;
    t_stat("/tmp/f", &reply);
    assert_int_equal(reply.uid, 7);
    assert_int_equal(reply.gid, 8);
}

static void writing_drops_set_id(void **state)
{
    (void)state;
    int f = t_open("/f", O_CREAT | O_RDWR, 0777);
    assert_int_equal(t_chmod("/f", 06777), 0);
    assert_int_equal(t_write(f, "x", 1), 1);
    assert_int_equal(mode_of("/f"), 06777);
    become(ALICE);
    assert_int_equal(t_write(f, "x", 1), 1);
    assert_int_equal(mode_of("/f"), 0777);
    t_close(f);
}

static int times(const char *path, uint64_t what, int64_t atime, int64_t mtime)
{
    struct fs_set_attributes_request rq = {
        .path_length = paths_in(path, NULL), .what = what, .atime = atime, .mtime = mtime};
    return t_call(BADGE_ROOT, FS_SET_ATTRIBUTES, &rq, sizeof(rq));
}

static void time_rules(void **state)
{
    (void)state;
    struct fs_stat_reply reply;
    become(ALICE);
    assert_int_equal(t_opens("/tmp/f", O_CREAT | O_WRONLY, 0666), 0);
    w->now += 10;
    assert_int_equal(times("/tmp/f", 24, 111, 222), 0);
    t_stat("/tmp/f", &reply);
    assert_int_equal(reply.atime, 111);
    assert_int_equal(reply.mtime, 222);
    assert_int_equal(reply.ctime, w->now);
    become(BOB);
    assert_int_equal(times("/tmp/f", 24, 1, 2), -EPERM);
    assert_int_equal(times("/tmp/f", 24, IO_TIME_NOW, IO_TIME_NOW), 0); /* he may write */
    become(ALICE);
    assert_int_equal(t_chmod("/tmp/f", 0644), 0);
    become(BOB);
    assert_int_equal(times("/tmp/f", 24, IO_TIME_NOW, IO_TIME_NOW), -EACCES);
    t_stat("/tmp/f", &reply);
    assert_int_equal(reply.mtime, w->now);
}

static void relatime(void **state)
{
    (void)state;
    char byte;
    int f = t_open("/f", O_CREAT | O_RDWR, 0600), quiet = t_open("/f", O_RDONLY | O_NOATIME, 0);
    int64_t made = w->now;
    assert_int_equal(t_write(f, "x", 1), 1);
    w->now += 50;
    assert_int_equal(t_read_at(quiet, &byte, 1, 0), 1);
    assert_int_equal(t_fstat(f).atime, made);
    assert_int_equal(t_read_at(f, &byte, 1, 0), 1);
    assert_int_equal(t_fstat(f).atime, made + 50);
    w->now += 50;
    assert_int_equal(t_read_at(f, &byte, 1, 0), 1);
    assert_int_equal(t_fstat(f).atime, made + 50); /* not again within the day */
    w->now += 86400ll * 1000000000;
    assert_int_equal(t_read_at(f, &byte, 1, 0), 1);
    assert_int_equal(t_fstat(f).atime, w->now);
    t_close(f);
    t_close(quiet);
}

static void access_rules(void **state)
{
    (void)state;
    assert_int_equal(t_opens("/f", O_CREAT | O_WRONLY, 0640), 0);
    assert_int_equal(t_access("/f", 4 | 2, 0), 0);
    assert_int_equal(t_access("/f", 1, 0), -EACCES); /* root, but nobody may execute it */
    assert_int_equal(t_access("/tmp", 1, 0), 0);
    assert_int_equal(t_access("/x", 0, 0), -ENOENT);
    become(ALICE);
    assert_int_equal(t_access("/f", 4, 0), -EACCES);
    assert_int_equal(t_access("/f", 0, 0), 0);
    w->credentials[ALICE].fsuid = 0; /* set-user-ID program of root */
    assert_int_equal(t_access("/f", 4, 0), -EACCES);
    assert_int_equal(t_access("/f", 4, FS_EFFECTIVE), 0);
}

static void listing(void **state)
{
    (void)state;
    assert_int_equal(t_mkdir("/d", 0755), 0);
    assert_int_equal(t_create("/d/one"), 0);
    assert_int_equal(t_create("/d/two"), 0);
    assert_int_equal(t_symlink("x", "/d/three"), 0);
    assert_string_equal(t_list("/d"), "three two one "); /* newest first, as tmpfs */
    _Alignas(8) char records[200];
    int d = t_open("/d", O_RDONLY, 0);
    w->out = records;
    w->out_length = sizeof(records);
    assert_int_equal(T_CALL((uint64_t)d, IO_READ_DIRECTORY, ((uint64_t[]){10})), -EINVAL);
    assert_int_equal(T_CALL((uint64_t)d, IO_READ_DIRECTORY, ((uint64_t[]){200})), 0);
    assert_int_equal(w->call.reply_words[0], 24 + 24 + 24 + 24 + 32);
    assert_string_equal(records + 19, ".");
    assert_int_equal(records[18], 4); /* DT_DIR */
    assert_string_equal(records + 24 + 19, "..");
    assert_string_equal(records + 48 + 19, "three");
    assert_int_equal(records[48 + 18], 10); /* DT_LNK */
    assert_int_equal(records[80 + 18], 8); /* DT_REG */
    assert_int_equal(*(uint64_t *)(records + 24), w->filed.root->ino);
    /* back to after "three", as telldir and seekdir do; what is made now is newer, so it does
     * not show */
    assert_int_equal(t_seek(d, *(int64_t *)(records + 48 + 8), SEEK_SET),
                     *(int64_t *)(records + 48 + 8));
    assert_int_equal(t_unlink("/d/one"), 0);
    assert_int_equal(t_create("/d/four"), 0);
    assert_int_equal(T_CALL((uint64_t)d, IO_READ_DIRECTORY, ((uint64_t[]){200})), 0);
    assert_string_equal(records + 19, "two");
    assert_int_equal(T_CALL((uint64_t)d, IO_READ_DIRECTORY, ((uint64_t[]){200})), 0);
    assert_int_equal(w->call.reply_words[0], 0);
    t_close(d);
    d = t_open("/d/two", O_RDONLY, 0);
    assert_int_equal(T_CALL((uint64_t)d, IO_READ_DIRECTORY, ((uint64_t[]){200})), -ENOTDIR);
    t_close(d);
}

/* rm -r: names go while they are read; each is seen once. */
static void removing_while_listing(void **state)
{
    (void)state;
    char path[32];
    _Alignas(8) char records[256];
    bool seen[500] = {false};
    assert_int_equal(t_mkdir("/d", 0755), 0);
    for (int i = 0; i < 500; i++) {
        snprintf(path, sizeof(path), "/d/%d", i);
        assert_int_equal(t_create(path), 0);
    }
    int d = t_open("/d", O_RDONLY, 0);
    for (;;) {
        w->out = records;
        w->out_length = sizeof(records);
        assert_int_equal(T_CALL((uint64_t)d, IO_READ_DIRECTORY, ((uint64_t[]){sizeof(records)})),
                         0);
        uint64_t count = w->call.reply_words[0];
        if (count == 0)
            break;
        for (uint64_t at = 0; at < count; at += *(uint16_t *)(records + at + 16)) {
            const char *name = records + at + 19;
            if (name[0] == '.')
                continue;
            assert_false(seen[atoi(name)]);
            seen[atoi(name)] = true;
            snprintf(path, sizeof(path), "/d/%s", name);
            assert_int_equal(t_unlink(path), 0);
        }
    }
    t_close(d);
    for (int i = 0; i < 500; i++)
        assert_true(seen[i]);
    assert_int_equal(t_rmdir("/d"), 0);
}

static void paths_of_descriptions(void **state)
{
    (void)state;
    int root = t_open("/", O_RDONLY, 0);
    assert_string_equal(t_path(root), "/");
    t_close(root);
    assert_int_equal(t_mkdir("/d", 0755), 0);
    int f = t_open("/d/f", O_CREAT | O_RDWR, 0600), d = t_open("/d/.", O_RDONLY, 0);
    assert_string_equal(t_path(d), "/d");
    assert_int_equal(t_rename("/d", "/e"), 0);
    assert_string_equal(t_path(f), "/e/f");
    assert_int_equal(t_create("/other"), 0);
    assert_int_equal(t_rename("/other", "/e/f"), 0); /* replaces */
    assert_string_equal(t_path(f), "/e/f (deleted)");
    w->out_length = 0;
    w->fault = true;
    assert_int_equal(T_CALL((uint64_t)f, IO_PATH, (uint64_t[0]){}), -EFAULT);
    w->fault = false;
    t_close(f);
    t_close(d);
}

static void counting(void **state)
{
    (void)state;
    struct fs_stat_fs_request rq = {.path_length = paths_in("/tmp", NULL)};
    assert_int_equal(t_call(BADGE_ROOT, FS_STAT_FS, &rq, sizeof(rq)), 0);
    assert_int_equal(w->call.reply_words[0], 0x01021994);
    assert_true(w->call.reply_words[3] < w->call.reply_words[2]);
    assert_int_equal(T_CALL(BADGE_ROOT, FS_COUNTS, (uint64_t[0]){}), 0);
    uint64_t nodes = w->call.reply_words[0], heap;
    assert_int_equal(w->call.reply_words[1], 0);
    int f = t_open("/f", O_CREAT | O_RDWR, 0600);
    assert_int_equal(T_CALL(BADGE_ROOT, FS_COUNTS, (uint64_t[0]){}), 0);
    assert_int_equal(w->call.reply_words[0], nodes + 1);
    assert_int_equal(w->call.reply_words[1], 1);
    assert_int_equal(t_unlink("/f"), 0);
    t_close(f);
    assert_int_equal(T_CALL(BADGE_ROOT, FS_COUNTS, (uint64_t[0]){}), 0);
    heap = w->call.reply_words[2];
    assert_int_equal(w->call.reply_words[0], nodes);
    f = t_open("/f", O_CREAT | O_RDWR, 0600);
    assert_int_equal(t_write(f, "0123", 4), 4);
    assert_int_equal(t_unlink("/f"), 0);
    t_close(f);
    assert_int_equal(T_CALL(BADGE_ROOT, FS_COUNTS, (uint64_t[0]){}), 0);
    assert_int_equal(w->call.reply_words[2], heap); /* back to the byte */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(chmod_rules),
        TEST(chown_rules),
        TEST(writing_drops_set_id),
        TEST(time_rules),
        TEST(relatime),
        TEST(access_rules),
        TEST(listing),
        TEST(removing_while_listing),
        TEST(paths_of_descriptions),
        TEST(counting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
