/* Files and directories: open flags, offsets, truncation, renames, links, directories, metadata.
 * SPDX-License-Identifier: MIT */
#include "check.h"
#include <dirent.h>

static void flags(void)
{
    char room[64] = "";
    SHOW(mkdir("/tmp/files", 0755));
    SHOW(mkdir("/tmp/files", 0755));
    SHOW(chdir("/tmp/files"));
    SHOW(open("none", O_RDONLY));
    int fd = open("a", O_RDWR | O_CREAT | O_EXCL, 0640);
    SHOW(open("a", O_RDWR | O_CREAT | O_EXCL, 0640));
    SHOW(open("a/b", O_RDONLY));
    SHOW(open(".", O_WRONLY));
    SHOW(open("", O_RDONLY));
    SHOW(open("a", O_RDONLY | O_DIRECTORY));
    SHOW(write(fd, "0123456789", 10));
    SHOW(lseek(fd, 4, SEEK_SET));
    SHOW(read(fd, room, 3));
    SHOW(lseek(fd, 0, SEEK_CUR));
    SHOW(lseek(fd, -2, SEEK_END));
    SHOW(lseek(fd, -20, SEEK_CUR));
    SHOW(lseek(fd, 0, 17));
    SHOW(pread(fd, room, 20, 5));
    SHOW(pwrite(fd, "AB", 2, 20));
    SHOW(lseek(fd, 0, SEEK_CUR));
    SHOW(pread(fd, room, 30, 0));
    printf("the hole reads zero: %d %d %c\n", room[10], room[19], room[20]);
    SHOW(ftruncate(fd, 5));
    SHOW(lseek(fd, 0, SEEK_END));
    SHOW(ftruncate(fd, 8));
    SHOW(pread(fd, room, 8, 0));
    printf("after shrinking and growing: %.5s %d\n", room, room[6]);
    SHOW(ftruncate(fd, -1));
    int append = open("a", O_WRONLY | O_APPEND);
    SHOW(write(append, "end", 3));
    SHOW(lseek(append, 0, SEEK_CUR));
    SHOW(lseek(append, 0, SEEK_SET));
    SHOW(write(append, "end", 3));
    SHOW(lseek(append, 0, SEEK_END));
    SHOW(read(append, room, 1));
    int reader = open("a", O_RDONLY);
    SHOW(write(reader, "x", 1));
    SHOW(ftruncate(reader, 0));
    int truncated = open("a", O_WRONLY | O_TRUNC);
    SHOW(lseek(truncated, 0, SEEK_END));
    SHOW(read(reader, room, 5));
    SHOW(write(999, "x", 1));
    SHOW(read(reader, room, 0));
    struct iovec vector[3] = {{.iov_base = "one", .iov_len = 3},
                              {.iov_base = "", .iov_len = 0},
                              {.iov_base = "two", .iov_len = 3}};
    SHOW(writev(truncated, vector, 3));
    volatile int negative = -1;
    SHOW(writev(truncated, vector, negative));
    SHOW(read(reader, room, sizeof room));
    printf("writev: %.6s\n", room);
    close(fd);
    close(append);
    close(reader);
    close(truncated);
}

static void unlinked(void)
{
    char room[16] = "";
    struct stat about;
    int fd = open("u", O_RDWR | O_CREAT, 0600);
    write(fd, "still here", 10);
    SHOW(unlink("u"));
    SHOW(unlink("u"));
    SHOW(fstat(fd, &about));
    printf("links %d, size %d\n", (int)about.st_nlink, (int)about.st_size);
    SHOW(pread(fd, room, 10, 0));
    printf("an unlinked file reads: %s\n", room);
    close(fd);
    SHOW(close(open("x", O_CREAT | O_WRONLY, 0600)));
    SHOW(close(open("y", O_CREAT | O_WRONLY, 0600)));
    SHOW(mkdir("d", 0700));
    SHOW(mkdir("d/e", 0700));
    SHOW(rename("x", "z"));
    SHOW(access("x", F_OK));
    SHOW(rename("z", "y"));
    SHOW(rename("none", "y"));
    SHOW(rename("y", "d"));
    SHOW(rename("d", "y"));
    SHOW(rename("d", "d/e/f"));
    SHOW(rename("y", "d/y"));
    SHOW(rmdir("d"));
    SHOW(unlink("d"));
    SHOW(rmdir("d/y"));
    SHOW(rename("d/e", "e"));
    SHOW(unlink("d/y"));
    SHOW(rmdir("d"));
    SHOW(rmdir("e"));
    SHOW(rmdir("e"));
    SHOW(rmdir("."));
}

