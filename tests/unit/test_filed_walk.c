/* path_resolution(7): components, links, permissions, limits, mounts.
 * SPDX-License-Identifier: MIT */
#include "filed_harness.h"

static void tree(void)
{
    assert_int_equal(t_mkdir("/a", 0755), 0);
    assert_int_equal(t_mkdir("/a/b", 0755), 0);
    assert_int_equal(t_create("/a/b/file"), 0);
    assert_int_equal(t_symlink("b", "/a/rel"), 0);
    assert_int_equal(t_symlink("/a/b/file", "/abs"), 0);
    assert_int_equal(t_symlink("nowhere", "/a/dangling"), 0);
}

static void components(void **state)
{
    (void)state;
    tree();
    struct fs_stat_reply root, other;
    assert_int_equal(t_stat("/", &root), 0);
    static const char *const roots[] = {"//",    "/.",         "/..",           "/../..",
                                        "/a/..", "/a/b/../..", "/a//b/.././../"};
    for (size_t i = 0; i < sizeof(roots) / sizeof(roots[0]); i++) {
        assert_int_equal(t_stat(roots[i], &other), 0);
        assert_int_equal(other.ino, root.ino);
    }
    assert_int_equal(t_stat("a/b/file", NULL), 0); /* relative to the root gate: from the root */
    assert_int_equal(t_stat("/a/rel/file", NULL), 0);
    assert_int_equal(t_stat("/abs", &other), 0);
    assert_true(S_ISREG(other.mode));
    assert_int_equal(t_stat_flags("/abs", FS_NOFOLLOW, &other), 0);
    assert_true(S_ISLNK(other.mode));
}

static void missing_is_enoent(void **state)
{
    (void)state;
    tree();
    assert_int_equal(t_stat("", NULL), -ENOENT);
    assert_int_equal(t_stat("/x", NULL), -ENOENT);
    assert_int_equal(t_stat("/x/y", NULL), -ENOENT);
    assert_int_equal(t_stat("/a/dangling", NULL), -ENOENT);
    assert_int_equal(t_stat("/a/dangling/", NULL), -ENOENT);
}

static void file_as_directory_is_enotdir(void **state)
{
    (void)state;
    tree();
    assert_int_equal(t_stat("/a/b/file/x", NULL), -ENOTDIR);
    assert_int_equal(t_stat("/a/b/file/", NULL), -ENOTDIR);
    assert_int_equal(t_stat("/a/b/file/.", NULL), -ENOTDIR);
    assert_int_equal(t_stat("/a/b/file/..", NULL), -ENOTDIR);
    assert_int_equal(t_stat_flags("/abs/", FS_NOFOLLOW, NULL), -ENOTDIR);
    int file = t_open("/a/b/file", O_RDONLY, 0);
    assert_int_equal(t_open_at((uint64_t)file, "x", O_RDONLY, 0), -ENOTDIR);
    t_close(file);
}

static void trailing_slash_follows(void **state)
{
    (void)state;
    tree();
    struct fs_stat_reply reply;
    assert_int_equal(t_stat_flags("/a/rel/", FS_NOFOLLOW, &reply), 0);
    assert_true(S_ISDIR(reply.mode));
}

static void loops_are_eloop(void **state)
{
    (void)state;
    char from[16], to[16];
    assert_int_equal(t_symlink("self", "/self"), 0);
    assert_int_equal(t_stat("/self", NULL), -ELOOP);
    assert_int_equal(t_create("/l0"), 0);
    for (int i = 1; i <= 41; i++) {
        snprintf(from, sizeof(from), "l%d", i - 1);
        snprintf(to, sizeof(to), "/l%d", i);
        assert_int_equal(t_symlink(from, to), 0);
    }
    assert_int_equal(t_stat("/l40", NULL), 0);
    assert_int_equal(t_stat("/l41", NULL), -ELOOP);
}

static void long_names_are_enametoolong(void **state)
{
    (void)state;
    char path[4200];
    memset(path, 'n', sizeof(path));
    path[0] = '/';
    path[256] = 0;
    assert_int_equal(t_create(path), 0);
    assert_int_equal(t_stat(path, NULL), 0);
    path[256] = 'n';
    path[257] = 0;
    assert_int_equal(t_stat(path, NULL), -ENAMETOOLONG);
    assert_int_equal(t_create(path), -ENAMETOOLONG);
    memset(path, '/', sizeof(path));
    path[4095] = 0;
    assert_int_equal(t_stat(path, NULL), 0);
    path[4095] = '/';
    path[4096] = 0;
    assert_int_equal(t_stat(path, NULL), -ENAMETOOLONG);
    path[4096] = '/';
    path[4097] = 0;
    assert_int_equal(t_stat(path, NULL), -(int)ST_MESSAGE);
}

