/* O3: sendfile, splice, tee, vmsplice and copy_file_range among files, pipes and sockets; readv,
 * writev, preadv on them. SPDX-License-Identifier: MIT */
#include "check.h"
#include <sys/sendfile.h>

#define FILE_NAME "/tmp/spliced"
#define FILE_SIZE 200000
static char big[FILE_SIZE] __attribute__((aligned(4096))), back[FILE_SIZE + 1];

struct ends {
    int in, out; /* write here, read there */
};

static struct ends pipe_make(int flags)
{
    int fds[2] = {-1, -1};
    pipe2(fds, flags);
    return (struct ends){fds[1], fds[0]};
}

static struct ends pair_make(int type)
{
    int fds[2] = {-1, -1};
    socketpair(AF_UNIX, type, 0, fds);
    return (struct ends){fds[0], fds[1]};
}

static void ends_close(struct ends ends)
{
    close(ends.in), close(ends.out);
}

/* What is there now, without waiting. */
static void drain(const char *what, int fd)
{
    int flags = fcntl(fd, F_GETFL);
    size_t length = 0;
    ssize_t got;
    fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    while (length < FILE_SIZE && (got = read(fd, back + length, FILE_SIZE - length)) > 0)
        length += (size_t)got;
    fcntl(fd, F_SETFL, flags);
    back[length] = 0;
    unsigned sum = 0;
    for (size_t i = 0; i < length; i++)
        sum = sum * 31 + (unsigned char)back[i];
    printf("%s holds %zu bytes, sum %08x%s%s\n", what, length, sum, length && length < 60 ? ": " : "",
           length < 60 ? back : "");
}

static int signals;
static void count_signal(int signal)
{
    (void)signal;
    signals++;
}
#define SIGNALS()                                                                                  \
    do {                                                                                           \
        printf("SIGPIPE: %d\n", signals);                                                          \
        signals = 0;                                                                               \
    } while (0)

static void pipe_to_pipe(void)
{
    struct ends a = pipe_make(0), b = pipe_make(0);
    write(a.in, "hello, pipe", 11);
    SHOW(splice(a.out, NULL, b.in, NULL, 5, 0));
    SHOW(splice(a.out, NULL, b.in, NULL, 100, 0));
    drain("the second pipe", b.out);
    SHOW(splice(a.out, NULL, b.in, NULL, 100, SPLICE_F_NONBLOCK));
    write(a.in, "again", 5);
    SHOW(tee(a.out, b.in, 3, 0));
    SHOW(tee(a.out, b.in, 100, 0));
    drain("after tee the second", b.out);
    drain("after tee the first", a.out);
    SHOW(tee(a.out, b.in, 100, SPLICE_F_NONBLOCK));
    /* a full sink takes what it can, and nothing is lost */
    fcntl(b.in, F_SETFL, O_NONBLOCK);
    for (unsigned i = 0; i < 14; i++)
        write(b.in, big, 4096);
    write(a.in, big, 16384);
    SHOW(splice(a.out, NULL, b.in, NULL, 65536, 0));
    SHOW(splice(a.out, NULL, b.in, NULL, 65536, 0));
    SHOW(tee(a.out, b.in, 65536, 0));
    drain("the sink", b.out);
    drain("what is left", a.out);
    close(a.in);
    SHOW(splice(a.out, NULL, b.in, NULL, 100, 0));
    SHOW(tee(a.out, b.in, 100, 0));
    close(a.out);
    a = pipe_make(0);
    close(b.out);
    write(a.in, "lost?", 5);
    SHOW(splice(a.out, NULL, b.in, NULL, 100, 0));
    SHOW(tee(a.out, b.in, 100, 0));
    SIGNALS();
    drain("not lost", a.out);
    ends_close(a);
    close(b.in);
}

