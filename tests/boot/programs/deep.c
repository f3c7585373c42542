/*
 * Much of a thing at once, and then all of it gone: deep threads|descriptors|message|nested.
 * SPDX-License-Identifier: MIT
 */
#include "check.h"
#include <pthread.h>

#define MANY 1000
#define IN_ONE 253 /* Linux's SCM_MAX_FD */
#define DEPTH 64

static char control[CMSG_SPACE(sizeof(int) * (IN_ONE + 1))] __attribute__((aligned(8)));

static ssize_t send_fds(int socket, const int *fds, unsigned count)
{
    char byte = 'x';
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control,
                             .msg_controllen = CMSG_SPACE(sizeof(int) * count)};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int) * count);
    memcpy(CMSG_DATA(header), fds, sizeof(int) * count);
    return syscall(SYS_sendmsg, socket, &message, MSG_DONTWAIT);
}

static unsigned receive_fds(int socket, int *fds)
{
    char byte;
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof control};
    if (syscall(SYS_recvmsg, socket, &message, MSG_DONTWAIT) != 1)
        return 0;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    unsigned count = header ? (unsigned)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int)) : 0;
    if (header)
        memcpy(fds, CMSG_DATA(header), count * sizeof(int));
    if (message.msg_flags & MSG_CTRUNC)
        printf("control data truncated\n");
    return count;
}

static void close_all(void)
{
    for (int fd = 3; fd < 3 * MANY; fd++)
        close(fd);
}

/* ---- threads --------------------------------------------------------------------------------- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int arrived, leave;

static void *thread_run(void *argument)
{
    pthread_mutex_lock(&lock);
    arrived++;
    pthread_cond_broadcast(&changed);
    while (!leave)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
    return argument;
}

/* As many threads as are allowed, up to a thousand, alive together, twice; then a process's end
 * takes them. */
static int run_threads(void)
{
    static pthread_t threads[MANY];
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 16384);
    for (int round = 0; round < 3; round++) {
        int count = 0, right = 0;
        arrived = leave = 0;
        while (count < MANY - 10 &&
               pthread_create(&threads[count], &attributes, thread_run, threads + count + 1) == 0)
            count++;
        pthread_mutex_lock(&lock);
        while (arrived < count)
            pthread_cond_wait(&changed, &lock);
        printf("round %d: %d threads at once\n", round, count);
        fflush(stdout);
        if (round == 2)
            _exit(0);
        leave = 1;
        pthread_cond_broadcast(&changed);
        pthread_mutex_unlock(&lock);
        for (int i = 0; i < count; i++) {
            void *result;
            right += pthread_join(threads[i], &result) == 0 && result == threads + i + 1;
        }
        printf("joined: %d\n", right);
    }
    return 0;
}

/* ---- descriptors ----------------------------------------------------------------------------- */

/* A thousand, one message each, received in order; then a thousand more that nobody receives. */
static int run_descriptors(void)
{
    int pair[2], ends[2], fds[IN_ONE + 1], sent = 0, received = 0, alive = 0;
    char byte;
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    pipe(ends);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    for (int round = 0; round < MANY; round++) {
        sent += send_fds(pair[0], &ends[1], 1) == 1;
        if (round % 100 == 99)
            while (receive_fds(pair[1], fds) == 1)
                received++;
    }
    write(ends[1], "z", 1);
    alive = read(ends[0], &byte, 1) == 1 && read(ends[0], &byte, 1) == -1 && errno == EAGAIN;
    printf("sent %d, received %d, the pipe lives %d\n", sent, received, alive);
    for (int fd = ends[1]; fd < 3 * MANY; fd++)
        close(fd);
    printf("its end when all are closed: %zd\n", read(ends[0], &byte, 1));
    close_all();
    for (int i = 0, queued; i < 4; i++) {
        socketpair(AF_UNIX, i % 2 ? SOCK_STREAM : SOCK_SEQPACKET, 0, pair);
        pipe(ends);
        for (queued = 0; queued < 200 && send_fds(pair[0], ends, 2) == 1; queued++)
            ;
        printf("queued: %d\n", queued > 100);
        close_all();
    }
    return 0;
}

