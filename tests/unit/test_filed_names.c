/* mkdir, rmdir, link, symlink, unlink, rename: one test per class of answer.
 * SPDX-License-Identifier: MIT */
#include "filed_harness.h"

static uint64_t links_of(const char *path)
{
    struct fs_stat_reply reply;
    assert_int_equal(t_stat_flags(path, FS_NOFOLLOW, &reply), 0);
    return reply.nlink;
}

static uint64_t ino_of(const char *path)
{
    struct fs_stat_reply reply;
    assert_int_equal(t_stat_flags(path, FS_NOFOLLOW, &reply), 0);
    return reply.ino;
}

static void making(void **state)
{
    (void)state;
    uint64_t before = links_of("/");
    assert_int_equal(t_mkdir("/d/", 0755), 0);
    assert_int_equal(links_of("/"), before + 1);
    assert_int_equal(links_of("/d"), 2);
    assert_int_equal(t_mkdir("/d", 0755), -EEXIST);
    assert_int_equal(t_mkdir("/", 0755), -EEXIST);
    assert_int_equal(t_mkdir("/d/.", 0755), -EEXIST);
    assert_int_equal(t_mkdir("/d/..", 0755), -EEXIST);
    assert_int_equal(t_mkdir("/x/y", 0755), -ENOENT);
    assert_int_equal(t_mknod("/f/", S_IFREG | 0644, 0), -ENOENT);
    assert_int_equal(t_mknod("/f", 0644, 0), 0);
    assert_int_equal(t_mknod("/f", 0644, 0), -EEXIST);
    assert_int_equal(t_mkdir("/f/x", 0755), -ENOTDIR);
    assert_int_equal(t_mknod("/l", S_IFLNK | 0644, 0), -EINVAL);
    assert_int_equal(t_symlink("x", "/dangling"), 0);
    assert_int_equal(t_mkdir("/dangling", 0755), -EEXIST);
    assert_int_equal(t_mkdir("/dangling/", 0755), -EEXIST);
    become(ALICE);
    assert_int_equal(t_mkdir("/e", 0755), -EACCES);
    assert_int_equal(t_mkdir("/d", 0755), -EEXIST);
}

static void removing(void **state)
{
    (void)state;
    assert_int_equal(t_mkdir("/d", 0755), 0);
    assert_int_equal(t_create("/d/f"), 0);
    assert_int_equal(t_symlink("d", "/l"), 0);
    assert_int_equal(t_unlink("/d"), -EISDIR);
    assert_int_equal(t_unlink("/"), -EISDIR);
    assert_int_equal(t_unlink("/d/."), -EISDIR);
    assert_int_equal(t_unlink("/d/f/"), -ENOTDIR);
    assert_int_equal(t_unlink("/d/"), -EISDIR);
    assert_int_equal(t_unlink("/x"), -ENOENT);
    assert_int_equal(t_unlink("/d/f/x"), -ENOTDIR);
    assert_int_equal(t_rmdir("/d"), -ENOTEMPTY);
    assert_int_equal(t_rmdir("/d/."), -EINVAL);
    assert_int_equal(t_rmdir("/d/.."), -ENOTEMPTY);
    assert_int_equal(t_rmdir("/"), -EBUSY);
    assert_int_equal(t_rmdir("/d/f"), -ENOTDIR);
    assert_int_equal(t_rmdir("/l"), -ENOTDIR);
    assert_int_equal(t_rmdir("/l/"), -ENOTDIR);
    assert_int_equal(t_rmdir("/x"), -ENOENT);
    assert_int_equal(t_unlink("/d/f"), 0);
    assert_int_equal(t_rmdir("/d/"), 0);
    assert_int_equal(t_stat("/d", NULL), -ENOENT);
}

static void sticky(void **state)
{
    (void)state;
    become(ALICE);
    assert_int_equal(t_create("/tmp/f"), 0);
    assert_int_equal(t_mkdir("/tmp/d", 0777), 0);
    become(BOB);
    assert_int_equal(t_unlink("/tmp/f"), -EPERM);
    assert_int_equal(t_rename("/tmp/f", "/tmp/g"), -EPERM);
    assert_int_equal(t_rmdir("/tmp/d"), -EPERM);
    assert_int_equal(t_create("/tmp/d/mine"), 0);
    assert_int_equal(t_rename("/tmp/d/mine", "/tmp/f"), -EPERM);
    assert_int_equal(t_unlink("/dev/null"), -EACCES);
    become(ALICE);
    assert_int_equal(t_unlink("/tmp/d/mine"), 0); /* her directory is not sticky */
    assert_int_equal(t_unlink("/tmp/f"), 0);
}

