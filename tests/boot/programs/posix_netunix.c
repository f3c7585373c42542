/* O4: /proc/net/unix lists every socket, line by line as Linux does. SPDX-License-Identifier: MIT
 *
 * Addresses, inodes and the order differ from boot to boot: each socket here has a letter, by
 * which its line is found (by the inode that fstat says) and shown. */
#include "check.h"

#define FILE_NAME "/proc/net/unix"
static char text[1 << 16];

static socklen_t address_of(struct sockaddr_un *address, const char *name, size_t length)
{
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    memcpy(address->sun_path, name, length);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
}

static int make(int type, const char *name, size_t length)
{
    struct sockaddr_un address;
    int fd = socket(AF_UNIX, type, 0);
    if (name && bind(fd, (struct sockaddr *)&address, address_of(&address, name, length)) != 0)
        printf("bind: %s\n", error_name(errno));
    return fd;
}

static int joined(int type, const char *name, size_t length)
{
    struct sockaddr_un address;
    int fd = socket(AF_UNIX, type, 0);
    if (connect(fd, (struct sockaddr *)&address, address_of(&address, name, length)) != 0)
        printf("connect: %s\n", error_name(errno));
    return fd;
}

/* The whole file, in pieces of `piece` bytes. */
static size_t file_read(int fd, size_t piece)
{
    size_t length = 0;
    ssize_t got;
    while ((got = read(fd, text + length,
                       piece < sizeof text - 1 - length ? piece : sizeof text - 1 - length)) > 0)
        length += (size_t)got;
    if (got < 0)
        printf("read: %s\n", error_name(errno));
    text[length] = 0;
    return length;
}

static unsigned long inode(int fd)
{
    struct stat about;
    return fstat(fd, &about) == 0 ? about.st_ino : 0;
}

/* Autobound names differ. */
static const char *shown_name(const char *name, const char *only)
{
    if (!only && name[0] == '@' && strlen(name) == 6)
        return "@five digits";
    return name;
}

/* The lines of these descriptors, and of sockets without an inode whose name begins with `only`. */
static void lines(const char *what, const int *fds, unsigned count, const char *only)
{
    int file = open(FILE_NAME, O_RDONLY);
    file_read(file, sizeof text);
    close(file);
    printf("-- %s\n", what);
    for (unsigned i = 0; i <= count; i++) {
        char *copy = strdup(text), *rest = copy, *line;
        while ((line = strsep(&rest, "\n"))) {
            unsigned long ino = 0;
            int at = 0;
            unsigned references, protocol, flags, type, state;
            if (sscanf(line, "%*16[0-9A-Fa-f]: %8x %8x %8x %4x %2x %lu%n", &references, &protocol,
                       &flags, &type, &state, &ino, &at) != 6)
                continue;
            const char *name = line[at] == ' ' ? line + at + 1 : "(none)";
            if (i < count ? ino != inode(fds[i]) : ino || !only || strncmp(name, only, strlen(only)))
                continue;
            char number[24];
            int digits = snprintf(number, sizeof number, "%5lu", ino);
            printf("%c %.*s %s\n", i < count ? 'a' + (char)i : '-', at - 17 - digits, line + 17,
                   shown_name(name, only));
            if (i < count && strncmp(line + at - digits, number, (size_t)digits) != 0)
                printf("the inode is not where it should be: %s\n", line);
        }
        free(copy);
    }
}
#define LINES(what, only, ...)                                                                     \
    lines(what, (int[]){__VA_ARGS__}, sizeof((int[]){__VA_ARGS__}) / sizeof(int), only)

static void streams(int type)
{
    static const char name[] = "\0net\0unix\0";
    int a = make(type, NULL, 0);
    LINES("fresh", NULL, a);
    close(a);
    a = make(type, name, sizeof name - 1);
    LINES("bound, NULs in its name", NULL, a);
    listen(a, 5);
    LINES("listening", NULL, a);
    int b = joined(type, name, sizeof name - 1);
    LINES("not accepted yet", "@net", a, b);
    int c = accept(a, NULL, NULL);
    LINES("accepted", "@net", a, b, c);
    shutdown(b, SHUT_RDWR);
    LINES("shut", NULL, b, c);
    close(b);
    LINES("its peer closed", NULL, a, c);
    int d = joined(type, name, sizeof name - 1);
    close(d);
    LINES("closed before it was accepted", "@net", a);
    close(a);
    LINES("the listener closed", "@net", c);
    close(c);
    int pair[2];
    socketpair(AF_UNIX, type, 0, pair);
    write(pair[0], "queued", 6);
    LINES("a pair", NULL, pair[0], pair[1]);
    close(pair[0]), close(pair[1]);
}

