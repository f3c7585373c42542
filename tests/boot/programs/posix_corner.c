/* Corners of the file, socket and readiness calls. SPDX-License-Identifier: MIT */
/* Bad pointers and lengths are the point here. */
#pragma GCC diagnostic ignored "-Wstringop-overread"
#pragma GCC diagnostic ignored "-Wstringop-overflow"
#include "check.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/statfs.h>
#include <dirent.h>

/* B1: one message, however many iovecs. */
static void many_iovecs(void)
{
    int pair[2];
    char in[200], out[200];
    struct iovec v[100], w[40];
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    for (int i = 0; i < 200; i++) in[i] = 'a' + i % 26;
    for (int i = 0; i < 100; i++) v[i] = (struct iovec){in + 2 * i, 2};
    for (int i = 0; i < 40; i++) w[i] = (struct iovec){out + 5 * i, 5};
    SHOW(writev(pair[0], v, 100));
    SHOW(readv(pair[1], w, 40));
    SHOW(memcmp(in, out, 200));
    v[50].iov_base = (void *)1;
    SHOW(writev(pair[0], v, 100));
    SHOW(recv(pair[1], out, 10, MSG_DONTWAIT));
    SHOW(writev(pair[0], v, 1025));
    SHOW(writev(pair[0], v, 0));
    struct msghdr m = {.msg_iov = v, .msg_iovlen = 1025};
    SHOW(sendmsg(pair[0], &m, 0));
    SHOW(write(pair[0], (void *)8, 5));
    SHOW(write(pair[0], (void *)0x600000000000ull, 5));
    SHOW(write(pair[0], (void *)0xffff800000000000ull, 5));
    SHOW(write(pair[0], in, 5));
    SHOW(recv(pair[1], (void *)8, 5, MSG_DONTWAIT));
    SHOW(recv(pair[1], out, 5, MSG_DONTWAIT));
    close(pair[0]);
    close(pair[1]);
    socketpair(AF_UNIX, SOCK_DGRAM, 0, pair);
    m = (struct msghdr){.msg_iov = v, .msg_iovlen = 40};
    SHOW(sendmsg(pair[0], &m, 0));
    SHOW(recv(pair[1], out, 30, MSG_TRUNC | MSG_DONTWAIT));
    m.msg_iovlen = 100;
    SHOW(sendmsg(pair[0], &m, 0));
    static char big[300000];
    SHOW(send(pair[0], big, sizeof big, 0));
    SHOW(send(pair[0], big, 200000, 0));
    SHOW(recv(pair[1], big, sizeof big, MSG_DONTWAIT));
    SHOW(send(pair[0], big, 0, 0));
    SHOW(recv(pair[1], big, 5, MSG_DONTWAIT));
    close(pair[0]);
    close(pair[1]);
}

static long send_fds(int s, int *fds, int n, const char *text, size_t length)
{
    static char control[CMSG_SPACE(300 * sizeof(int))];
    struct iovec v = {(void *)text, length};
    struct msghdr m = {.msg_iov = &v,
                       .msg_iovlen = 1,
                       .msg_control = control,
                       .msg_controllen = CMSG_SPACE(n * sizeof(int))};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(n * sizeof(int));
    memcpy(CMSG_DATA(c), fds, n * sizeof(int));
    return sendmsg(s, &m, 0);
}

static void receive_fds(int s, size_t room, int flags)
{
    static char control[4096];
    char text[10];
    struct iovec v = {text, sizeof text};
    struct msghdr m = {
        .msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = room};
    long n = recvmsg(s, &m, flags | MSG_DONTWAIT);
    if (n < 0) {
        printf("recvmsg: %s\n", error_name(errno));
        return;
    }
    printf("recvmsg: %ld bytes, flags %x, control %zu", n, m.msg_flags, (size_t)m.msg_controllen);
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
        int count = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        printf(", type %d length %zu:", c->cmsg_type, (size_t)c->cmsg_len);
        if (c->cmsg_type == SCM_RIGHTS)
            for (int i = 0; i < count; i++) {
                int fd;
                memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
                printf(" %d%s", fd, fcntl(fd, F_GETFD) ? "c" : "");
                close(fd);
            }
    }
    printf("\n");
    fflush(stdout);
}

