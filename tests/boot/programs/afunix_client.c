/*
 * The client's side of afunix_session: handshake, 1 MiB each way, then RIGHTS descriptors and
 * what happens through them. SPDX-License-Identifier: MIT
 */
#include "session.h"

static int connect_to_server(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path, SOCKET_PATH);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        die("connect");
    return fd;
}

static void greet(int fd, int client)
{
    struct hello hello = {.magic = "hello", .client = client, .pid = getpid()};
    write_all(fd, &hello, sizeof hello);
    char answer[8];
    read_all(fd, answer, sizeof answer);
    if (memcmp(answer, "welcome", 8))
        die("client %d: the answer to hello is wrong", client);
}

/* The file holds 26 letters over and over: the next byte read tells the offset. */
static int make_file(int client, const char *kind)
{
    char path[64], bytes[260];
    snprintf(path, sizeof path, "/tmp/session.%s.%d", kind, client);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        die("open %s", path);
    for (unsigned i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)('a' + i % 26);
    write_all(fd, bytes, sizeof bytes);
    if (lseek(fd, 0, SEEK_SET) != 0 || unlink(path) != 0)
        die("lseek, unlink");
    return fd;
}

static void pass_descriptors(int fd, int client)
{
    int pipe_in[2], pipe_out[2], stream[2], datagram[2], fds[RIGHTS];
    fds[FILE_SHARED] = make_file(client, "shared");
    fds[FILE_DUP] = dup(fds[FILE_SHARED]);
    fds[FILE_OTHER] = make_file(client, "other");
    if (pipe(pipe_in) || pipe(pipe_out) || socketpair(AF_UNIX, SOCK_STREAM, 0, stream) ||
        socketpair(AF_UNIX, SOCK_DGRAM, 0, datagram))
        die("pipe, socketpair");
    fds[PIPE_READ] = pipe_in[0];
    fds[PIPE_WRITE] = pipe_out[1];
    fds[PAIR_STREAM] = stream[1];
    fds[PAIR_DGRAM] = datagram[1];
    fds[SOCKET_SELF] = fd;
    write_all(pipe_in[1], "before it was sent", 18);
    /* In two messages: three descriptors with one byte, then five with 4. */
    if (send_rights(fd, "R", 1, fds, 3) != 1 ||
        send_rights(fd, "IGHT", 4, fds + 3, RIGHTS - 3) != 4)
        die("client %d: sendmsg", client);
    char byte, line[64];
    /* the server has read 5 bytes through FILE_SHARED, 4 through FILE_DUP, 3 of FILE_OTHER */
    read_all(fd, &byte, 1);
    printf("client %d: offsets after the server read: shared %ld, duplicate %ld, other %ld\n",
           client, (long)lseek(fds[FILE_SHARED], 0, SEEK_CUR),
           (long)lseek(fds[FILE_DUP], 0, SEEK_CUR), (long)lseek(fds[FILE_OTHER], 0, SEEK_CUR));
    for (int i = 0; i < RIGHTS - 1; i++)
        close(fds[i]);
    write_all(pipe_in[1], " and after", 10);
    close(pipe_in[1]);
    read_all(pipe_out[0], line, 16);
    printf("client %d: through the pipe: %.16s; end of file: %zd\n", client, line,
           read(pipe_out[0], line, 1));
    write_all(stream[0], "ping", 4);
    read_all(stream[0], line, 4);
    printf("client %d: through the stream pair: %.4s\n", client, line);
    if (send(datagram[0], "one", 3, 0) != 3 || send(datagram[0], "three", 5, 0) != 5)
        die("datagrams");
    ssize_t n = recv(datagram[0], line, sizeof line, 0);
    printf("client %d: through the datagram pair: %.*s\n", client, (int)n, line);
    close(stream[0]);
    close(datagram[0]);
    close(pipe_out[0]);
}

int client_run(int client)
{
    int fd = connect_to_server();
    greet(fd, client);
    struct transfer transfer = {.fd = fd, .client = (unsigned)client};
    while (!transfer_done(&transfer)) {
        struct pollfd entry = {.fd = fd, .events = transfer_events(&transfer)};
        if (poll(&entry, 1, 30000) != 1)
            die("client %d: no progress in 30 s: %u sent, %u received", client, transfer.sent,
                transfer.received);
        transfer_step(&transfer, entry.revents);
    }
    printf("client %d: %u bytes sent, %u bytes received and checked\n", client, transfer.sent,
           transfer.received);
    pass_descriptors(fd, client);
    char byte;
    if (shutdown(fd, SHUT_WR) != 0 || read(fd, &byte, 1) != 0)
        die("client %d: shutdown", client);
    close(fd);
    printf("client %d: done\n", client);
    return client + 1;
}
