/*
 * Linked with msg_oob by --wrap: an AF_UNIX connection in the place of the TCP one that each of its
 * tests makes to compare with. So its checks of AF_UNIX, which are against fixed answers, run where
 * there is no TCP; what it finds out about TCP is lost. SPDX-License-Identifier: MIT
 */
#include <errno.h>
#include <stddef.h>
#include <sys/socket.h>

int __real_socket(int domain, int type, int protocol);
int __wrap_socket(int domain, int type, int protocol);
int __real_listen(int fd, int backlog);
int __wrap_listen(int fd, int backlog);

int __wrap_socket(int domain, int type, int protocol)
{
    return __real_socket(domain == AF_INET ? AF_UNIX : domain, type, protocol);
}

/* TCP picks a port by itself; AF_UNIX a name, when asked. It has 8 bytes and fits a sockaddr_in. */
int __wrap_listen(int fd, int backlog)
{
    const struct sockaddr unnamed = {.sa_family = AF_UNIX};
    if (__real_listen(fd, backlog) == 0)
        return 0;
    return bind(fd, &unnamed, offsetof(struct sockaddr, sa_data)) ? -1 : __real_listen(fd, backlog);
}