static void pipe_to_socket(int type)
{
    struct ends a = pipe_make(0), b = pair_make(type);
    write(a.in, "to a socket", 11);
    SHOW(splice(a.out, NULL, b.in, NULL, 2, 0));
    SHOW(splice(a.out, NULL, b.in, NULL, 100, SPLICE_F_MORE | SPLICE_F_MOVE));
    drain("the socket", b.out);
    SHOW(splice(a.out, NULL, b.in, NULL, 100, SPLICE_F_NONBLOCK));
    write(a.in, "more", 4);
    fcntl(b.in, F_SETFL, O_NONBLOCK);
    ssize_t sent = 0, part;
    while ((part = send(b.in, big, 4096, 0)) > 0)
        sent += part;
    show("a full socket", splice(a.out, NULL, b.in, NULL, 100, 0));
    close(b.out);
    show("a closed socket", splice(a.out, NULL, b.in, NULL, 100, 0));
    show("again", splice(a.out, NULL, b.in, NULL, 100, 0));
    SIGNALS();
    drain("still in the pipe", a.out);
    ends_close(a);
    close(b.in);
}

static void socket_to_pipe(int type)
{
    struct ends a = pair_make(type), b = pipe_make(0);
    write(a.in, "from a socket", 13);
    write(a.in, "another", 7);
    SHOW(splice(a.out, NULL, b.in, NULL, 4, 0));
    SHOW(splice(a.out, NULL, b.in, NULL, 100, 0));
    if (type != SOCK_STREAM) /* for the others SPLICE_F_NONBLOCK is of the pipe alone */
        fcntl(a.out, F_SETFL, O_NONBLOCK);
    SHOW(splice(a.out, NULL, b.in, NULL, 100, SPLICE_F_NONBLOCK));
    drain("the pipe", b.out);
    /* a sink with room for one page */
    fcntl(b.in, F_SETFL, O_NONBLOCK);
    for (unsigned i = 0; i < 15; i++)
        write(b.in, big, 4096);
    write(a.in, big, 4096); /* on Linux one page, so one place in the pipe */
    write(a.in, big, 904);
    SHOW(splice(a.out, NULL, b.in, NULL, 65536, 0));
    SHOW(splice(a.out, NULL, b.in, NULL, 65536, 0));
    drain("the pipe", b.out);
    SHOW(splice(a.out, NULL, b.in, NULL, 65536, 0));
    SHOW(splice(a.out, NULL, b.in, NULL, 65536, SPLICE_F_NONBLOCK));
    close(a.in);
    show("after the peer", splice(a.out, NULL, b.in, NULL, 65536, 0));
    drain("the pipe", b.out);
    close(b.out);
    show("no reader", splice(a.out, NULL, b.in, NULL, 65536, 0));
    SIGNALS();
    close(a.out), close(b.in);
    a.out = socket(AF_UNIX, type, 0);
    b = pipe_make(0);
    fcntl(a.out, F_SETFL, O_NONBLOCK);
    show("unconnected source", splice(a.out, NULL, b.in, NULL, 10, SPLICE_F_NONBLOCK));
    write(b.in, "x", 1);
    show("unconnected sink", splice(b.out, NULL, a.out, NULL, 10, 0));
    SIGNALS();
    drain("the pipe", b.out);
    close(a.out);
    ends_close(b);
}

/* A descriptor that came along is dropped, and the read ends with its chunk. */
static void rights(void)
{
    struct ends a = pair_make(SOCK_STREAM), b = pipe_make(0), c = pipe_make(0);
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec one = {"with", 4};
    struct msghdr message = {.msg_iov = &one, .msg_iovlen = 1, .msg_control = &control,
                             .msg_controllen = sizeof control};
    control.header.cmsg_len = CMSG_LEN(sizeof(int));
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    memcpy(CMSG_DATA(&control.header), &c.in, sizeof(int));
    write(a.in, "before", 6);
    SHOW(sendmsg(a.in, &message, 0));
    write(a.in, "after", 5);
    close(c.in);
    SHOW(splice(a.out, NULL, b.in, NULL, 100, 0));
    drain("the pipe", b.out);
    show("the descriptor's pipe ends", read(c.out, back, 1));
    SHOW(splice(a.out, NULL, b.in, NULL, 100, 0));
    drain("the pipe", b.out);
    /* SO_PEEK_OFF is of those who peek */
    int offset = 2;
    setsockopt(a.out, SOL_SOCKET, SO_PEEK_OFF, &offset, sizeof offset);
    write(a.in, "abcdef", 6);
    SHOW(splice(a.out, NULL, b.in, NULL, 1, 0));
    SHOW(recv(a.out, back, 10, MSG_PEEK));
    printf("%.5s\n", back);
    drain("the pipe", b.out);
    ends_close(a), ends_close(b);
    close(c.out);
}