static void datagrams(void)
{
    static const char path[] = "/tmp/net_unix";
    struct sockaddr_un address;
    int a = make(SOCK_DGRAM, path, sizeof path), b = joined(SOCK_DGRAM, path, sizeof path);
    LINES("datagram, connected to a pathname", NULL, a, b);
    int c = joined(SOCK_DGRAM, path, sizeof path);
    write(c, "x", 1);
    LINES("by two", NULL, a, b, c);
    close(c);
    LINES("by one again", NULL, a, b);
    struct sockaddr none = {.sa_family = AF_UNSPEC};
    connect(b, &none, sizeof none);
    LINES("disconnected", NULL, a, b);
    connect(b, (struct sockaddr *)&address, address_of(&address, path, sizeof path));
    static const char other[] = "/tmp/net_unix_2";
    int d = make(SOCK_DGRAM, other, sizeof other);
    connect(b, (struct sockaddr *)&address, address_of(&address, other, sizeof other));
    LINES("connected elsewhere", NULL, a, b, d);
    close(d);
    LINES("its peer closed", NULL, a, b);
    show("send", send(b, "x", 1, 0));
    LINES("a send found it out", NULL, a, b);
    int e = make(SOCK_DGRAM, "", 0);
    LINES("autobound", NULL, e);
    rename(path, "/tmp/net_unix_3");
    LINES("renamed", NULL, a);
    unlink("/tmp/net_unix_3"), unlink(other);
    LINES("unlinked", NULL, a);
    close(a), close(b), close(e);
    char full[108];
    memset(full, 'f', sizeof full);
    memcpy(full, "/tmp/", 5);
    a = make(SOCK_DGRAM, full, sizeof full);
    LINES("108 bytes", NULL, a);
    full[0] = 0;
    b = make(SOCK_RAW, full, sizeof full);
    LINES("108 bytes, abstract, raw", NULL, b);
    close(a), close(b);
    int pair[2];
    socketpair(AF_UNIX, SOCK_DGRAM, 0, pair);
    LINES("a pair", NULL, pair[0], pair[1]);
    close(pair[0]);
    LINES("half of it", NULL, pair[1]);
    close(pair[1]);
}

/* In flight: nobody has it open, and it is listed all the same. */
static void in_flight(void)
{
    int pair[2], a = make(SOCK_STREAM, "\0flying", 7);
    char control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec one = {"x", 1};
    struct msghdr message = {.msg_iov = &one, .msg_iovlen = 1, .msg_control = control,
                             .msg_controllen = sizeof control};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_len = CMSG_LEN(sizeof(int));
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    memcpy(CMSG_DATA(header), &a, sizeof a);
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    show("sendmsg", sendmsg(pair[0], &message, 0));
    close(a);
    int file = open(FILE_NAME, O_RDONLY);
    file_read(file, 100);
    close(file);
    printf("in flight: %s\n", strstr(text, " @flying\n") ? "listed" : "not listed");
    close(pair[0]), close(pair[1]);
    sleep_ms(200); /* Linux's collector */
    file = open(FILE_NAME, O_RDONLY);
    file_read(file, 100);
    close(file);
    printf("gone: %s\n", strstr(text, " @flying\n") ? "listed" : "not listed");
}

