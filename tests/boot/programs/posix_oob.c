/* Out-of-band data, low-water marks, and receives into bad memory on AF_UNIX, compared with Linux.
 * SPDX-License-Identifier: MIT */
#include "check.h"
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/time.h>

static void *volatile nowhere = (void *)8;
static uint32_t seed;
static unsigned pick(unsigned below)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 10) % below;
}

static int number(int fd, unsigned long request)
{
    int value = -1;
    return ioctl(fd, request, &value) == 0 ? value : -errno;
}

static int ready(int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN | POLLPRI | POLLOUT | POLLRDHUP};
    return poll(&poll_fd, 1, 0) >= 0 ? poll_fd.revents : -errno;
}

/* What one receive gives: bytes or errno, the data, MSG_OOB and friends. */
static void receive_show(int fd, size_t length, int flags)
{
    char room[64] = {0};
    struct iovec vector = {room, length};
    struct msghdr header = {.msg_iov = &vector, .msg_iovlen = 1};
    ssize_t got = recvmsg(fd, &header, flags);
    if (got < 0)
        printf(" %s", error_name(errno));
    else
        printf(" %zd\"%.*s\"%x", got, (int)got, room, header.msg_flags & ~MSG_CMSG_CLOEXEC);
}

static void state_show(int fd, int other)
{
    printf(" mark %d inq %d outq %d poll %x\n", number(fd, SIOCATMARK), number(fd, FIONREAD),
           number(other, TIOCOUTQ), (unsigned)ready(fd));
}

static const int receive_flags[] = {0, 0, MSG_PEEK, MSG_OOB, MSG_OOB | MSG_PEEK, MSG_WAITALL};

static void one_step(int fd[2], char *next)
{
    char data[4];
    unsigned what = pick(12);
    if (what < 5) {
        size_t length = 1 + pick(4);
        int flags = pick(2) ? MSG_OOB : 0;
        for (size_t i = 0; i < length; i++)
            data[i] = *next = *next == 'z' ? 'a' : (char)(*next + 1);
        printf("send %zu%s %zd", length, flags ? "!" : "", send(fd[0], data, length, flags));
    } else if (what < 11) {
        int flags = receive_flags[pick(6)];
        /* without room only for the byte: what else an empty read does at the mark depends on
         * which 6.12 it is */
        size_t length = pick(16) || !(flags & MSG_OOB) ? 1 + pick(6) : 0;
        printf("recv %zu,%x", length, flags);
        receive_show(fd[1], length, flags | MSG_DONTWAIT);
    } else {
        int on = (int)pick(2);
        printf("inline %d %d", on,
               setsockopt(fd[1], SOL_SOCKET, SO_OOBINLINE, &on, sizeof on));
    }
    state_show(fd[1], fd[0]);
}

/* The same random walk on every system. */
static void walk(void)
{
    for (unsigned round = 0; round < 60; round++) {
        int fd[2];
        char next = 'a' - 1;
        seed = round + 1;
        socketpair(AF_UNIX, SOCK_STREAM, 0, fd);
        printf("round %u\n", round);
        if (round % 8 == 7) {
            int offset = 0;
            setsockopt(fd[1], SOL_SOCKET, SO_PEEK_OFF, &offset, sizeof offset);
        }
        for (unsigned step = 0; step < 40; step++)
            one_step(fd, &next);
        close(fd[round % 2]); /* what is unread makes the other end's error */
        printf("end %x", (unsigned)ready(fd[1 - round % 2]));
        receive_show(fd[1 - round % 2], 64, MSG_DONTWAIT);
        receive_show(fd[1 - round % 2], 64, MSG_DONTWAIT);
        receive_show(fd[1 - round % 2], 64, MSG_DONTWAIT);
        printf("\n");
        close(fd[1 - round % 2]);
    }
}

static void other_kinds(void)
{
    int fd[2], mark = -1;
    const int types[] = {SOCK_DGRAM, SOCK_SEQPACKET};
    for (unsigned i = 0; i < 2; i++) {
        socketpair(AF_UNIX, types[i], 0, fd);
        SHOW(send(fd[0], "x", 1, MSG_OOB));
        SHOW(recv(fd[1], &mark, 1, MSG_OOB | MSG_DONTWAIT));
        SHOW(ioctl(fd[1], SIOCATMARK, &mark));
        close(fd[0]);
        close(fd[1]);
    }
    socketpair(AF_UNIX, SOCK_STREAM, 0, fd);
    SHOW(send(fd[0], "", 0, MSG_OOB));
    SHOW(ioctl(fd[0], SIOCATMARK, NULL));
    SHOW(send(fd[0], nowhere, 1, MSG_OOB));
    SHOW(send(fd[0], "ab", 2, MSG_OOB));
    SHOW(recv(fd[1], nowhere, 1, MSG_OOB)); /* the byte is lost */
    SHOW(recv(fd[1], &mark, 1, MSG_OOB));
    state_show(fd[1], fd[0]);
    SHOW(read(fd[1], &mark, 4));
    state_show(fd[1], fd[0]);
    SHOW(recv(fd[1], &mark, 1, MSG_DONTWAIT));
    state_show(fd[1], fd[0]);
    SHOW(send(fd[0], "c", 1, MSG_OOB | MSG_MORE));
    shutdown(fd[0], SHUT_WR);
    SHOW(send(fd[0], "d", 1, MSG_OOB | MSG_NOSIGNAL));
    SHOW(recv(fd[1], &mark, 1, MSG_OOB));
    SHOW(recv(fd[1], &mark, 1, 0));
    int lonely = socket(AF_UNIX, SOCK_STREAM, 0);
    SHOW(send(lonely, "x", 1, MSG_OOB));
    SHOW(recv(lonely, &mark, 1, MSG_OOB));
    SHOW(ioctl(lonely, SIOCATMARK, &mark));
    close(lonely);
    close(fd[0]);
    close(fd[1]);
}