/* B7, B8: what does not fit goes nowhere else, and a full table is no disaster. */
static void rights(void)
{
    int pair[2], fds[300];
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    for (int i = 0; i < 300; i++) fds[i] = i % 3;
    SHOW(send_fds(pair[0], fds, 1, "x", 1));
    receive_fds(pair[1], 100, 0);
    SHOW(send_fds(pair[0], fds, 20, "xy", 2));
    receive_fds(pair[1], 200, MSG_CMSG_CLOEXEC);
    SHOW(send_fds(pair[0], fds, 253, "xyz", 3));
    receive_fds(pair[1], 4000, 0);
    SHOW(send_fds(pair[0], fds, 254, "xyz", 3));
    SHOW(send_fds(pair[0], fds, 10, "q", 1));
    receive_fds(pair[1], 0, 0);
    SHOW(send_fds(pair[0], fds, 10, "q", 1));
    receive_fds(pair[1], 16, 0);
    SHOW(send_fds(pair[0], fds, 10, "q", 1));
    receive_fds(pair[1], CMSG_LEN(12), 0);
    SHOW(send_fds(pair[0], fds, 10, "q", 1));
    receive_fds(pair[1], CMSG_LEN(15), 0);
    SHOW(send_fds(pair[0], fds, 12, "q", 1));
    receive_fds(pair[1], CMSG_LEN(40), 0);
    SHOW(send_fds(pair[0], fds, 12, "q", 1));
    receive_fds(pair[1], 200, MSG_PEEK);
    receive_fds(pair[1], 200, 0);
    fds[3] = 777;
    SHOW(send_fds(pair[0], fds, 10, "q", 1));
    fds[3] = 0;
    SHOW(send_fds(pair[0], fds, 10, "", 0));
    receive_fds(pair[1], 200, MSG_DONTWAIT);
    struct rlimit limit = {10, 1024}, old;
    getrlimit(RLIMIT_NOFILE, &old);
    limit.rlim_max = old.rlim_max;
    getrlimit(RLIMIT_NOFILE, &old);
    setrlimit(RLIMIT_NOFILE, &limit);
    SHOW(send_fds(pair[0], fds, 12, "q", 1));
    receive_fds(pair[1], 200, 0);
    int full[20], n = 0;
    while ((full[n] = dup(0)) >= 0) n++;
    SHOW(n);
    SHOW(send_fds(pair[0], fds, 12, "q", 1));
    receive_fds(pair[1], 200, 0);
    SHOW(socket(AF_UNIX, SOCK_STREAM, 0));
    SHOW(open("/new-file", O_CREAT | O_RDWR, 0600));
    SHOW(access("/new-file", F_OK));
    int p[2];
    SHOW(pipe(p));
    while (n) close(full[--n]);
    setrlimit(RLIMIT_NOFILE, &old);
    int on = 1;
    SHOW(setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on));
    SHOW(send_fds(pair[0], fds, 12, "q", 1));
    receive_fds(pair[1], 200, 0);
    SHOW(send_fds(pair[0], fds, 12, "q", 1));
    receive_fds(pair[1], 50, 0);
    SHOW(send_fds(pair[0], fds, 12, "q", 1));
    receive_fds(pair[1], 20, 0);
    SHOW(setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &on, 3));
    SHOW(send_fds(pair[0], pair, 2, "own", 3));
    receive_fds(pair[1], 200, 0);
    close(pair[0]);
    close(pair[1]);
}