static void removed_directory(void **state)
{
    (void)state;
    assert_int_equal(t_mkdir("/d", 0755), 0);
    assert_int_equal(t_mkdir("/d/e", 0755), 0);
    int e = t_open("/d/e", O_RDONLY, 0);
    assert_int_equal(t_rmdir("/d/e"), 0);
    assert_int_equal(t_rmdir("/d"), 0);
    assert_int_equal(t_open_at((uint64_t)e, "new", O_CREAT | O_RDWR, 0600), -ENOENT);
    assert_int_equal(t_make_node_at((uint64_t)e, "new", S_IFDIR, 0), -ENOENT);
    char records[100];
    w->out = records;
    w->out_length = sizeof(records);
    assert_int_equal(T_CALL((uint64_t)e, IO_READ_DIRECTORY, ((uint64_t[]){100})), -ENOENT);
    assert_int_equal(T_CALL((uint64_t)e, IO_PATH, (uint64_t[0]){}), -ENOENT);
    int up = t_open_at((uint64_t)e, "..", O_RDONLY, 0);
    assert_int_equal(t_fstat(up).nlink, 0);
    t_close(e);
    t_close(up);
}

static void linking(void **state)
{
    (void)state;
    assert_int_equal(t_create("/f"), 0);
    assert_int_equal(t_symlink("f", "/s"), 0);
    w->now += 1000;
    assert_int_equal(t_link("/f", "/g"), 0);
    assert_int_equal(ino_of("/g"), ino_of("/f"));
    assert_int_equal(links_of("/f"), 2);
    struct fs_stat_reply reply;
    t_stat("/f", &reply);
    assert_int_equal(reply.ctime, w->now);
    assert_int_equal(t_link("/f", "/g"), -EEXIST);
    assert_int_equal(t_link("/x", "/h"), -ENOENT);
    assert_int_equal(t_link("/f", "/x/h"), -ENOENT);
    assert_int_equal(t_link("/tmp", "/h"), -EPERM);
    assert_int_equal(t_link("/tmp", "/g"), -EEXIST);
    assert_int_equal(t_link("/s", "/t"), 0); /* the link itself */
    assert_int_equal(ino_of("/t"), ino_of("/s"));
    assert_int_equal(t_link_flags("/s", "/u", 0), 0); /* AT_SYMLINK_FOLLOW */
    assert_int_equal(ino_of("/u"), ino_of("/f"));
    assert_int_equal(t_unlink("/f"), 0);
    assert_int_equal(links_of("/g"), 2);
    become(ALICE);
    assert_int_equal(t_link("/g", "/h"), -EACCES);
}

static void symlinks(void **state)
{
    (void)state;
    char buffer[16];
    assert_int_equal(t_symlink("some/where", "/s"), 0);
    assert_int_equal(t_read_link("/s", buffer, 16), 10);
    assert_memory_equal(buffer, "some/where", 10);
    assert_int_equal(t_read_link("/s", buffer, 4), 4);
    assert_int_equal(t_read_link("/tmp", buffer, 16), -EINVAL);
    assert_int_equal(t_read_link("/x", buffer, 16), -ENOENT);
    assert_int_equal(t_symlink("", "/e"), -ENOENT);
    assert_int_equal(t_symlink("a", "/s"), -EEXIST);
    assert_int_equal(t_symlink("a", "/new/"), -ENOENT);
    struct fs_stat_reply reply;
    assert_int_equal(t_stat_flags("/s", FS_NOFOLLOW, &reply), 0);
    assert_int_equal(reply.mode, S_IFLNK | 0777);
    assert_int_equal(reply.size, 10);
}

static void renaming(void **state)
{
    (void)state;
    assert_int_equal(t_create("/f"), 0);
    assert_int_equal(t_create("/g"), 0);
    assert_int_equal(t_mkdir("/d", 0755), 0);
    assert_int_equal(t_mkdir("/d/sub", 0755), 0);
    assert_int_equal(t_mkdir("/e", 0755), 0);
    uint64_t f = ino_of("/f");
    assert_int_equal(t_rename("/f", "/g"), 0);
    assert_int_equal(ino_of("/g"), f);
    assert_int_equal(t_stat("/f", NULL), -ENOENT);
    assert_int_equal(t_rename("/x", "/y"), -ENOENT);
    assert_int_equal(t_rename("/g", "/x/y"), -ENOENT);
    assert_int_equal(t_rename("/g", "/d"), -EISDIR);
    assert_int_equal(t_rename("/d", "/g"), -ENOTDIR);
    assert_int_equal(t_rename("/e", "/d"), -ENOTEMPTY);
    assert_int_equal(t_rename("/d", "/d/sub/x"), -EINVAL);
    assert_int_equal(t_rename("/d", "/d/sub"), -EINVAL);
    assert_int_equal(t_rename("/d/sub", "/d"), -ENOTEMPTY);
    assert_int_equal(t_rename("/g/", "/h"), -ENOTDIR);
    assert_int_equal(t_rename("/g", "/h/"), -ENOTDIR);
    assert_int_equal(t_rename("/d/.", "/h"), -EBUSY);
    assert_int_equal(t_rename("/d", "/e/.."), -EBUSY);
    assert_int_equal(t_rename("/g", "/"), -EBUSY);
    uint64_t root = links_of("/");
    assert_int_equal(t_rename("/d/sub", "/e/"), 0); /* over an empty directory */
    assert_int_equal(links_of("/"), root);
    assert_int_equal(links_of("/d"), 2);
    assert_int_equal(t_rename("/e", "/d/deep"), 0);
    assert_int_equal(links_of("/"), root - 1);
    assert_int_equal(links_of("/d"), 3);
    assert_int_equal(t_link("/g", "/same"), 0);
    assert_int_equal(t_rename("/g", "/same"), 0); /* nothing happens */
    assert_int_equal(links_of("/g"), 2);
    assert_int_equal(t_rename_flags("/g", "/d", FS_NOREPLACE), -EEXIST);
    assert_int_equal(t_rename_flags("/g", "/free", FS_NOREPLACE), 0);
    assert_int_equal(t_rename_flags("/free", "/d", FS_NOREPLACE | FS_EXCHANGE), -EINVAL);
}

