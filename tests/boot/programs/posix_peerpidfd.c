/* SO_PASSPIDFD, SCM_PIDFD and SO_PEERPIDFD, with SO_PASSCRED beside them, compared with Linux.
 * SPDX-License-Identifier: MIT */
#include "check.h"
#include <stdbool.h>

enum { PASSPIDFD = 76, PEERPIDFD = 77, TYPE_PIDFD = 4 };

static bool names(int pidfd, pid_t pid)
{
    char path[64], text[512] = "";
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", pidfd);
    int fd = open(path, O_RDONLY);
    read(fd, text, sizeof text - 1);
    close(fd);
    const char *line = strstr(text, "Pid:");
    return line && atoi(line + 4) == pid;
}

static void option(int fd, int name, int value)
{
    socklen_t length = sizeof value;
    int is = -7;
    long set = setsockopt(fd, SOL_SOCKET, name, &value, length);
    long get = getsockopt(fd, SOL_SOCKET, name, &is, &length);
    printf("option %d: %ld %ld, %d\n", name, set, get, is);
}

/* One message with its control data, into `room` bytes. */
static void receive_show(int fd, size_t room, int flags, pid_t from)
{
    char data[8], control[256];
    struct iovec vector = {data, sizeof data};
    struct msghdr header = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = control,
                            .msg_controllen = room};
    ssize_t got = recvmsg(fd, &header, flags | MSG_DONTWAIT);
    if (got < 0) {
        printf("recvmsg: %s\n", error_name(errno));
        return;
    }
    printf("%zd bytes, flags %x, control %d:", got, header.msg_flags, (int)header.msg_controllen);
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&header); c; c = CMSG_NXTHDR(&header, c)) {
        printf(" type %d", c->cmsg_type);
        if (c->cmsg_type == SCM_CREDENTIALS) {
            struct ucred *ids = (struct ucred *)CMSG_DATA(c);
            printf(" (%d %d %d)", ids->pid == from ? -1 : ids->pid, (int)ids->uid, (int)ids->gid);
        } else {
            int pidfd;
            memcpy(&pidfd, CMSG_DATA(c), sizeof pidfd);
            if (pidfd < 0)
                printf(" %s", error_name(-pidfd));
            else
                printf(" right %d, cloexec %d", names(pidfd, from), fcntl(pidfd, F_GETFD));
            close(pidfd);
        }
    }
    printf("\n");
}

static void types(void)
{
    const int kinds[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
    for (unsigned i = 0; i < 3; i++) {
        int fd[2];
        socketpair(AF_UNIX, kinds[i], 0, fd);
        printf("type %d\n", kinds[i]);
        send(fd[0], "a", 1, 0); /* before anybody asked */
        option(fd[1], PASSPIDFD, 2);
        receive_show(fd[1], 100, 0, getpid());
        send(fd[0], "b", 1, 0);
        receive_show(fd[1], 100, MSG_PEEK, getpid());
        receive_show(fd[1], 19, MSG_PEEK, getpid());
        receive_show(fd[1], 20, MSG_PEEK, getpid());
        receive_show(fd[1], 0, 0, getpid());
        int on = 1;
        setsockopt(fd[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
        pid_t child = fork();
        if (child == 0) {
            send(fd[0], "c", 1, 0);
            _exit(0);
        }
        siginfo_t info;
        waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT);
        send(fd[0], "d", 1, 0);
        receive_show(fd[1], 100, MSG_PEEK, child); /* a zombie */
        waitpid(child, NULL, 0);
        receive_show(fd[1], 100, 0, child); /* nobody any more */
        receive_show(fd[1], 100, 0, getpid());
        option(fd[1], PASSPIDFD, 0);
        send(fd[0], "e", 1, 0);
        receive_show(fd[1], 100, 0, getpid());
        option(fd[1], PASSPIDFD, 1);
        close(fd[0]);
        receive_show(fd[1], 100, 0, getpid());
        close(fd[1]);
    }
}

static void peer(const char *what, int fd, pid_t pid, socklen_t length)
{
    int pidfd = -1;
    int result = getsockopt(fd, SOL_SOCKET, PEERPIDFD, &pidfd, &length);
    printf("%s: %s", what, result ? error_name(errno) : "0");
    if (result == 0 && length == 4)
        printf(", right %d, cloexec %d", names(pidfd, pid), fcntl(pidfd, F_GETFD));
    printf(", length %d\n", (int)length);
    close(pidfd);
}

static void peers(void)
{
    int fd[2], told[2];
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/tmp/peerpidfd"};
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    pipe(told);
    peer("unconnected", listener, 0, 4);
    option(listener, PASSPIDFD, 1);
    bind(listener, (struct sockaddr *)&address, sizeof address);
    listen(listener, 3);
    peer("listening", listener, getpid(), 4);
    socketpair(AF_UNIX, SOCK_STREAM, 0, fd);
    peer("pair", fd[0], getpid(), 4);
    peer("more room", fd[0], getpid(), 9);
    peer("no room", fd[0], getpid(), 0);
    peer("negative room", fd[0], getpid(), (socklen_t)-1);
    socketpair(AF_UNIX, SOCK_DGRAM, 0, fd);
    peer("datagram pair", fd[0], getpid(), 4);
    socklen_t length = 4;
    printf("bad pointer: %ld\n", (long)getsockopt(fd[0], SOL_SOCKET, PEERPIDFD, NULL, &length));
    SHOW(setsockopt(fd[0], SOL_SOCKET, PEERPIDFD, &length, 4));
    SHOW(setsockopt(fd[0], SOL_SOCKET, 83 /* SO_PASSRIGHTS, later than 6.12 */, &length, 4));
    pid_t parent = getpid(), child = fork();
    if (child == 0) {
        int client = socket(AF_UNIX, SOCK_STREAM, 0);
        connect(client, (struct sockaddr *)&address, sizeof address);
        peer("client", client, parent, 4);
        fflush(stdout);
        char byte;
        write(told[1], "x", 1);
        read(client, &byte, 1);
        _exit(0);
    }
    char byte;
    read(told[0], &byte, 1);
    int server = accept(listener, NULL, NULL), is = -1;
    getsockopt(server, SOL_SOCKET, PASSPIDFD, &is, &length);
    printf("inherited: %d\n", is);
    peer("server", server, child, 4);
    write(server, "x", 1);
    waitpid(child, NULL, 0);
    peer("ended", server, child, 4);
    unlink("/tmp/peerpidfd");
    /* connecting with it on binds to a name */
    int datagram = socket(AF_UNIX, SOCK_DGRAM, 0), target = socket(AF_UNIX, SOCK_DGRAM, 0);
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    bind(target, (struct sockaddr *)&name, sizeof(sa_family_t));
    length = sizeof name;
    getsockname(target, (struct sockaddr *)&name, &length);
    option(datagram, PASSPIDFD, 1);
    SHOW(connect(datagram, (struct sockaddr *)&name, length));
    length = sizeof name;
    getsockname(datagram, (struct sockaddr *)&name, &length);
    printf("name of %d bytes\n", (int)length);
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    types();
    peers();
    return 0;
}