static void times(void)
{
    int pair[2];
    char b[10];
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    struct timeval tv = {0, 50000};
    SHOW(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv));
    SHOW(read(pair[0], b, 10));
    SHOW(recv(pair[0], b, 10, 0));
    struct timeval got;
    socklen_t len = sizeof got;
    SHOW(getsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &got, &len));
    printf("%ld %ld %d\n", (long)got.tv_sec, (long)got.tv_usec, (int)len);
    len = 2;
    int v = 0x11223344;
    SHOW(getsockopt(pair[0], SOL_SOCKET, SO_TYPE, &v, &len));
    printf("%x %d\n", v, (int)len);
    len = -1;
    SHOW(getsockopt(pair[0], SOL_SOCKET, SO_TYPE, &v, &len));
    SHOW(getsockopt(0, SOL_SOCKET, SO_TYPE, &v, &len));
    SHOW(getsockopt(99, SOL_SOCKET, SO_TYPE, &v, &len));
    SHOW(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){5, 0},
                    sizeof(struct timeval)));
    if (fork() == 0) {
        for (int i = 0; i < 5; i++) {
            sleep_ms(10);
            write(pair[1], "ab", 2);
        }
        _exit(0);
    }
    SHOW(recv(pair[0], b, 10, MSG_WAITALL));
    wait(NULL);
    static char big[1 << 20];
    if (fork() == 0) {
        close(pair[0]);
        long t = 0, n;
        while ((n = read(pair[1], big, 70000)) > 0)
            t += n;
        printf("child read %ld\n", t);
        fflush(stdout);
        _exit(0);
    }
    SHOW(write(pair[0], big, sizeof big));
    close(pair[1]);
    shutdown(pair[0], SHUT_WR);
    wait(NULL);
    signal(SIGPIPE, SIG_IGN);
    SHOW(write(pair[0], "x", 1));
    SHOW(send(pair[0], "x", 1, MSG_NOSIGNAL));
    close(pair[0]);
    int t = SHOW(timerfd_create(CLOCK_MONOTONIC, 0)) >= 0 ? 3 : 3;
    struct itimerspec its = {{0, 20000000}, {0, 30000000}};
    SHOW(timerfd_settime(t, 0, &its, NULL));
    struct pollfd p = {t, POLLIN, 0};
    SHOW(poll(&p, 1, 0));
    SHOW(poll(&p, 1, 1000));
    printf("revents %x\n", p.revents);
    uint64_t ticks = 0;
    SHOW(read(t, &ticks, 7));
    SHOW(read(t, &ticks, 8));
    SHOW(ticks >= 1 && ticks < 50);
    SHOW(read(t, &ticks, 8));
    SHOW(write(t, &ticks, 8));
    int e = epoll_create1(0);
    struct epoll_event ev = {EPOLLIN | EPOLLET, {.u64 = 9}};
    SHOW(epoll_ctl(e, EPOLL_CTL_ADD, t, &ev));
    SHOW(epoll_wait(e, &ev, 1, 1000));
    read(t, &ticks, 8);
    SHOW(epoll_wait(e, &ev, 1, 1000));
    its.it_interval.tv_nsec = its.it_value.tv_nsec = 0;
    SHOW(timerfd_settime(t, 0, &its, NULL));
    SHOW(epoll_wait(e, &ev, 1, 50));
    fcntl(t, F_SETFL, O_NONBLOCK);
    SHOW(read(t, &ticks, 8));
    close(t);
    SHOW(timerfd_settime(e, 0, &its, NULL));
    sigset_t s;
    sigemptyset(&s);
    sigaddset(&s, SIGUSR1);
    sigaddset(&s, SIGCHLD);
    sigprocmask(SIG_BLOCK, &s, NULL);
    int sf = signalfd(-1, &s, SFD_NONBLOCK | SFD_CLOEXEC);
    struct signalfd_siginfo si;
    SHOW(read(sf, &si, sizeof si));
    kill(getpid(), SIGUSR1);
    p = (struct pollfd){sf, POLLIN, 0};
    SHOW(poll(&p, 1, 1000));
    SHOW(read(sf, &si, sizeof si));
    printf("signal %u code %d own %d\n", si.ssi_signo, si.ssi_code,
           si.ssi_pid == (unsigned)getpid());
    if (fork() == 0) { sleep_ms(20); _exit(7); }
    ev.events = EPOLLIN;
    SHOW(epoll_ctl(e, EPOLL_CTL_ADD, sf, &ev));
    SHOW(epoll_wait(e, &ev, 1, 2000));
    SHOW(read(sf, &si, sizeof si));
    printf("signal %u code %d status %d\n", si.ssi_signo, si.ssi_code, si.ssi_status);
    wait(NULL);
    SHOW(read(sf, &si, sizeof si));
    close(sf);
    close(e);
}