static int run_message(void)
{
    int pair[2], ends[2], fds[IN_ONE + 1], out[IN_ONE + 1];
    socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair);
    pipe(ends);
    for (int i = 0; i < IN_ONE + 1; i++)
        fds[i] = ends[1];
    SHOW(send_fds(pair[0], fds, IN_ONE + 1));
    SHOW(send_fds(pair[0], fds, IN_ONE));
    SHOW(send_fds(pair[0], fds, IN_ONE));
    close(ends[1]);
    unsigned count = receive_fds(pair[1], out);
    printf("received %u, the last writes %zd\n", count, write(out[count - 1], "q", 1));
    struct rlimit limit = {.rlim_cur = 300, .rlim_max = 4096};
    setrlimit(RLIMIT_NOFILE, &limit);
    count = receive_fds(pair[1], out); /* says that it was cut */
    printf("with room for fewer: %d\n", count < IN_ONE && count > 0);
    for (int fd = 3; fd < 300; fd++)
        if (fd != ends[0])
            close(fd);
    char byte;
    printf("the pipe: %zd", read(ends[0], &byte, 1));
    printf(", then its end: %zd\n", read(ends[0], &byte, 1));
    close(ends[0]);
    return 0;
}

/* ---- nested: a socket in a socket in a socket, and one in itself ----------------------------- */

static int nested(void *argument)
{
    int depth = DEPTH, pair[2], outer[2], ends[2], last;
    char byte;
    pipe(ends);
    int inner = ends[1];
    for (last = 0; last < depth; last++) {
        socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
        if (send_fds(pair[0], &inner, 1) != 1)
            break;
        close(pair[0]);
        close(inner);
        inner = pair[1];
    }
    printf("nested %d deep%s%s\n", last, last < depth ? ", then " : "",
           last < depth ? error_name(errno) : "");
    if (argument) { /* unpack it all */
        int at = inner, next, levels = 0;
        while (receive_fds(at, &next) == 1)
            close(at), at = next, levels++;
        printf("unpacked %d, the pipe writes %zd\n", levels, write(at, "p", 1));
        return 0;
    }
    close(inner), close(pair[0]), close(pair[1]);
    printf("the pipe's end: %zd\n", read(ends[0], &byte, 1));
    /* Each of a pair in its own queue, and in the other's. */
    pipe(ends);
    socketpair(AF_UNIX, SOCK_STREAM, 0, outer);
    socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair);
    SHOW(send_fds(outer[0], &outer[1], 1));
    SHOW(send_fds(outer[1], outer, 2));
    SHOW(send_fds(pair[0], outer, 2));
    SHOW(send_fds(outer[0], pair, 2));
    SHOW(send_fds(pair[1], &ends[1], 1));
    close(outer[0]), close(outer[1]), close(pair[0]), close(pair[1]), close(ends[1]);
    struct pollfd end = {.fd = ends[0], .events = POLLIN};
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair); /* Linux collects when a socket is closed */
    close(pair[0]), close(pair[1]);
    printf("collected: %d\n", poll(&end, 1, 2000));
    printf("the pipe's end: %zd\n", read(ends[0], &byte, 1));
    return 0;
}

static int run_nested(void)
{
    show_status("nested", in_child(nested, NULL));
    show_status("nested, unpacked", in_child(nested, control));
    return 0;
}

int main(int argc, char **argv)
{
    static const struct { const char *name; int (*run)(void);
    } ways[] = {{"threads", run_threads},
                {"descriptors", run_descriptors},
                {"message", run_message},
                {"nested", run_nested}};
    struct rlimit limit = {.rlim_cur = 4096, .rlim_max = 4096};
    setrlimit(RLIMIT_NOFILE, &limit);
    for (unsigned i = 0; argc > 1 && i < sizeof ways / sizeof *ways; i++)
        if (!strcmp(argv[1], ways[i].name))
            return ways[i].run();
    return 2;
}