static void the_file(void)
{
    struct stat by_name, by_descriptor;
    char link[64], *whole;
    int fd = open(FILE_NAME, O_RDONLY), kept = make(SOCK_STREAM, "\0kept", 5);
    SHOW(stat(FILE_NAME, &by_name));
    SHOW(fstat(fd, &by_descriptor));
    printf("mode %o, %d links, size %ld, owner %d; the same file: %d\n", by_name.st_mode,
           (int)by_name.st_nlink, (long)by_name.st_size, (int)by_name.st_uid,
           by_name.st_ino == by_descriptor.st_ino && by_name.st_dev == by_descriptor.st_dev &&
               by_name.st_mode == by_descriptor.st_mode);
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    char target[64] = {0};
    /* Linux names whichever process it looked the directory up for first, alive or not. */
    show("readlink", readlink(link, target, sizeof target - 1) > 0);
    printf("%.6s%.9s\n", target, target + 6 + strspn(target + 6, "0123456789"));
    memset(target, 0, sizeof target);
    show("readlink /proc/net", readlink("/proc/net", target, sizeof target - 1));
    printf("%s\n", target);
    size_t length = file_read(fd, sizeof text);
    printf("%.*s\n", (int)strcspn(text, "\n"), text);
    whole = strdup(text);
    printf("at its end: %zd\n", read(fd, text, 10));
    show("lseek", lseek(fd, 0, SEEK_SET));
    printf("byte by byte the same: %d\n", file_read(fd, 1) == length && !strcmp(whole, text));
    show("pread", pread(fd, text, 4, 10));
    printf("%.4s|%.4s\n", text, whole + 10);
    show("where", lseek(fd, 0, SEEK_CUR) == (off_t)length);
    show("lseek", lseek(fd, 5, SEEK_SET));
    show("read", read(fd, text, 7));
    printf("%.7s\n", text);
    show("lseek end", lseek(fd, 0, SEEK_END));
    show("lseek far", lseek(fd, 1 << 20, SEEK_SET));
    show("read far", read(fd, text, 7));
    show("lseek below", lseek(fd, -1, SEEK_SET));
    show("write", write(fd, "x", 1));
    struct pollfd ask = {.fd = fd, .events = POLLIN};
    show("poll", poll(&ask, 1, 0));
    printf("ready: %x\n", ask.revents);
    show("open to write, as 1000", open(FILE_NAME, O_WRONLY) >= 0 || errno == EACCES);
    show("open a directory", open(FILE_NAME, O_RDONLY | O_DIRECTORY));
    show("open below", open(FILE_NAME "/x", O_RDONLY));
    show("open by self", open("/proc/self/net/unix", O_RDONLY) >= 0);
    int directory = open("/proc/net", O_RDONLY | O_DIRECTORY);
    show("openat", openat(directory, "unix", O_RDONLY) >= 0);
    free(whole);
    close(kept);
}

/* Nobody else's sockets are hidden, and nothing is lost when sockets come and go meanwhile. */
static void many(void)
{
    enum { MANY = 400 };
    static int fds[MANY];
    unsigned seen = 0, twice = 0;
    for (unsigned i = 0; i < MANY; i++)
        fds[i] = socket(AF_UNIX, SOCK_DGRAM, 0);
    int file = open(FILE_NAME, O_RDONLY);
    size_t length = 0;
    ssize_t got;
    unsigned round = 0;
    while ((got = read(file, text + length, 200)) > 0) {
        length += (size_t)got;
        close(socket(AF_UNIX, SOCK_STREAM, 0));
        if (round++ % 8 == 0 && round < 8 * 50) { /* every eighth of the first ones goes */
            close(fds[round]);
            fds[round] = -1;
        }
    }
    text[length] = 0;
    for (unsigned i = 0; i < MANY; i++) {
        char wanted[32];
        if (fds[i] < 0)
            continue;
        snprintf(wanted, sizeof wanted, " %5lu\n", inode(fds[i]));
        char *first = strstr(text, wanted);
        seen += first != NULL;
        twice += first && strstr(first + 1, wanted);
        close(fds[i]);
    }
    unsigned left = 0;
    for (unsigned i = 0; i < MANY; i++)
        left += fds[i] >= 0;
    printf("every socket that stayed is listed: %d, twice: %u\n", seen == left, twice);
}

int main(void)
{
    umask(022);
    streams(SOCK_STREAM);
    streams(SOCK_SEQPACKET);
    datagrams();
    in_flight();
    the_file();
    many();
    return 0;
}