static void epolls(void)
{
    int a = epoll_create1(0), b = epoll_create1(EPOLL_CLOEXEC), p[2];
    struct epoll_event ev = {EPOLLIN, {.u64 = 1}}, got[8];
    pipe(p);
    SHOW(epoll_ctl(a, EPOLL_CTL_ADD, a, &ev));
    SHOW(epoll_ctl(a, EPOLL_CTL_ADD, b, &ev));
    SHOW(epoll_ctl(b, EPOLL_CTL_ADD, a, &ev));
    SHOW(epoll_ctl(b, EPOLL_CTL_ADD, p[0], &ev));
    SHOW(epoll_wait(a, got, 8, 0));
    write(p[1], "x", 1);
    SHOW(epoll_wait(a, got, 8, 0));
    SHOW(epoll_wait(b, got, 8, 0));
    struct pollfd pf = {a, POLLIN | POLLOUT, 0};
    SHOW(poll(&pf, 1, 0));
    printf("%x\n", pf.revents);
    int d = dup(p[0]);
    close(p[0]);
    SHOW(epoll_wait(b, got, 8, 0));
    SHOW(epoll_ctl(b, EPOLL_CTL_DEL, p[0], NULL));
    close(d);
    SHOW(epoll_wait(b, got, 8, 0));
    SHOW(epoll_wait(b, got, 0, 0));
    SHOW(epoll_wait(p[1], got, 1, 0));
    SHOW(epoll_wait(99, got, 1, 0));
    SHOW(epoll_wait(b, (void *)8, 1, 0));
    SHOW(epoll_ctl(b, EPOLL_CTL_ADD, p[1], (void *)8));
    SHOW(epoll_ctl(b, 9, p[1], &ev));
    ev.events = EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT;
    SHOW(epoll_ctl(b, EPOLL_CTL_ADD, p[1], &ev));
    ev.events = EPOLLIN | EPOLLEXCLUSIVE;
    SHOW(epoll_ctl(b, EPOLL_CTL_ADD, p[1], &ev));
    SHOW(epoll_ctl(b, EPOLL_CTL_MOD, p[1], &ev));
    SHOW(epoll_create(0));
    SHOW(epoll_create1(1));
    int s[2];
    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    ev.events = EPOLLIN | EPOLLOUT | EPOLLET;
    SHOW(epoll_ctl(b, EPOLL_CTL_ADD, s[0], &ev));
    SHOW(epoll_wait(b, got, 8, 0));
    if (fork() == 0) {
        sleep_ms(50);
        write(s[1], "y", 1);
        sleep_ms(100);
        write(s[1], "z", 1);
        _exit(0);
    }
    SHOW(epoll_wait(b, got, 8, 2000));
    printf("%x\n", got[0].events);
    /* nothing was read: the second write is an edge all the same */
    SHOW(epoll_wait(b, got, 8, 2000));
    printf("%x\n", got[0].events);
    wait(NULL);
    close(a); close(b); close(p[1]); close(s[0]); close(s[1]);
}