static void links(void)
{
    char room[64] = "";
    struct stat about;
    SHOW(symlink("a", "to-a"));
    SHOW(symlink("loop", "loop"));
    SHOW(open("loop", O_RDONLY));
    SHOW(readlink("to-a", room, sizeof room));
    SHOW(readlink("to-a", room, 0));
    SHOW(readlink("a", room, sizeof room));
    SHOW(lstat("to-a", &about));
    printf("a link: %d, size %d\n", S_ISLNK(about.st_mode), (int)about.st_size);
    SHOW(stat("to-a", &about));
    printf("a file: %d, size %d, mode %o\n", S_ISREG(about.st_mode), (int)about.st_size,
           about.st_mode & 07777);
    SHOW(open("to-a", O_RDONLY | O_NOFOLLOW));
    SHOW(link("a", "hard"));
    SHOW(link("a", "hard"));
    SHOW(link(".", "dirlink"));
    SHOW(stat("hard", &about));
    printf("links: %d\n", (int)about.st_nlink);
    SHOW(unlink("hard"));
    SHOW(unlink("to-a"));
    SHOW(unlink("loop"));
    SHOW(chmod("a", 04711));
    SHOW(stat("a", &about));
    printf("mode %o\n", about.st_mode);
    umask(077);
    SHOW(close(open("masked", O_CREAT | O_WRONLY, 0666)));
    umask(022);
    SHOW(stat("masked", &about));
    printf("mode %o, uid %d\n", about.st_mode, (int)about.st_uid);
    struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 2000, .tv_nsec = 5}};
    SHOW(utimensat(AT_FDCWD, "masked", times, 0));
    SHOW(stat("masked", &about));
    printf("times %ld %ld.%ld\n", (long)about.st_atim.tv_sec, (long)about.st_mtim.tv_sec,
           about.st_mtim.tv_nsec);
    SHOW(truncate("masked", 5000));
    SHOW(stat("masked", &about));
    printf("size %ld, blocks %ld\n", (long)about.st_size, (long)about.st_blocks);
    SHOW(unlink("masked"));
    char name[300];
    memset(name, 'n', 256);
    name[256] = 0;
    SHOW(mkdir(name, 0700));
    name[255] = 0;
    SHOW(mkdir(name, 0700));
    SHOW(rmdir(name));
    SHOW(mkfifo("fifo", 0600));
    SHOW(stat("fifo", &about));
    printf("a fifo: %d\n", S_ISFIFO(about.st_mode));
    SHOW(open("fifo", O_WRONLY | O_NONBLOCK));
    int both = open("fifo", O_RDWR);
    SHOW(write(both, "through", 7));
    SHOW(read(both, room, sizeof room));
    close(both);
    SHOW(unlink("fifo"));
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void directories(void)
{
    char name[32], *names[400], room[256];
    int count = 0;
    mkdir("many", 0755);
    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof name, "many/file-%03d", i);
        close(open(name, O_CREAT | O_WRONLY, 0600));
    }
    DIR *directory = opendir("many");
    struct dirent *entry;
    unsigned types = 0;
    while ((entry = readdir(directory))) {
        names[count++] = strdup(entry->d_name);
        types |= 1u << entry->d_type;
        if (count == 100) /* removing while reading must not lose the others */
            unlink("many/file-000");
    }
    closedir(directory);
    qsort(names, (size_t)count, sizeof *names, compare);
    printf("first %s, %s, last %s, types %x, at least 301: %d\n", names[0], names[1],
           names[count - 1], types, count >= 301);
    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof name, "many/file-%03d", i);
        unlink(name);
    }
    int at = open("many", O_RDONLY | O_DIRECTORY);
    SHOW(mkdirat(at, "inner", 0700));
    int file = openat(at, "inner/file", O_CREAT | O_WRONLY, 0600);
    SHOW(write(file, "x", 1));
    SHOW(close(file));
    SHOW(fchdir(at));
    printf("cwd %s\n", getcwd(room, sizeof room));
    printf("getcwd in 3 bytes: %s\n", getcwd(room, 3) ? "ok" : error_name(errno));
    SHOW(chdir("inner/../inner/.."));
    printf("cwd %s\n", getcwd(room, sizeof room));
    SHOW(faccessat(at, "inner/file", R_OK, 0));
    SHOW(unlinkat(at, "inner", 0));
    SHOW(unlinkat(at, "inner", AT_REMOVEDIR));
    SHOW(unlinkat(at, "inner/file", 0));
    SHOW(unlinkat(at, "inner", AT_REMOVEDIR));
    SHOW(chdir("/tmp/files"));
    SHOW(rmdir("many"));
    SHOW(openat(at, "new", O_CREAT | O_WRONLY, 0600));
    SHOW(openat(999, "new", O_RDONLY));
    SHOW(read(at, room, 1));
    SHOW(unlink("a"));
    SHOW(chdir("/"));
    SHOW(rmdir("/tmp/files"));
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    flags();
    unlinked();
    links();
    directories();
    char zeros[16] = "not zero";
    int null = open("/dev/null", O_RDWR), zero = open("/dev/zero", O_RDWR),
        full = open("/dev/full", O_WRONLY);
    SHOW(write(null, zeros, 16) == 16 && read(null, zeros, 16) == 0);
    SHOW(read(zero, zeros, 16));
    printf("zeros: %d\n", zeros[0] == 0 && zeros[7] == 0);
    show("write to /dev/full", write(full, zeros, 1));
    show("isatty of a file", isatty(null));
    SHOW(open("/etc/passwd", O_RDONLY) > 2);
    return 0;
}