static void search_permission_is_eacces(void **state)
{
    (void)state;
    tree();
    assert_int_equal(t_chmod("/a", 0600), 0);
    assert_int_equal(t_stat("/a/b", NULL), 0); /* root may */
    become(ALICE);
    assert_int_equal(t_stat("/a", NULL), 0);
    assert_int_equal(t_stat("/a/b", NULL), -EACCES);
    assert_int_equal(t_stat("/a/nothing", NULL), -EACCES);
    assert_int_equal(t_stat("/a/..", NULL), -EACCES);
    assert_int_equal(t_stat("/abs", NULL), -EACCES);
}

static void relative_to_a_directory(void **state)
{
    (void)state;
    tree();
    int a = t_open("/a", O_RDONLY, 0);
    int file = t_open_at((uint64_t)a, "b/file", O_RDONLY, 0);
    assert_true(file > 0);
    t_close(file);
    /* the badge is free again */
    assert_int_equal(t_open_at((uint64_t)a, "../abs", O_WRONLY, 0), file);
    t_close(file);
    assert_int_equal(t_rename("/a", "/moved"), 0);
    file = t_open_at((uint64_t)a, "b/file", O_RDONLY, 0);
    assert_string_equal(t_path(file), "/moved/b/file");
    t_close(file);
    t_close(a);
    assert_int_equal(t_open_at((uint64_t)a, "b", O_RDONLY, 0), -EBADF);
    assert_int_equal(t_open_at(999999, "b", O_RDONLY, 0), -EBADF);
}

/* Expect REDIRECT to procd with `rest` bytes left. */
static void redirects(const char *path, size_t rest)
{
    assert_int_equal(t_stat(path, NULL), -(int)ST_REDIRECT);
    assert_int_equal(w->call.reply_cap_count, 1);
    assert_int_equal(w->call.reply_caps[0].value, PROCD_SLOT);
    assert_false(w->call.reply_caps[0].own_gate);
    assert_false(w->call.reply_caps[0].move);
    assert_int_equal(w->call.reply_words[13], rest);
    assert_int_equal(t_open(path, O_RDONLY, 0), -(int)ST_REDIRECT);
    assert_int_equal(w->call.reply_words[1], rest);
}

static void mounts_redirect(void **state)
{
    (void)state;
    redirects("/proc", 0);
    redirects("/proc/", 0);
    redirects("proc/.", 1);
    redirects("/proc//self/stat", 9);
    redirects("/dev/../proc/1/../2", 6);
    assert_int_equal(t_symlink("proc", "/p"), 0);
    redirects("/p/self", 4);
    redirects("/p", 0);
    struct fs_stat_reply reply;
    assert_int_equal(t_stat("/proc/..", &reply), 0);
    assert_int_equal(reply.ino, w->filed.root->ino);
    assert_int_equal(t_stat("/proc/1/../../dev/null", &reply), 0);
    assert_true(S_ISCHR(reply.mode));
    redirects("/proc/../proc/x", 1);
    /* a link whose own text goes on inside the mount */
    assert_int_equal(t_stat("/dev/stdin", NULL), -EXDEV);
    assert_int_equal(t_stat("/dev/fd/3", NULL), -EXDEV);
    assert_int_equal(t_stat_flags("/dev/stdin", FS_NOFOLLOW, &reply), 0);
    /* the mount point itself, as a name */
    assert_int_equal(t_rmdir("/proc"), -EBUSY);
    assert_int_equal(t_rename("/proc", "/x"), -EBUSY);
    assert_int_equal(t_mkdir("/proc", 0755), -EEXIST);
    assert_int_equal(t_mkdir("/proc/x", 0755), -EPERM);
    assert_int_equal(t_rename("/proc/1", "/x"), -EXDEV);
}

static void hostile_requests(void **state)
{
    (void)state;
    struct fs_stat_request rq = {.path_length = 5};
    w->in = "/a\0bc";
    w->in_length = 5;
    assert_int_equal(t_call(BADGE_ROOT, FS_STAT, &rq, sizeof(rq)), -(int)ST_MESSAGE);
    assert_int_equal(t_call(BADGE_ROOT, FS_STAT, &rq, 8), -(int)ST_MESSAGE);
    assert_int_equal(t_call(BADGE_ROOT, 0x7777, "", 0), -(int)ST_MESSAGE);
    w->fault = true;
    assert_int_equal(t_stat("/tmp", NULL), -EFAULT);
    w->fault = false;
    w->process = CREDENTIALS_MAX + 5; /* nobody, not root */
    assert_int_equal(t_mkdir("/x", 0755), -EACCES);
    assert_int_equal(t_mkdir("/tmp/x", 0755), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(components),
        TEST(missing_is_enoent),
        TEST(file_as_directory_is_enotdir),
        TEST(trailing_slash_follows),
        TEST(loops_are_eloop),
        TEST(long_names_are_enametoolong),
        TEST(search_permission_is_eacces),
        TEST(relative_to_a_directory),
        TEST(mounts_redirect),
        TEST(hostile_requests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