static void files(void)
{
    char buf[200];
    int f = open("/tmp/corner", O_CREAT | O_RDWR | O_TRUNC, 0644), p[2];
    SHOW(fcntl(f, F_GETFL) & ~O_LARGEFILE & ~0100000);
    SHOW((fcntl(f, F_GETFL) & 0100000) != 0);
    SHOW(fcntl(f, F_SETFL, O_APPEND | O_NONBLOCK));
    SHOW(fcntl(f, F_GETFL) & ~0100000);
    SHOW(fcntl(f, F_SETFL, 0));
    SHOW(fcntl(f, F_DUPFD, 50));
    SHOW(fcntl(f, F_DUPFD_CLOEXEC, 50));
    SHOW(fcntl(51, F_GETFD));
    SHOW(fcntl(f, F_DUPFD, -1));
    SHOW(fcntl(f, F_DUPFD, 1 << 30));
    SHOW(fcntl(f, 12345));
    SHOW(dup2(f, 50));
    SHOW(dup2(f, f));
    SHOW(dup2(f, -1));
    SHOW(dup3(f, f, 0));
    SHOW(dup3(f, 51, 1));
    SHOW(syscall(SYS_close_range, 50, 60, 0));
    SHOW(fcntl(51, F_GETFD));
    SHOW(syscall(SYS_close_range, 60, 50, 0));
    for (int i = 0; i < 200; i++) buf[i] = (char)i;
    SHOW(write(f, buf, 200));
    pipe(p);
    SHOW(fcntl(p[0], F_GETPIPE_SZ));
    SHOW(fcntl(f, F_GETPIPE_SZ));
    off_t off = 50;
    SHOW(sendfile(p[1], f, &off, 100));
    SHOW(off);
    SHOW(lseek(f, 0, SEEK_CUR));
    lseek(f, 0, SEEK_SET);
    SHOW(sendfile(p[1], f, NULL, 1000));
    SHOW(lseek(f, 0, SEEK_CUR));
    SHOW(read(p[0], buf, 200));
    SHOW(buf[0]);
    SHOW(sendfile(f, p[0], NULL, 10));
    int g = open("/tmp/corner2", O_CREAT | O_RDWR, 0600);
    lseek(f, 100, SEEK_SET);
    SHOW(copy_file_range(f, NULL, g, NULL, 1000, 0));
    SHOW(lseek(g, 0, SEEK_CUR));
    SHOW(copy_file_range(f, NULL, p[1], NULL, 1000, 0));
    SHOW(preadv(p[0], &(struct iovec){buf, 3}, 1, 0));
    SHOW(lseek(p[0], 0, SEEK_CUR));
    SHOW(ftruncate(p[0], 0));
    SHOW(fsync(p[0]));
    SHOW(fsync(f));
    SHOW(posix_fallocate(f, 0, 1000));
    SHOW(lseek(f, 0, SEEK_END));
    struct flock fl = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 10, .l_len = 20};
    SHOW(fcntl(f, F_SETLK, &fl));
    fflush(stdout);
    if (fork() == 0) {
        SHOW(fcntl(f, F_SETLK, &fl));
        fl.l_type = F_RDLCK;
        SHOW(fcntl(f, F_GETLK, &fl));
        printf("%d %d %ld %ld parent %d\n", fl.l_type, fl.l_whence, (long)fl.l_start,
               (long)fl.l_len, fl.l_pid == getppid());
        fflush(stdout);
        _exit(0);
    }
    wait(NULL);
    fl.l_type = 7;
    SHOW(fcntl(f, F_SETLK, &fl));
    fl = (struct flock){.l_type = F_RDLCK, .l_whence = SEEK_CUR, .l_start = -5000};
    SHOW(fcntl(f, F_SETLK, &fl));
    struct stat st;
    struct { uint32_t a[7]; uint16_t stx_mode, pad; uint64_t ino, stx_size; char rest[300]; } sx;
    SHOW(fstatat(f, "", &st, AT_EMPTY_PATH));
    SHOW(fstatat(f, "", &st, 0));
    SHOW(fstatat(f, "x", &st, 0));
    SHOW(fstatat(p[0], "x", &st, 0));
    SHOW(fstatat(AT_FDCWD, "/tmp/corner", &st, 0x8000000));
    SHOW(syscall(SYS_statx, AT_FDCWD, "/tmp/corner", 0, 0x7ff, &sx));
    SHOW(sx.stx_size);
    SHOW(sx.stx_mode);
    SHOW(stat((char *)8, &st));
    SHOW(syscall(SYS_stat, "/tmp/corner", (void *)8));
    SHOW(symlink("corner", "/tmp/link"));
    SHOW(readlink("/tmp/link", buf, 3));
    SHOW(readlink("/tmp/corner", buf, 3));
    SHOW(readlink("/tmp/link", buf, 0));
    SHOW(unlink("/tmp/link"));
    int n = 0;
    SHOW(ioctl(p[0], FIONREAD, &n));
    write(p[1], "abc", 3);
    SHOW(ioctl(p[0], FIONREAD, &n));
    SHOW(n);
    SHOW(ioctl(p[0], FIONREAD, (void *)8));
    SHOW(ioctl(f, TIOCGWINSZ, buf));
    SHOW(ioctl(f, TIOCGPGRP, &n));
    n = 1;
    SHOW(ioctl(p[0], FIONBIO, &n));
    SHOW((fcntl(p[0], F_GETFL) & O_NONBLOCK) != 0);
    SHOW(ioctl(p[0], FIOCLEX));
    SHOW(fcntl(p[0], F_GETFD));
    SHOW(ioctl(p[0], 0x1234, 0));
    SHOW(ioctl(99, FIOCLEX));
    SHOW(accept(f, NULL, NULL));
    SHOW(accept(p[0], NULL, NULL));
    SHOW(send(p[1], "x", 1, 0));
    SHOW(send(99, "x", 1, 0));
    int ev = eventfd(3, EFD_NONBLOCK);
    SHOW(write(ev, buf, 4));
    uint64_t v = 5;
    SHOW(write(ev, &v, 8));
    SHOW(read(ev, buf, 200));
    SHOW(read(ev, buf, 8));
    SHOW(openat(f, "x", O_RDONLY));
    SHOW(open("/tmp/corner/", O_RDONLY));
    SHOW(open("/tmp", O_RDONLY | O_CREAT, 0600));
    SHOW(open("/tmp/corner", O_PATH) >= 0);
    SHOW(mkdir("/tmp", 0700));
    SHOW(rename("/tmp/corner", "/proc/x"));
    SHOW(link("/tmp/corner", "/tmp/corner2"));
    SHOW(access("/tmp/corner", 9));
    SHOW(access("/tmp/corner", X_OK));
    SHOW(fchdir(f));
    SHOW(utimensat(AT_FDCWD, "/tmp/corner", (struct timespec[2]){{1, 2000000000}, {1, 1}}, 0));
    char *long_path = malloc(5000);
    memset(long_path, 'a', 4999);
    long_path[4999] = 0;
    SHOW(open(long_path, O_RDONLY));
    struct mmsghdr mm[3] = {0};
    int s[2];
    socketpair(AF_UNIX, SOCK_DGRAM, 0, s);
    struct iovec iv = {"hey", 3};
    for (int i = 0; i < 3; i++) { mm[i].msg_hdr.msg_iov = &iv; mm[i].msg_hdr.msg_iovlen = 1; }
    SHOW(sendmmsg(s[0], mm, 3, 0));
    iv = (struct iovec){buf, 200};
    SHOW(recvmmsg(s[1], mm, 3, MSG_WAITFORONE, NULL));
    SHOW(mm[2].msg_len);
    SHOW(recvmmsg(s[1], mm, 3, MSG_DONTWAIT, NULL));
    unlink("/tmp/corner");
    unlink("/tmp/corner2");
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    many_iovecs();
    rights();
    files();
    epolls();
    times();
    return 0;
}
