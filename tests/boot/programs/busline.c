/*
 * For test_traceview.py: two processes that speak D-Bus over a socket pair, as far as its first
 * method call and the answer, and a third socket that speaks nothing known.
 * SPDX-License-Identifier: MIT
 */
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* Little endian, by the D-Bus specification: 16 bytes, then the header fields as (code, signature,
 * value), each at a multiple of 8. */
static const unsigned char call[] =
    "l\1\0\1\0\0\0\0\1\0\0\0\x6e\0\0\0"
    "\1\1o\0\25\0\0\0/org/freedesktop/DBus\0\0\0"
    "\2\1s\0\24\0\0\0org.freedesktop.DBus\0\0\0\0"
    "\6\1s\0\24\0\0\0org.freedesktop.DBus\0\0\0\0"
    "\3\1s\0\5\0\0\0Hello\0\0";
static const unsigned char answer[] =
    "l\2\1\1\11\0\0\0\1\0\0\0\17\0\0\0"
    "\5\1u\0\1\0\0\0"
    "\10\1g\0\1s\0\0"
    "\4\0\0\0:1.7";

static void put(int socket, const void *bytes, size_t length)
{
    if (write(socket, bytes, length) != (ssize_t)length)
        _exit(2);
}

static void get(int socket, size_t length)
{
    char bytes[256];
    if (recv(socket, bytes, length, MSG_WAITALL) != (ssize_t)length)
        _exit(3);
}

static void client(int socket)
{
    put(socket, "\0AUTH EXTERNAL 30\r\n", 19);
    get(socket, 37);
    put(socket, "BEGIN\r\n", 7);
    put(socket, call, 40); /* in two pieces, as a stream may come */
    put(socket, call + 40, sizeof(call) - 40);
    get(socket, sizeof(answer));
}

static void server(int socket)
{
    get(socket, 19);
    put(socket, "OK 0123456789abcdef0123456789abcdef\r\n", 37);
    get(socket, 7 + sizeof(call));
    put(socket, answer, sizeof(answer));
}

int main(void)
{
    int bus[2], other[2], status = 0;
    socketpair(AF_UNIX, SOCK_STREAM, 0, bus);
    socketpair(AF_UNIX, SOCK_DGRAM, 0, other);
    if (fork() == 0) {
        client(bus[0]);
        put(other[0], "unknown tongue", 14);
        _exit(0);
    }
    server(bus[1]);
    wait(&status);
    get(other[1], 14);
    return WEXITSTATUS(status);
}