static void files(void)
{
    struct ends a = pipe_make(0);
    int fd = open(FILE_NAME, O_RDWR | O_CREAT | O_TRUNC, 0600);
    write(fd, big, FILE_SIZE);
    loff_t offset = 1000;
    show("file to pipe", splice(fd, &offset, a.in, NULL, 3000, 0));
    printf("offset %ld, position %ld\n", (long)offset, (long)lseek(fd, 0, SEEK_CUR));
    drain("the pipe", a.out);
    lseek(fd, 5000, SEEK_SET);
    show("at its position", splice(fd, NULL, a.in, NULL, 4096, 0));
    printf("position %ld\n", (long)lseek(fd, 0, SEEK_CUR));
    drain("the pipe", a.out);
    lseek(fd, 0, SEEK_SET);
    show("more than fits", splice(fd, NULL, a.in, NULL, FILE_SIZE, 0));
    show("no room", splice(fd, NULL, a.in, NULL, FILE_SIZE, SPLICE_F_NONBLOCK));
    printf("position %ld\n", (long)lseek(fd, 0, SEEK_CUR));
    int to = open(FILE_NAME "2", O_RDWR | O_CREAT | O_TRUNC, 0600);
    offset = 100;
    show("pipe to file", splice(a.out, NULL, to, &offset, 5000, 0));
    printf("offset %ld, position %ld\n", (long)offset, (long)lseek(to, 0, SEEK_CUR));
    show("pipe to file", splice(a.out, NULL, to, NULL, 50, 0));
    printf("position %ld, size %ld\n", (long)lseek(to, 0, SEEK_CUR), (long)lseek(to, 0, SEEK_END));
    drain("the pipe", a.out);
    lseek(fd, 0, SEEK_END);
    show("end of file", splice(fd, NULL, a.in, NULL, 10, 0));
    write(a.in, "x", 1);
    offset = -1;
    show("a negative offset", splice(fd, &offset, a.in, NULL, 10, 0));
    show("a negative offset", splice(a.out, NULL, fd, &offset, 10, 0));
    offset = 0;
    show("an offset for a pipe", splice(fd, NULL, a.in, &offset, 10, 0));
    show("an offset for a pipe", splice(a.out, &offset, fd, NULL, 10, 0));
    show("a bad offset", splice(fd, (void *)8, a.in, NULL, 10, 0));
    int append = open(FILE_NAME "2", O_RDWR | O_APPEND), null = open("/dev/null", O_RDWR);
    show("to append", splice(a.out, NULL, append, NULL, 10, 0));
    show("two files", splice(fd, NULL, to, NULL, 10, 0));
    show("no length", splice(-1, NULL, -1, NULL, 0, 99));
    show("bad flags", splice(fd, NULL, a.in, NULL, 10, 99));
    show("bad source", splice(-1, NULL, a.in, NULL, 10, 0));
    show("bad sink", splice(fd, NULL, 99, NULL, 10, 0));
    show("the wrong ends", splice(a.in, NULL, a.out, NULL, 10, 0));
    show("the same pipe", splice(a.out, NULL, a.in, NULL, 10, 0));
    int reader = open(FILE_NAME, O_RDONLY), writer = open(FILE_NAME, O_WRONLY);
    show("a file not open to write", splice(a.out, NULL, reader, NULL, 10, 0));
    show("a file not open to read", splice(writer, NULL, a.in, NULL, 10, 0));
    show("to /dev/null", splice(a.out, NULL, null, NULL, 10, 0));
    int zero = open("/dev/zero", O_RDONLY), directory = open("/tmp", O_RDONLY);
    show("from /dev/zero", splice(zero, NULL, a.in, NULL, 100, 0));
    show("from a directory", splice(directory, NULL, a.in, NULL, 10, 0));
    drain("the pipe", a.out);
    struct ends socket = pair_make(SOCK_STREAM);
    show("two sockets", splice(socket.in, NULL, socket.out, NULL, 10, 0));
    show("file to socket", splice(fd, NULL, socket.in, NULL, 10, 0));
    write(socket.in, "x", 1);
    show("socket to file", splice(socket.out, NULL, fd, NULL, 10, 0));
    show("an offset for a socket", splice(socket.out, &offset, a.in, NULL, 10, 0));
    write(a.in, "x", 1);
    show("an offset for a socket", splice(a.out, NULL, socket.in, &offset, 10, 0));
    show("tee of a file", tee(fd, a.in, 10, 0));
    show("tee to a socket", tee(a.out, socket.in, 10, 0));
    show("tee of one pipe", tee(a.out, a.in, 10, 0));
    show("tee, wrong ends", tee(a.in, a.out, 10, 0));
    show("tee of nothing", tee(-1, -1, 0, 0));
    show("tee, bad flags", tee(-1, -1, 0, 99));
    show("tee, bad descriptor", tee(a.out, -1, 10, 0));
    ends_close(socket), ends_close(a);
    close(fd), close(to), close(append), close(null), close(zero), close(directory), close(reader);
    close(writer);
}

