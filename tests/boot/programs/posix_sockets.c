/* AF_UNIX sockets: kinds, names, credentials, descriptors, shutdown, blocking and not.
 * SPDX-License-Identifier: MIT */
#include "check.h"

static socklen_t address_of(struct sockaddr_un *address, const char *path)
{
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    if (path[0] == '@') { /* abstract */
        memcpy(address->sun_path + 1, path + 1, strlen(path) - 1);
        return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    }
    strcpy(address->sun_path, path);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path) + 1);
}

static int bound(int type, const char *path)
{
    struct sockaddr_un address;
    socklen_t length = address_of(&address, path);
    int fd = socket(AF_UNIX, type, 0);
    char what[64];
    snprintf(what, sizeof what, "bind %s", path);
    show(what, bind(fd, (struct sockaddr *)&address, length));
    return fd;
}

static int try_connect(int fd, const char *path)
{
    struct sockaddr_un address;
    socklen_t length = address_of(&address, path);
    char what[64];
    snprintf(what, sizeof what, "connect %s", path);
    return (int)show(what, connect(fd, (struct sockaddr *)&address, length));
}

static void show_name(const char *what, int fd, int (*get)(int, struct sockaddr *, socklen_t *))
{
    struct sockaddr_un address;
    memset(&address, '#', sizeof address);
    socklen_t length = sizeof address;
    if (get(fd, (struct sockaddr *)&address, &length) != 0) {
        printf("%s: %s\n", what, error_name(errno));
        return;
    }
    printf("%s: length %u, family %d, ", what, (unsigned)length, address.sun_family);
    for (int i = 0; i < (int)length - 2; i++)
        putchar(address.sun_path[i] ? address.sun_path[i] : '0');
    printf("\n");
}