static void large(void)
{
    static char out[100001], in[100001];
    int fd[2], size = 400000;
    socketpair(AF_UNIX, SOCK_STREAM, 0, fd);
    setsockopt(fd[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    out[sizeof out - 1] = '!';
    SHOW(send(fd[0], out, sizeof out, MSG_OOB));
    SHOW(recv(fd[1], in, sizeof in, 0));
    state_show(fd[1], fd[0]);
    SHOW(recv(fd[1], in, sizeof in, MSG_OOB));
    printf("the byte %d\n", in[0]);
    /* descriptors with the urgent byte are dropped, those with plain ones are not */
    char control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec vector = {"ab", 2};
    struct msghdr header = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = control,
                            .msg_controllen = sizeof control};
    struct cmsghdr *message = CMSG_FIRSTHDR(&header);
    *message = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET,
                                .cmsg_type = SCM_RIGHTS};
    for (size_t length = 1; length <= 2; length++) {
        vector.iov_len = length;
        header.msg_controllen = sizeof control;
        memcpy(CMSG_DATA(message), &fd[0], sizeof(int));
        SHOW(sendmsg(fd[0], &header, MSG_OOB));
        vector = (struct iovec){in, 8};
        SHOW(recvmsg(fd[1], &header, length == 1 ? MSG_OOB : 0));
        printf("control %d\n", (int)header.msg_controllen);
        SHOW(recvmsg(fd[1], &header, length == 1 ? MSG_DONTWAIT : MSG_OOB));
        printf("control %d\n", (int)header.msg_controllen);
        vector.iov_base = "ab";
    }
    close(fd[0]);
    close(fd[1]);
}

static void epoll_priority(void)
{
    int fd[2], set = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLPRI | EPOLLET};
    socketpair(AF_UNIX, SOCK_STREAM, 0, fd);
    SHOW(epoll_ctl(set, EPOLL_CTL_ADD, fd[1], &event));
    SHOW(epoll_wait(set, &event, 1, 0));
    send(fd[0], "x", 1, 0);
    SHOW(epoll_wait(set, &event, 1, 0));
    send(fd[0], "y", 1, MSG_OOB);
    SHOW(epoll_wait(set, &event, 1, 0));
    printf("events %x\n", event.events);
    SHOW(epoll_wait(set, &event, 1, 0));
    fd_set urgent;
    FD_ZERO(&urgent);
    FD_SET(fd[1], &urgent);
    struct timeval now = {0, 0};
    SHOW(select(fd[1] + 1, NULL, NULL, &urgent, &now));
    close(set);
    close(fd[0]);
    close(fd[1]);
}

/* A child sends a piece every 30 ms; the parent reads with a low-water mark or MSG_WAITALL. */
static void slowly(const char *what, int low_water, int flags, const char *const *pieces, bool plain)
{
    int fd[2];
    socketpair(AF_UNIX, SOCK_STREAM, 0, fd);
    setsockopt(fd[1], SOL_SOCKET, SO_RCVLOWAT, &low_water, sizeof low_water);
    pid_t child = fork();
    if (child == 0) {
        close(fd[1]);
        for (; *pieces; pieces++) {
            usleep(30000);
            send(fd[0], *pieces, strlen(*pieces), **pieces == '!' ? MSG_OOB : 0);
        }
        _exit(0);
    }
    close(fd[0]);
    printf("%s:", what);
    for (int i = 0; i < 6; i++) {
        char room[10];
        ssize_t got = plain ? read(fd[1], room, sizeof room) : recv(fd[1], room, sizeof room, flags);
        printf(got < 0 ? " %zd" : " %zd\"%.*s\"", got, (int)got, room);
        if (got <= 0)
            break;
    }
    printf("\n");
    close(fd[1]);
    waitpid(child, NULL, 0);
}

