/*
 * filed against Linux: the same random operations on both, the same answers wanted.
 * SPDX-License-Identifier: MIT
 *
 * Linux's side is a directory in a tmpfs (/dev/shm, else /tmp); without one, or when its kernel
 * lacks what we ask for, the test is skipped. Names are few and paths short, so that operations
 * meet each other. As root, two people take turns, and modes change, so that permissions decide.
 * The seed is printed on a difference; FILED_SEED=n repeats one run.
 */
#include "filed_harness.h"

#include <errno.h>
#include <sys/fsuid.h>
#include <sys/vfs.h>
#include <unistd.h>

#define RUNS 40
#define STEPS 400
#define DEEP "1/2/3/4/5/6/7/8/9" /* so that ".." in a link's text stays inside */

int renameat2(int from_at, const char *from, int to_at, const char *to, unsigned flags);

static char scratch[64];
static int base; /* Linux's directory */
static bool people; /* root and ALICE take turns */
static bool links_protected; /* link(2) asks for more than Linux's own default: only root tries */

/* Both sides act as this one from now on. */
static void act_as(uint32_t process)
{
    become(process);
    if (people) {
        setfsuid(w->credentials[process].fsuid);
        setfsgid(w->credentials[process].fsgid);
    }
}

static const char *random_path(char *path)
{
    static const char *const parts[] = {"a", "b",  "c",   "d",   "a",  "b",  "c",
                                        ".", "..", "a/b", "b/a", "c/", "d/."};
    strcpy(path, "");
    for (int n = rand() % 3; n >= 0; n--) {
        strcat(path, parts[(size_t)rand() % (sizeof(parts) / sizeof(parts[0]))]);
        if (n > 0)
            strcat(path, rand() % 9 ? "/" : "//");
    }
    if (rand() % 8 == 0)
        strcat(path, "/");
    return path;
}

static int linux_result(int result)
{
    return result < 0 ? -errno : 0;
}

static int linux_open(const char *path, int flags)
{
    int fd = openat(base, path, flags | O_NONBLOCK, 0640);
    if (fd < 0)
        return -errno;
    close(fd);
    return 0;
}

static const int open_flags[] = {
    O_RDONLY, O_WRONLY, O_RDWR | O_CREAT, O_WRONLY | O_CREAT | O_EXCL, O_RDONLY | O_NOFOLLOW,
    O_RDONLY | O_DIRECTORY,
    O_WRONLY | O_TRUNC, O_RDONLY | O_CREAT, O_PATH | O_NOFOLLOW,
    O_RDONLY | O_DIRECTORY | O_NOFOLLOW, O_PATH,
    O_RDWR | O_CREAT | O_NOFOLLOW,
};

/* Attributes of both, compared; the answers are equal already. */
static bool stat_differs(const char *path, bool follow)
{
    struct stat theirs;
    struct fs_stat_reply ours;
    int a = linux_result(fstatat(base, path, &theirs, follow ? 0 : AT_SYMLINK_NOFOLLOW));
    int b = t_stat_flags(path, follow ? 0 : FS_NOFOLLOW, &ours);
    if (a != b)
        return true;
    if (a)
        return false;
    return theirs.st_mode != ours.mode || theirs.st_nlink != ours.nlink ||
           theirs.st_uid != ours.uid || theirs.st_gid != ours.gid ||
           (S_ISLNK(theirs.st_mode) && theirs.st_size != ours.size);
}

/* One operation on both sides; what each answered. */
static const char *step(const char *p, const char *q, int *a, int *b)
{
    /* No directory that others may write is sticky: there Linux's fs.protected_* would decide,
     * by its settings. */
    static const mode_t modes[] = {0,    0111, 0700, 0755, 01755, 0600,
                                   0555, 0777, 0070, 0007, 04755, 02755};
    int flags;
    mode_t mode = modes[(size_t)rand() % (sizeof(modes) / sizeof(modes[0]))];
    int choice = rand() % (people ? 18 : 14);
    if (links_protected && (choice == 4 || choice == 5))
        act_as(ROOT);
    switch (choice) {
    case 0:
        *a = linux_result(mkdirat(base, p, 0750)), *b = t_mkdir(p, 0750);
        return "mkdir";
    case 1:
        *a = linux_result(unlinkat(base, p, 0)), *b = t_unlink(p);
        return "unlink";
    case 2:
        *a = linux_result(unlinkat(base, p, AT_REMOVEDIR)), *b = t_rmdir(p);
        return "rmdir";
    case 3:
        *a = linux_result(symlinkat(q, base, p)), *b = t_symlink(q, p);
        return "symlink";
    case 4:
        *a = linux_result(linkat(base, p, base, q, 0)), *b = t_link(p, q);
        return "link";
    case 5:
        *a = linux_result(linkat(base, p, base, q, AT_SYMLINK_FOLLOW));
        *b = t_link_flags(p, q, 0);
        return "link follow";
    case 6:
    case 7:
        *a = linux_result(renameat(base, p, base, q)), *b = t_rename(p, q);
        return "rename";
    case 8:
        flags = rand() % 2 ? FS_NOREPLACE : FS_EXCHANGE;
        *a = linux_result(renameat2(base, p, base, q, flags == FS_NOREPLACE ? 1 : 2));
        *b = t_rename_flags(p, q, (uint64_t)flags);
        return flags == FS_NOREPLACE ? "rename noreplace" : "rename exchange";
    case 9:
        *a = linux_result(mknodat(base, p, S_IFREG | 0600, 0)), *b = t_mknod(p, S_IFREG | 0600, 0);
        return "mknod";
    case 10:
        *a = linux_result(mknodat(base, p, S_IFIFO | 0600, 0)), *b = t_mknod(p, S_IFIFO | 0600, 0);
        return "mkfifo";
    case 14:
    case 15:
        *a = linux_result(fchmodat(base, p, mode, 0)), *b = t_chmod(p, mode);
        return "chmod";
    case 16:
        *a = linux_result(fchownat(base, p, mode & 1 ? 1000 : 0, (gid_t)-1, 0));
        *b = t_attributes(p, 2, 0, mode & 1 ? 1000 : 0, 0);
        return "chown";
    case 17:
        *a = linux_result(faccessat(base, p, (int)mode & 7, AT_EACCESS));
        *b = t_access(p, mode & 7, FS_EFFECTIVE);
        return "access";
    default:
        flags = open_flags[(size_t)rand() % (sizeof(open_flags) / sizeof(open_flags[0]))];
        *a = linux_open(p, flags), *b = t_opens(p, (unsigned)flags | O_NONBLOCK, 0640);
        return "open";
    }
}