static void send_files(void)
{
    int fd = open(FILE_NAME, O_RDWR);
    off_t offset = 10;
    struct ends a = pair_make(SOCK_STREAM), b = pipe_make(0);
    SHOW(sendfile(a.in, fd, &offset, 2000));
    printf("offset %ld, position %ld\n", (long)offset, (long)lseek(fd, 0, SEEK_CUR));
    drain("the socket", a.out);
    SHOW(sendfile(a.in, fd, NULL, 3000));
    printf("position %ld\n", (long)lseek(fd, 0, SEEK_CUR));
    drain("the socket", a.out);
    offset = FILE_SIZE - 5;
    SHOW(sendfile(a.in, fd, &offset, 2000));
    SHOW(sendfile(a.in, fd, &offset, 2000));
    printf("offset %ld\n", (long)offset);
    drain("the socket", a.out);
    offset = 0;
    SHOW(sendfile(b.in, fd, &offset, FILE_SIZE));
    printf("offset %ld\n", (long)offset);
    fcntl(b.in, F_SETFL, O_NONBLOCK);
    SHOW(sendfile(b.in, fd, &offset, 10));
    drain("the pipe", b.out);
    SHOW(sendfile(b.in, fd, &offset, 10));
    drain("the pipe", b.out);
    fcntl(a.in, F_SETFL, O_NONBLOCK);
    offset = 0;
    ssize_t sent = 0, part;
    while (offset < FILE_SIZE && (part = sendfile(a.in, fd, &offset, FILE_SIZE)) > 0)
        sent += part;
    printf("some went, and the offset says how much: %d\n", sent > 30000 && sent == (long)offset);
    memset(back, 0, sizeof back);
    size_t got = 0;
    fcntl(a.out, F_SETFL, O_NONBLOCK);
    while ((part = read(a.out, back + got, FILE_SIZE - got)) > 0)
        got += (size_t)part;
    printf("all of it came: %d\n", (ssize_t)got == sent && memcmp(back, big, got) == 0);
    write(a.in, "x", 1);
    show("a socket as source, to a socket", sendfile(a.in, a.out, NULL, 10));
    show("a socket as source, to a file", sendfile(fd, a.out, NULL, 10));
    offset = 0;
    show("a socket's offset", sendfile(fd, a.out, &offset, 10));
    show("a socket as source, to a pipe", sendfile(b.in, a.out, NULL, 10));
    drain("the pipe", b.out);
    struct ends c = pipe_make(0);
    write(c.in, "pipe", 4);
    show("a pipe as source, to a pipe", sendfile(b.in, c.out, NULL, 10));
    show("a pipe as source, to a file", sendfile(fd, c.out, NULL, 10));
    show("a pipe's offset", sendfile(b.in, c.out, &offset, 10));
    show("a bad offset", sendfile(a.in, fd, (void *)8, 10));
    offset = -5;
    show("a negative offset", sendfile(a.in, fd, &offset, 10));
    show("bad source", sendfile(a.in, -1, NULL, 10));
    show("bad sink", sendfile(-1, fd, NULL, 10));
    show("nothing", sendfile(a.in, fd, NULL, 0));
    int append = open(FILE_NAME "2", O_WRONLY | O_APPEND);
    offset = 0;
    show("to append", sendfile(append, fd, &offset, 10));
    show("from what cannot be read", sendfile(a.in, append, NULL, 10));
    close(a.out);
    show("a closed socket", sendfile(a.in, fd, &offset, 10));
    close(b.out);
    show("a closed pipe", sendfile(b.in, fd, &offset, 10));
    SIGNALS();
    show("copy_file_range to a socket", copy_file_range(fd, NULL, a.in, NULL, 10, 0));
    show("copy_file_range from a pipe", copy_file_range(c.out, NULL, fd, NULL, 10, 0));
    show("copy_file_range of a bad one", copy_file_range(-1, NULL, fd, NULL, 10, 0));
    close(append), close(fd), close(a.in), close(b.in);
    ends_close(c);
}

