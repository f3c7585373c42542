/*
 * What both ends of afunix_session share: the byte pattern, the handshake, descriptors in a
 * message. SPDX-License-Identifier: MIT
 */
#ifndef SESSION_H
#define SESSION_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define CLIENTS 8
#define BYTES (1u << 20) /* each way on each connection */
#define RIGHTS 8         /* descriptors on each connection: 64 in all */
#define SOCKET_PATH "/tmp/session.socket"

struct hello {
    char magic[8];
    int client, pid;
};

/* What each of the RIGHTS descriptors is. */
enum {
    FILE_SHARED,
    FILE_DUP,
    FILE_OTHER,
    PIPE_READ,
    PIPE_WRITE,
    PAIR_STREAM,
    PAIR_DGRAM,
    SOCKET_SELF
};

static inline unsigned char pattern(unsigned client, unsigned to_server, unsigned at)
{
    return (unsigned char)(at * 31 + (at >> 8) * 7 + (at >> 16) * 3 + client * 13 +
                           to_server * 101);
}

static inline void die(const char *format, ...)
{
    int error = errno;
    va_list list;
    va_start(list, format);
    printf("failed: ");
    vprintf(format, list);
    printf(" (errno %d)\n", error);
    va_end(list);
    fflush(stdout);
    _exit(1);
}

/* One direction each of a connection's bulk transfer; both run from the same poll loop. */
struct transfer {
    int fd;
    unsigned client, is_server;
    unsigned sent, received;
};

static inline int transfer_done(const struct transfer *t)
{
    return t->sent == BYTES && t->received == BYTES;
}

static inline short transfer_events(const struct transfer *t)
{
    return (short)((t->sent < BYTES ? POLLOUT : 0) | (t->received < BYTES ? POLLIN : 0));
}

/* Do what `ready` allows, without blocking. Sizes vary, so that chunk borders fall everywhere. */
static inline void transfer_step(struct transfer *t, short ready)
{
    static unsigned char buffer[70000];
    if ((ready & POLLOUT) && t->sent < BYTES) {
        unsigned size = 1 + (t->sent * 7 + t->client * 997) % sizeof buffer;
        size = size > BYTES - t->sent ? BYTES - t->sent : size;
        for (unsigned i = 0; i < size; i++)
            buffer[i] = pattern(t->client, !t->is_server, t->sent + i);
        ssize_t n = send(t->fd, buffer, size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN)
            die("client %u: send", t->client);
        t->sent += n > 0 ? (unsigned)n : 0;
    }
    if ((ready & (POLLIN | POLLHUP)) && t->received < BYTES) {
        unsigned room =
            BYTES - t->received < sizeof buffer ? BYTES - t->received : (unsigned)sizeof buffer;
        ssize_t n = recv(t->fd, buffer, room, MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN))
            die("client %u: recv %zd after %u bytes", t->client, n, t->received);
        for (ssize_t i = 0; i < n; i++)
            if (buffer[i] != pattern(t->client, t->is_server, t->received + (unsigned)i))
                die("client %u: byte %u is wrong", t->client, t->received + (unsigned)i);
        t->received += n > 0 ? (unsigned)n : 0;
    }
}

static inline ssize_t send_rights(int fd, const void *bytes, size_t length, const int *fds,
                                  unsigned count)
{
    union { char room[CMSG_SPACE(RIGHTS * sizeof(int))]; struct cmsghdr align; } control = {0};
    struct iovec vector = {.iov_base = (void *)bytes, .iov_len = length};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = &control,
                             .msg_controllen = CMSG_SPACE(count * sizeof(int))};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(count * sizeof(int));
    memcpy(CMSG_DATA(header), fds, count * sizeof(int));
    return sendmsg(fd, &message, MSG_NOSIGNAL);
}

/* Receives at most `length` bytes; `count` descriptors must come with them. */
static inline ssize_t receive_rights(int fd, void *bytes, size_t length, int *fds, unsigned count)
{
    union { char room[CMSG_SPACE(RIGHTS * sizeof(int))]; struct cmsghdr align; } control = {0};
    struct iovec vector = {.iov_base = bytes, .iov_len = length};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = &control,
                             .msg_controllen = sizeof control};
    ssize_t n = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
    struct cmsghdr *header = n < 0 ? NULL : CMSG_FIRSTHDR(&message);
    if (!header || header->cmsg_type != SCM_RIGHTS ||
        header->cmsg_len != CMSG_LEN(count * sizeof(int)) ||
        (message.msg_flags & (MSG_CTRUNC | MSG_TRUNC)))
        die("expected %u descriptors, got header %d, flags %x", count, header != NULL,
            message.msg_flags);
    memcpy(fds, CMSG_DATA(header), count * sizeof(int));
    return n;
}

static inline void write_all(int fd, const void *bytes, size_t length)
{
    if (write(fd, bytes, length) != (ssize_t)length)
        die("write of %zu bytes", length);
}

static inline void read_all(int fd, void *bytes, size_t length)
{
    for (size_t at = 0; at < length;) {
        ssize_t n = read(fd, (char *)bytes + at, length - at);
        if (n <= 0)
            die("read %zd after %zu of %zu bytes", n, at, length);
        at += (size_t)n;
    }
}

int client_run(int client); /* afunix_client.c: returns the exit status */

#endif
