/*
 * For test_gdb.py: sockets in known states, and then nothing. SPDX-License-Identifier: MIT
 */
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

int main(void)
{
    int pair[2];
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/tmp/sleeper"};
    socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair);
    write(pair[0], "unread", 6);
    int listener = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);
    bind(listener, (struct sockaddr *)&address, sizeof(address));
    listen(listener, 3);
    connect(client, (struct sockaddr *)&address, sizeof(address));
    nanosleep(&(struct timespec){.tv_sec = 1000}, NULL);
    return 0;
}