static void vectors(void)
{
    struct ends a = pipe_make(0), b = pair_make(SOCK_STREAM);
    struct iovec out[3] = {{"one ", 4}, {NULL, 0}, {"two", 3}};
    char first[3], second[30];
    struct iovec in[2] = {{first, sizeof first}, {second, sizeof second}};
    volatile int many = 1025;
    int fds[2][2] = {{a.in, a.out}, {b.in, b.out}};
    for (unsigned i = 0; i < 2; i++) {
        show("writev", writev(fds[i][0], out, 3));
        memset(second, 0, sizeof second);
        show("readv", readv(fds[i][1], in, 2));
        printf("%.3s|%s\n", first, second);
        show("preadv", preadv(fds[i][1], in, 2, 0));
        show("pwritev", pwritev(fds[i][0], out, 3, 0));
        show("pread", pread(fds[i][1], first, 1, 0));
        show("pwrite", pwrite(fds[i][0], first, 1, 0));
        show("preadv, negative", preadv(fds[i][1], in, 2, -1));
        show("writev of none", writev(fds[i][0], out, 0));
        show("writev of too many", writev(fds[i][0], out, many));
        out[1] = (struct iovec){(void *)8, 4};
        show("writev of a bad one", writev(fds[i][0], out, 3));
        out[1] = (struct iovec){NULL, 0};
        drain("the rest", fds[i][1]);
    }
    show("vmsplice in", vmsplice(a.in, out, 3, 0));
    drain("the pipe", a.out);
    show("vmsplice in", vmsplice(a.in, &(struct iovec){big, FILE_SIZE}, 1, SPLICE_F_NONBLOCK));
    show("vmsplice in, full", vmsplice(a.in, out, 3, SPLICE_F_NONBLOCK));
    show("vmsplice out", vmsplice(a.out, in, 2, 0));
    printf("the same: %d\n", !memcmp(first, big, 3) && !memcmp(second, big + 3, 30));
    drain("the pipe", a.out);
    show("vmsplice out, empty", vmsplice(a.out, in, 2, SPLICE_F_NONBLOCK));
    show("vmsplice of a socket", vmsplice(b.in, out, 3, 0));
    show("vmsplice, bad flags", vmsplice(a.in, out, 3, 99));
    show("vmsplice of none", vmsplice(a.in, out, 0, 0));
    show("vmsplice of a bad one", vmsplice(a.in, &(struct iovec){(void *)8, 9}, 1, 0));
    ends_close(a), ends_close(b);
}

