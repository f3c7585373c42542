/*
 * For test_trace.py: a few calls of which everything is known. SPDX-License-Identifier: MIT
 */
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static void send_descriptor(int socket, int descriptor)
{
    char byte = 'd', control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec data = {&byte, 1};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = control,
                             .msg_controllen = sizeof(control)};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &descriptor, sizeof(int));
    sendmsg(socket, &message, 0);
}

static void connection(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/tmp/traced"};
    int listener = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);
    bind(listener, (struct sockaddr *)&address, sizeof(address));
    listen(listener, 3);
    connect(client, (struct sockaddr *)&address, sizeof(address));
    int server = accept(listener, NULL, NULL);
    send_descriptor(client, listener);
    shutdown(client, SHUT_WR);
    close(client);
    close(server);
    close(listener);
}

int main(void)
{
    int pair[2], status = 0;
    char bytes[16];
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    write(pair[0], "hello", 5);
    if (fork() == 0)
        _exit(read(pair[1], bytes, sizeof(bytes)) == 5 ? 0 : 1);
    wait(&status);
    connection();
    open("/nowhere", O_RDONLY);
    if (fork() == 0)
        execl("/bin/busybox", "true", (char *)NULL);
    wait(&status);
    return WEXITSTATUS(status) + 7;
}