static void exchanging(void **state)
{
    (void)state;
    assert_int_equal(t_mkdir("/d", 0755), 0);
    assert_int_equal(t_mkdir("/d/sub", 0755), 0);
    assert_int_equal(t_create("/f"), 0);
    uint64_t f = ino_of("/f"), sub = ino_of("/d/sub"), root = links_of("/");
    int open = t_open("/d/sub", O_RDONLY, 0);
    assert_int_equal(t_rename_flags("/f", "/d/sub", FS_EXCHANGE), 0);
    assert_int_equal(ino_of("/f"), sub);
    assert_int_equal(ino_of("/d/sub"), f);
    assert_int_equal(links_of("/"), root + 1);
    assert_int_equal(links_of("/d"), 2);
    assert_string_equal(t_path(open), "/f");
    assert_int_equal(t_rename_flags("/f", "/none", FS_EXCHANGE), -ENOENT);
    assert_int_equal(t_rename_flags("/d", "/d/sub", FS_EXCHANGE), -EINVAL);
    assert_int_equal(t_rename_flags("/d/sub", "/d", FS_EXCHANGE), -EINVAL);
    t_close(open);
}

static void rename_rights(void **state)
{
    (void)state;
    become(ALICE);
    assert_int_equal(t_mkdir("/tmp/a", 0755), 0);
    assert_int_equal(t_mkdir("/tmp/a/ro", 0555), 0);
    assert_int_equal(t_mkdir("/tmp/b", 0755), 0);
    assert_int_equal(t_rename("/tmp/a/ro", "/tmp/b/ro"), -EACCES); /* its ".." changes */
    assert_int_equal(t_rename("/tmp/a/ro", "/tmp/a/other"), 0);
    become(BOB);
    assert_int_equal(t_rename("/tmp/a/other", "/tmp/other"), -EACCES);
}

static void times_of_changes(void **state)
{
    (void)state;
    struct fs_stat_reply reply;
    assert_int_equal(t_mkdir("/d", 0755), 0);
    w->now += 100;
    assert_int_equal(t_create("/d/f"), 0);
    t_stat("/d", &reply);
    assert_int_equal(reply.mtime, w->now);
    assert_int_equal(reply.size, 60);
    w->now += 100;
    assert_int_equal(t_rename("/d/f", "/g"), 0);
    t_stat("/d", &reply);
    assert_int_equal(reply.mtime, w->now);
    t_stat("/g", &reply);
    assert_int_equal(reply.ctime, w->now);
    assert_int_equal(reply.mtime, w->now - 100);
}

/* Fail each allocation of each operation in turn: an error, and the tree as it was; then it
 * works. */
static void no_memory_changes_nothing(void **state)
{
    (void)state;
    assert_int_equal(t_create("/f"), 0);
    assert_int_equal(t_mkdir("/d", 0755), 0);
    char before[4096];
    for (int op = 0; op < 6; op++) {
        int result = -1;
        for (unsigned n = 1; result; n++) {
            assert_true(n < 20);
            strcpy(before, t_list("/"));
            size_t used = mem_in_use();
            mem_fail_at(n);
            switch (op) {
            case 0: result = t_mkdir("/new0", 0755); break;
            case 1: result = t_symlink("text", "/new1"); break;
            case 2: result = t_link("/f", "/new2"); break;
            case 3: result = t_create("/new3"); break;
            case 4: result = t_rename("/f", "/new4"); break;
            case 5: result = t_mknod("/new5", S_IFIFO | 0600, 0); break;
            }
            mem_fail_at(0);
            if (!result)
                break;
            assert_true(result == -ENOSPC || result == -ENOMEM);
            assert_int_equal(mem_in_use(), used);
            assert_string_equal(t_list("/"), before);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(making),
        TEST(removing),
        TEST(sticky),
        TEST(removed_directory),
        TEST(linking),
        TEST(symlinks),
        TEST(renaming),
        TEST(exchanging),
        TEST(rename_rights),
        TEST(times_of_changes),
        TEST(no_memory_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