/* One side waits until the other has done its part. */
static int filler(void *argument)
{
    struct ends *ends = argument;
    sleep_ms(100);
    write(ends->in, "late", 4);
    return 0;
}

static int emptier(void *argument)
{
    struct ends *ends = argument;
    sleep_ms(100);
    read(ends->out, back, 4096);
    return 0;
}

static void waits(void)
{
    struct ends a = pipe_make(0), b = pair_make(SOCK_STREAM);
    pid_t child;
    fflush(stdout);
    if ((child = fork()) == 0)
        _exit(filler(&a));
    show("the pipe was empty", splice(a.out, NULL, b.in, NULL, 10, 0));
    waitpid(child, NULL, 0);
    drain("the socket", b.out);
    if ((child = fork()) == 0)
        _exit(filler(&b));
    show("the socket was empty", splice(b.out, NULL, a.in, NULL, 10, 0));
    waitpid(child, NULL, 0);
    drain("the pipe", a.out);
    struct ends c = pipe_make(0);
    for (unsigned i = 0; i < 16; i++)
        write(c.in, big, 4096);
    write(b.in, "waits for room", 14);
    if ((child = fork()) == 0)
        _exit(emptier(&c));
    show("the pipe was full", splice(b.out, NULL, c.in, NULL, 100, 0));
    waitpid(child, NULL, 0);
    drain("the pipe", c.out);
    struct timeval limit = {.tv_usec = 50000};
    setsockopt(b.out, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    show("with SO_RCVTIMEO", splice(b.out, NULL, c.in, NULL, 100, 0));
    ends_close(a), ends_close(b), ends_close(c);
}

/* Much through little: file, pipe, socket, pipe, file. */
static int pump(void *argument)
{
    int *fds = argument;
    ssize_t got;
    while ((got = splice(fds[0], NULL, fds[1], NULL, 30000, 0)) > 0)
        ;
    return got < 0;
}

static void all_the_way(void)
{
    struct ends a = pipe_make(0), b = pair_make(SOCK_STREAM), c = pipe_make(0);
    int from = open(FILE_NAME, O_RDONLY), to = open(FILE_NAME "3", O_RDWR | O_CREAT | O_TRUNC, 0600);
    int steps[4][2] = {{from, a.in}, {a.out, b.in}, {b.out, c.in}, {c.out, to}};
    pid_t children[4];
    fflush(stdout);
    for (unsigned i = 0; i < 4; i++)
        if ((children[i] = fork()) == 0) {
            int keep[] = {a.in, a.out, b.in, b.out, c.in, c.out};
            for (unsigned k = 0; k < 6; k++)
                if (keep[k] != steps[i][0] && keep[k] != steps[i][1])
                    close(keep[k]);
            _exit(pump(steps[i]));
        }
    ends_close(a), ends_close(b), ends_close(c);
    for (unsigned i = 0; i < 4; i++) {
        int status;
        waitpid(children[i], &status, 0);
        show_status("a step", status);
    }
    lseek(to, 0, SEEK_SET);
    show("read", read(to, back, FILE_SIZE));
    printf("the same: %d\n", memcmp(back, big, FILE_SIZE) == 0);
    close(from), close(to);
}

int main(void)
{
    for (unsigned i = 0; i < FILE_SIZE; i++)
        big[i] = (char)('a' + i * 7 / 5 % 26);
    signal(SIGPIPE, count_signal);
    pipe_to_pipe();
    pipe_to_socket(SOCK_STREAM);
    pipe_to_socket(SOCK_SEQPACKET);
    pipe_to_socket(SOCK_DGRAM);
    socket_to_pipe(SOCK_STREAM);
    socket_to_pipe(SOCK_SEQPACKET);
    socket_to_pipe(SOCK_DGRAM);
    rights();
    files();
    send_files();
    vectors();
    waits();
    all_the_way();
    return 0;
}