static int prepare(const char *top)
{
    struct statfs fs;
    if (statfs(top, &fs) || fs.f_type != 0x01021994)
        return -1;
    snprintf(scratch, sizeof(scratch), "%s/filed-test-XXXXXX", top);
    if (!mkdtemp(scratch))
        return -1;
    char path[512];
    snprintf(path, sizeof(path), "%s", scratch);
    for (const char *d = DEEP; *d; d += d[1] ? 2 : 1) {
        snprintf(path + strlen(path), 3, "/%c", *d);
        if (mkdir(path, 0755))
            return -1;
    }
    return base = open(path, O_RDONLY | O_DIRECTORY);
}

static void clean(void)
{
    char command[128];
    close(base);
    snprintf(command, sizeof(command), "rm -rf '%s'", scratch);
    if (system(command))
        print_message("cannot remove %s\n", scratch);
}

static void make_here(void)
{
    char here[64] = "/tmp/x";
    t_mkdir(here, 0755);
    for (const char *d = DEEP; *d; d += d[1] ? 2 : 1) {
        snprintf(here + strlen(here), 3, "/%c", *d);
        assert_int_equal(t_mkdir(here, 0755), 0);
    }
    if (people)
        assert_int_equal(t_chmod(here, 0777), 0);
    int directory = t_open(here, O_RDONLY | O_DIRECTORY, 0);
    assert_true(directory > 0);
    w->at = (uint64_t)directory;
}

static void one_run(unsigned seed)
{
    char p[256], q[256];
    srand(seed);
    act_as(ROOT);
    for (int i = 0; i < STEPS; i++) {
        int theirs = 0, ours = 0;
        random_path(p);
        random_path(q);
        act_as(people && rand() % 3 ? ALICE : ROOT);
        const char *what = step(p, q, &theirs, &ours);
        bool differs = stat_differs(p, false) || stat_differs(q, true) || stat_differs(".", true);
        if (theirs != ours || differs) {
            act_as(ROOT);
            clean();
            fail_msg("seed %u step %d: %s(%s, %s): Linux %d (%s), filed %d (%s)%s", seed, i, what,
                     p, q, theirs, strerror(-theirs), ours, strerror(-ours),
                     differs ? ", and attributes differ" : "");
        }
    }
}

static void compare(void **state)
{
    umask(0);
    const char *chosen = getenv("FILED_SEED");
    for (unsigned run = 0; run < RUNS; run++) {
        if (prepare("/dev/shm") < 0 && prepare("/tmp") < 0)
            skip();
        person(ROOT, geteuid(), getegid());
        become(ROOT);
        make_here();
        if (people) { /* whoever Linux thinks we are keeps our own supplementary groups */
            gid_t groups[CREDENTIALS_GROUPS];
            int count = getgroups(CREDENTIALS_GROUPS, groups);
            for (int i = 0; i < count; i++)
                w->credentials[ALICE].groups[i] = w->credentials[ROOT].groups[i] = groups[i];
            w->credentials[ALICE].group_count = w->credentials[ROOT].group_count =
                count > 0 ? (uint32_t)count : 0;
            assert_int_equal(fchmod(base, 0777), 0);
        }
        one_run(chosen ? (unsigned)atoi(chosen) : run + 1);
        act_as(ROOT);
        clean();
        if (run + 1 < RUNS) {
            world_stop(state);
            world_start(state);
        }
    }
}

static void same_answers(void **state)
{
    people = false;
    compare(state);
}

static int setting(const char *name)
{
    char path[128], value[8] = "9";
    snprintf(path, sizeof(path), "/proc/sys/fs/%s", name);
    FILE *file = fopen(path, "r");
    if (!file || !fgets(value, sizeof(value), file))
        value[0] = '9';
    if (file)
        fclose(file);
    return atoi(value);
}

static void same_answers_for_people(void **state)
{
    if (geteuid() != 0)
        skip();
    people = true;
    links_protected = setting("protected_hardlinks") != 0;
    compare(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(same_answers), TEST(same_answers_for_people)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