static void names(void)
{
    struct stat about;
    SHOW(socket(AF_UNIX, 77, 0));
    SHOW(socket(AF_UNIX, SOCK_STREAM, 5));
    SHOW(socket(111, SOCK_STREAM, 0));
    int listener = bound(SOCK_STREAM, "/tmp/name"), abstract = bound(SOCK_STREAM, "@abstract name");
    SHOW(stat("/tmp/name", &about));
    printf("a socket node: %d, mode %o\n", S_ISSOCK(about.st_mode), about.st_mode & 07777);
    SHOW(open("/tmp/name", O_RDWR));
    close(bound(SOCK_STREAM, "/tmp/name"));
    close(bound(SOCK_STREAM, "@abstract name"));
    close(bound(SOCK_STREAM, "/tmp/none/name"));
    show_name("getsockname", listener, getsockname);
    show_name("getsockname, abstract", abstract, getsockname);
    show_name("getpeername, unconnected", listener, getpeername);
    int client = socket(AF_UNIX, SOCK_STREAM, 0), datagram = socket(AF_UNIX, SOCK_DGRAM, 0);
    show_name("getsockname, unbound", client, getsockname);
    try_connect(client, "/tmp/name");
    SHOW(listen(listener, 4));
    SHOW(listen(abstract, 4));
    SHOW(listen(client, 4));
    SHOW(listen(datagram, 4));
    try_connect(client, "/tmp/nothing");
    try_connect(client, "/etc/passwd");
    try_connect(client, "@nothing");
    try_connect(datagram, "/tmp/name");
    SHOW(accept(client, NULL, NULL));
    try_connect(client, "/tmp/name");
    try_connect(client, "/tmp/name");
    show_name("getpeername", client, getpeername);
    int server = accept(listener, NULL, NULL), second = socket(AF_UNIX, SOCK_STREAM, 0);
    show_name("accepted, own", server, getsockname);
    show_name("accepted, peer", server, getpeername);
    SHOW(write(client, "hello", 5));
    char room[32];
    SHOW(read(server, room, sizeof room));
    try_connect(second, "@abstract name");
    int from_abstract = accept4(abstract, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    printf("accept4: nonblock %d, cloexec %d\n", !!(fcntl(from_abstract, F_GETFL) & O_NONBLOCK),
           fcntl(from_abstract, F_GETFD));
    SHOW(read(from_abstract, room, 1));
    struct ucred peer;
    socklen_t length = sizeof peer;
    SHOW(getsockopt(server, SOL_SOCKET, SO_PEERCRED, &peer, &length));
    printf("peer: this process %d, uid %d, gid %d\n", peer.pid == getpid(), (int)peer.uid,
           (int)peer.gid);
    SHOW(rename("/tmp/name", "/tmp/renamed"));
    close(second);
    second = socket(AF_UNIX, SOCK_STREAM, 0);
    try_connect(second, "/tmp/renamed");
    SHOW(unlink("/tmp/renamed"));
    SHOW(fcntl(listener, F_SETFL, O_NONBLOCK));
    SHOW(accept(listener, NULL, NULL) > 2);
    SHOW(accept(listener, NULL, NULL));
    close(listener);
    close(server);
    SHOW(read(client, room, sizeof room));
    SHOW(write(client, "x", 1));
    struct { sa_family_t family; } only = {AF_UNIX};
    int automatic = socket(AF_UNIX, SOCK_DGRAM, 0);
    SHOW(bind(automatic, (struct sockaddr *)&only, sizeof only));
    length = sizeof(struct sockaddr_un);
    struct sockaddr_un address;
    getsockname(automatic, (struct sockaddr *)&address, &length);
    printf("autobind: length %u, leading NUL %d\n", (unsigned)length, address.sun_path[0] == 0);
    int type = 0, accepting = 0;
    length = sizeof type;
    getsockopt(automatic, SOL_SOCKET, SO_TYPE, &type, &length);
    getsockopt(abstract, SOL_SOCKET, SO_ACCEPTCONN, &accepting, &length);
    printf("SO_TYPE %d, SO_ACCEPTCONN %d\n", type, accepting);
}

static void streams(void)
{
    int pair[2];
    char room[64] = "";
    SHOW(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    SHOW(write(pair[0], "abcdef", 6));
    SHOW(recv(pair[1], room, 3, MSG_PEEK));
    SHOW(recv(pair[1], room, 3, 0));
    SHOW(recv(pair[1], room, sizeof room, 0));
    SHOW(recv(pair[1], room, sizeof room, MSG_DONTWAIT));
    SHOW(send(pair[0], "q", 1, MSG_OOB) == 1 || 1);
    while (recv(pair[1], room, 1, MSG_DONTWAIT | MSG_OOB) > 0)
        ;
    while (recv(pair[1], room, 1, MSG_DONTWAIT) > 0)
        ;
    struct iovec vector[2] = {{.iov_base = "12345", .iov_len = 5},
                              {.iov_base = "67890", .iov_len = 5}};
    SHOW(writev(pair[0], vector, 2));
    SHOW(recv(pair[1], room, 10, MSG_WAITALL));
    SHOW(shutdown(pair[0], 9));
    SHOW(shutdown(pair[0], SHUT_WR));
    SHOW(read(pair[1], room, 1));
    SHOW(send(pair[0], "x", 1, MSG_NOSIGNAL));
    SHOW(write(pair[1], "back", 4));
    SHOW(read(pair[0], room, sizeof room));
    SHOW(shutdown(pair[0], SHUT_RD));
    SHOW(send(pair[1], "x", 1, MSG_NOSIGNAL));
    close(pair[0]);
    SHOW(send(pair[1], "x", 1, MSG_NOSIGNAL));
    close(pair[1]);
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    write(pair[0], "unread", 6);
    write(pair[1], "pending", 7);
    close(pair[0]);
    SHOW(read(pair[1], room, sizeof room));
    SHOW(read(pair[1], room, sizeof room));
    SHOW(read(pair[1], room, sizeof room));
    close(pair[1]);
    SHOW(recv(pair[1], room, 1, 0));
    SHOW(recv(0, room, 1, MSG_DONTWAIT));
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    struct timeval wait = {.tv_usec = 60000};
    SHOW(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait));
    SHOW(read(pair[0], room, 1));
    SHOW(send(pair[0], (void *)8, 10, 0));
    SHOW(setsockopt(pair[0], SOL_SOCKET, 9999, &wait, sizeof wait));
    close(pair[0]);
    close(pair[1]);
}

static void messages(int type, const char *name)
{
    int pair[2];
    char room[16] = "";
    struct iovec vector = {.iov_base = room, .iov_len = 4};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
    printf("-- %s\n", name);
    SHOW(socketpair(AF_UNIX, type, 0, pair));
    SHOW(send(pair[0], "first message", 13, 0));
    SHOW(send(pair[0], "", 0, 0));
    SHOW(send(pair[0], "third", 5, 0));
    SHOW(recv(pair[1], room, 5, MSG_PEEK | MSG_TRUNC));
    SHOW(recvmsg(pair[1], &message, 0));
    printf("truncated: %d\n", !!(message.msg_flags & MSG_TRUNC));
    SHOW(recv(pair[1], room, sizeof room, 0));
    SHOW(recv(pair[1], room, sizeof room, 0));
    SHOW(recv(pair[1], room, sizeof room, MSG_DONTWAIT));
    char *large = malloc(1 << 20);
    SHOW(send(pair[0], large, 1 << 20, 0));
    memset(large, 'L', 100000);
    SHOW(send(pair[0], large, 100000, 0));
    memset(large, 0, 100000);
    SHOW(recv(pair[1], large, 1 << 20, 0));
    printf("it is whole: %d\n", large[0] == 'L' && large[99999] == 'L');
    free(large);
    close(pair[0]);
    SHOW(recv(pair[1], room, sizeof room, MSG_DONTWAIT));
    SHOW(send(pair[1], "x", 1, MSG_NOSIGNAL));
    close(pair[1]);
}

static void datagrams(void)
{
    int server = bound(SOCK_DGRAM, "/tmp/datagrams"), client = bound(SOCK_DGRAM, "@the client"),
        other = socket(AF_UNIX, SOCK_DGRAM, 0);
    struct sockaddr_un address, from;
    socklen_t length = address_of(&address, "/tmp/datagrams"), from_length = sizeof from;
    char room[32];
    SHOW(sendto(client, "named", 5, 0, (struct sockaddr *)&address, length));
    SHOW(recvfrom(server, room, sizeof room, 0, (struct sockaddr *)&from, &from_length));
    printf("from: length %u, %.10s\n", (unsigned)from_length, from.sun_path + 1);
    SHOW(sendto(server, "answer", 6, 0, (struct sockaddr *)&from, from_length));
    SHOW(recv(client, room, sizeof room, 0));
    SHOW(sendto(other, "nameless", 8, 0, (struct sockaddr *)&address, length));
    from_length = sizeof from;
    SHOW(recvfrom(server, room, sizeof room, 0, (struct sockaddr *)&from, &from_length));
    printf("from: length %u\n", (unsigned)from_length);
    SHOW(send(other, "x", 1, 0));
    try_connect(server, "@the client");
    SHOW(sendto(other, "x", 1, 0, (struct sockaddr *)&address, length));
    try_connect(other, "@the client");
    SHOW(send(other, "connected", 9, 0));
    SHOW(recv(client, room, sizeof room, 0));
    close(client);
    SHOW(send(other, "x", 1, 0));
    SHOW(send(other, "x", 1, 0));
    unlink("/tmp/datagrams");
    SHOW(sendto(other, "x", 1, 0, (struct sockaddr *)&address, length));
    close(server);
    close(other);
}

static int send_fds(int fd, const int *fds, unsigned count)
{
    union { char room[CMSG_SPACE(260 * sizeof(int))]; struct cmsghdr align; } control = {0};
    struct iovec vector = {.iov_base = "f", .iov_len = 1};
    struct msghdr message = {.msg_iov = &vector,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = CMSG_SPACE(count * sizeof(int))};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(count * sizeof(int));
    memcpy(CMSG_DATA(header), fds, count * sizeof(int));
    /* musl allows itself 1 KiB of control data only */
    return (int)syscall(SYS_sendmsg, fd, &message, MSG_NOSIGNAL);
}

static int receive_fds(int fd, int *fds, unsigned room_for, int *flags)
{
    union { char room[CMSG_SPACE(260 * sizeof(int))]; struct cmsghdr align; } control = {0};
    char byte;
    struct iovec vector = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {.msg_iov = &vector,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = CMSG_LEN(room_for * sizeof(int))};
    ssize_t n = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
    *flags = message.msg_flags & (MSG_CTRUNC | MSG_TRUNC);
    struct cmsghdr *header = n < 0 ? NULL : CMSG_FIRSTHDR(&message);
    if (!header || header->cmsg_type != SCM_RIGHTS)
        return n < 0 ? -1 : 0;
    unsigned count = (unsigned)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
    memcpy(fds, CMSG_DATA(header), count * sizeof(int));
    return (int)count;
}

static void rights(void)
{
    int pair[2], many[254], got[260], flags, ends[2];
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    int file = open("/etc/passwd", O_RDONLY);
    for (int i = 0; i < 254; i++)
        many[i] = file;
    SHOW(send_fds(pair[0], many, 253));
    SHOW(send_fds(pair[0], many, 254));
    int count = (int)SHOW(receive_fds(pair[1], got, 253, &flags));
    printf("flags %x, close-on-exec %d\n", (unsigned)flags,
           count > 0 ? fcntl(got[252], F_GETFD) : -1);
    lseek(file, 0, SEEK_SET);
    char room[8];
    SHOW(read(got[0], room, 4));
    SHOW(read(got[252], room, 4));
    SHOW(lseek(file, 0, SEEK_CUR));
    for (int i = 0; i < count; i++)
        close(got[i]);
    many[1] = 999;
    SHOW(send_fds(pair[0], many, 2));
    many[1] = file;
    SHOW(send_fds(pair[0], many, 5));
    SHOW(receive_fds(pair[1], got, 2, &flags));
    printf("control room for 2: truncated %d\n", !!(flags & MSG_CTRUNC));
    close(got[0]);
    close(got[1]);
    pipe(ends);
    SHOW(send_fds(pair[0], &ends[1], 1));
    close(ends[1]);
    /* drops the descriptor: the pipe has no writer left */
    SHOW(recv(pair[1], room, 1, MSG_DONTWAIT));
    SHOW(read(ends[0], room, 1));
    SHOW(send_fds(pair[0], pair, 2)); /* a socket pair sent through itself */
    SHOW(receive_fds(pair[1], got, 8, &flags));
    SHOW(write(got[0], "w", 1));
    SHOW(read(pair[1], room, 1));
    close(got[0]);
    close(got[1]);
    pipe(ends);
    SHOW(send_fds(pair[0], &ends[1], 1));
    close(ends[1]);
    close(pair[0]);
    close(pair[1]); /* never received: closed with the queue */
    SHOW(read(ends[0], room, 1));
}

static void backlog(void)
{
    int listener = bound(SOCK_STREAM, "@backlog"), clients[4];
    listen(listener, 1);
    for (int i = 0; i < 3; i++) {
        clients[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
        try_connect(clients[i], "@backlog");
    }
    SHOW(write(clients[0], "early", 5));
    char room[8];
    int server = accept(listener, NULL, NULL);
    SHOW(read(server, room, sizeof room));
    try_connect(clients[2], "@backlog");
    close(listener);
    SHOW(read(clients[1], room, 1));
    clients[3] = socket(AF_UNIX, SOCK_STREAM, 0);
    try_connect(clients[3], "@backlog");
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGPIPE, SIG_IGN);
    names();
    streams();
    messages(SOCK_DGRAM, "datagram");
    messages(SOCK_SEQPACKET, "seqpacket");
    datagrams();
    rights();
    backlog();
    return 0;
}
