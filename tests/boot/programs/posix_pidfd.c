/* pidfd_open and unshare. SPDX-License-Identifier: MIT */
#include "check.h"
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static int pidfd_open_raw(pid_t pid, unsigned flags)
{
    return (int)syscall(SYS_pidfd_open, pid, flags);
}

static pid_t child_of(unsigned milliseconds)
{
    pid_t pid = fork();
    if (pid == 0) {
        usleep(milliseconds * 1000);
        _exit(3);
    }
    return pid;
}

static int polled(int fd, int milliseconds)
{
    struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT};
    int count = poll(&p, 1, milliseconds);
    return count < 0 ? -1 : p.revents;
}

static void ends_while_polled(void)
{
    pid_t pid = child_of(300);
    int fd = pidfd_open_raw(pid, 0), copy = dup(fd);
    char byte;
    SHOW(polled(fd, 0));
    SHOW(fcntl(fd, F_GETFD));
    SHOW(fcntl(fd, F_GETFL) & O_NONBLOCK);
    SHOW(read(fd, &byte, 1));
    SHOW(write(fd, &byte, 1));
    SHOW(polled(fd, 10000));
    SHOW(polled(copy, 0));
    SHOW(kill(pid, 0));
    SHOW(waitpid(pid, NULL, 0) == pid);
    SHOW(polled(fd, 0));
    SHOW(kill(pid, 0));
    close(fd);
    SHOW(polled(copy, 0));
    close(copy);
}

static void ends_in_epoll(void)
{
    struct epoll_event event = {.events = EPOLLIN}, got;
    pid_t pid = child_of(200);
    int fd = pidfd_open_raw(pid, O_NONBLOCK), epoll = epoll_create1(0);
    SHOW(fcntl(fd, F_GETFL) & O_NONBLOCK);
    SHOW(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event));
    SHOW(epoll_wait(epoll, &got, 1, 0));
    SHOW(epoll_wait(epoll, &got, 1, 10000));
    SHOW(got.events);
    SHOW(waitpid(pid, NULL, 0) == pid);
    close(fd);
    close(epoll);
}

static void passed_to_a_child(void)
{
    int status;
    pid_t pid = child_of(200);
    int fd = pidfd_open_raw(pid, 0);
    pid_t watcher = fork();
    if (watcher == 0)
        _exit(polled(fd, 10000) == POLLIN ? 5 : 6);
    SHOW(waitpid(watcher, &status, 0) == watcher);
    SHOW(WEXITSTATUS(status));
    SHOW(waitpid(pid, &status, 0) == pid);
    close(fd);
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    ends_while_polled();
    ends_in_epoll();
    passed_to_a_child();
    SHOW(pidfd_open_raw(0, 0));
    SHOW(pidfd_open_raw(-1, 0));
    SHOW(pidfd_open_raw(getpid(), 1));
    SHOW(pidfd_open_raw(32000, 0));
    SHOW(unshare(0));
    SHOW(unshare(CLONE_FILES | CLONE_FS));
    SHOW(unshare(1));
    return 0;
}