static void low_water(void)
{
    const char *const letters[] = {"ab", "cd", "ef", "gh", "ij", "kl", NULL};
    const char *const urgent[] = {"ab", "!", "cd", "ef", "gh", "ij", "kl", NULL};
    slowly("one at a time", 1, 0, letters, true);
    slowly("low water 5, read", 5, 0, letters, true);
    slowly("low water 5, recv", 5, 0, letters, false);
    slowly("low water 100, read", 100, 0, letters, true);
    slowly("wait for all", 1, MSG_WAITALL, letters, false);
    slowly("wait for all, to the mark", 1, MSG_WAITALL, urgent, false);
    int fd[2], want = 8;
    char room[10];
    struct timeval limit = {0, 40000};
    socketpair(AF_UNIX, SOCK_STREAM, 0, fd);
    SHOW(setsockopt(fd[1], SOL_SOCKET, SO_RCVLOWAT, &want, sizeof want));
    SHOW(setsockopt(fd[1], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit));
    send(fd[0], "abc", 3, 0);
    printf("poll %x\n", (unsigned)ready(fd[1]));
    SHOW(recv(fd[1], room, sizeof room, 0)); /* takes them, waits for more, and gives up */
    SHOW(recv(fd[1], room, sizeof room, 0));
    send(fd[0], "abc", 3, 0);
    SHOW(read(fd[1], room, sizeof room));
    send(fd[0], "abc", 3, 0);
    SHOW(recv(fd[1], room, sizeof room, MSG_DONTWAIT));
    send(fd[0], "abc", 3, 0);
    close(fd[0]);
    SHOW(recv(fd[1], room, sizeof room, MSG_WAITALL));
    close(fd[1]);
    /* a time that is negative waits not at all */
    limit = (struct timeval){-1, 0};
    socketpair(AF_UNIX, SOCK_STREAM, 0, fd);
    SHOW(setsockopt(fd[1], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit));
    SHOW(setsockopt(fd[1], SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit));
    socklen_t length = sizeof limit;
    SHOW(getsockopt(fd[1], SOL_SOCKET, SO_RCVTIMEO, &limit, &length));
    printf("time-out %ld %ld\n", (long)limit.tv_sec, (long)limit.tv_usec);
    SHOW(recv(fd[1], room, sizeof room, 0));
    SHOW(read(fd[1], room, sizeof room));
    static char much[1 << 20];
    SHOW(send(fd[1], much, sizeof much, 0));
    SHOW(write(fd[1], much, sizeof much));
    close(fd[0]);
    close(fd[1]);
}

/* S7: a receive into memory that is not there. */
static void bad_memory(void)
{
    const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
    char room[8];
    for (unsigned i = 0; i < 3; i++) {
        int fd[2];
        socketpair(AF_UNIX, types[i], 0, fd);
        send(fd[0], "one", 3, 0);
        send(fd[0], "two", 3, 0);
        send(fd[0], "three", 5, 0);
        SHOW(recv(fd[1], nowhere, 3, MSG_PEEK));
        SHOW(recv(fd[1], nowhere, 3, 0));
        SHOW(recv(fd[1], room, sizeof room, MSG_DONTWAIT | MSG_PEEK));
        SHOW(read(fd[1], nowhere, 3));
        SHOW(recv(fd[1], room, sizeof room, MSG_DONTWAIT));
        SHOW(recv(fd[1], room, sizeof room, MSG_DONTWAIT));
        close(fd[0]);
        close(fd[1]);
    }
    int fd[2];
    SHOW(pipe(fd));
    SHOW(write(fd[1], "abc", 3));
    SHOW(read(fd[0], nowhere, 3));
    SHOW(read(fd[0], room, 3));
}

static void locks(void)
{
    int fd[2], ends[2];
    socketpair(AF_UNIX, SOCK_STREAM, 0, fd);
    SHOW(flock(fd[0], LOCK_EX));
    SHOW(flock(fd[1], LOCK_EX | LOCK_NB));
    SHOW(flock(fd[0], LOCK_UN));
    SHOW(flock(fd[0], 7));
    SHOW(pipe(ends));
    SHOW(flock(ends[0], LOCK_SH));
    SHOW(flock(ends[1], LOCK_SH | LOCK_NB));
    SHOW(flock(ends[1], LOCK_EX | LOCK_NB));
    SHOW(flock(ends[0], LOCK_EX | LOCK_NB)); /* the other's was lost in trying */
    SHOW(flock(ends[1], LOCK_SH | LOCK_NB));
    if (fork() == 0) {
        usleep(30000);
        flock(ends[0], LOCK_UN);
        _exit(0);
    }
    SHOW(flock(ends[1], LOCK_EX));
    wait(NULL);
}

int main(void)
{
    walk();
    other_kinds();
    large();
    epoll_priority();
    low_water();
    bad_memory();
    locks();
    return 0;
}
