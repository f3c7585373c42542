/*
 * Wild pointers in every system call: an error each time, never a death; and everything still
 * works afterwards. SPDX-License-Identifier: MIT
 */
#include "check.h"
#include <sys/epoll.h>

#define LAST_CALL 334
#define PAGE 4096ul

/* Nothing, low, unmapped, read-only page, kernel's half, libposix's range, top of the user's
 * half, not canonical, odd. */
static uintptr_t wild[] = {0x8, 0xdead0000, 0 /* a read-only page */, 0xffffffff80000000, 0x600000000000, 0x60001000ff80,
                           0x7ffffffffffc, 0x8000000000000000, 0xffffffffffffffff, 0 /* last bytes before a hole */};
#define WILD_COUNT (sizeof wild / sizeof *wild)

/* Calls that do not return, wait for ever, end others, or take away the ground under the caller
 * when they succeed. */
static int skipped(long number)
{
    static const short list[] = {
        SYS_exit, SYS_exit_group, SYS_rt_sigreturn, SYS_fork, SYS_vfork, SYS_clone, SYS_pause,
        SYS_kill, SYS_tkill, SYS_tgkill,
        SYS_reboot, SYS_vhangup, SYS_mmap, SYS_munmap, SYS_mprotect, SYS_mremap, SYS_brk,
        SYS_madvise, SYS_mlock, SYS_munlock,
        SYS_mlockall, SYS_remap_file_pages, SYS_arch_prctl, SYS_alarm, SYS_setitimer, SYS_ptrace,
        SYS_msync,
        SYS_rt_sigqueueinfo, SYS_rt_tgsigqueueinfo, SYS_sync, SYS_setrlimit /* no processor time left */, 329 /* pkey_mprotect */, 334 /* rseq: takes any address, and
        the kernel ends the process when it uses it */,
    };
    for (unsigned i = 0; i < sizeof list / sizeof *list; i++)
        if (list[i] == number)
            return 1;
    return 0;
}

static void all_patterns(long number, uintptr_t p)
{
    int fd = open("/tmp/victim", O_RDWR | O_CREAT, 0600), pair[2];
    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair);
    static char good[PAGE * 2];
    long pointer = (long)p, memory = (long)good;
    syscall(number, pointer, pointer, pointer, pointer, pointer, pointer);
    syscall(number, fd, pointer, 16, pointer, pointer, pointer);
    syscall(number, pair[0], pointer, 16, pointer, pointer, 16);
    syscall(number, pair[0], memory, 16, 0, pointer, pointer);
    syscall(number, pointer, 16, 0, 0, 0, 0);
    syscall(number, memory, pointer, 16, pointer, 0, 0);
    syscall(number, -100, pointer, pointer, 0, 0, 0);
    syscall(number, -100, memory, pointer, 16, 0, 0);
    syscall(number, 1, memory, 0, pointer, 8, 0);
    syscall(number, pair[1], memory, pointer, 0x4000 /* MSG_NOSIGNAL */, pointer, 110);
    close(fd);
    close(pair[0]);
    close(pair[1]);
}

static volatile sig_atomic_t ticks;

/* A call that waits, with no pointer that it minds, comes back with EINTR; one that cannot be
 * interrupted is a failure. */
static void tick(int signal)
{
    (void)signal;
    if (++ticks > 100)
        _exit(88);
}

static int one_number(void *argument)
{
    long number = (long)argument;
    struct sigaction action = {.sa_handler = tick};
    struct itimerval every = {.it_interval.tv_usec = 200000, .it_value.tv_usec = 200000};
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &every, NULL);
    close(0);
    dup2(2, 1); /* a write to descriptor 1 must not spoil the output */
    for (unsigned i = 0; i < WILD_COUNT; i++)
        all_patterns(number, wild[i]);
    return 0;
}

static void every_number(void)
{
    int tried = 0, survived = 0;
    for (long number = 0; number <= LAST_CALL; number++) {
        if (skipped(number))
            continue;
        tried++;
        int status = in_child(one_number, (void *)number);
        if (status == 0) {
            survived++;
        } else {
            char what[40];
            snprintf(what, sizeof what, "system call %ld", number);
            show_status(what, status);
        }
    }
    printf("%d system calls tried, %d came through\n", tried, survived);
}

/* Calls with one bad pointer and everything else right: EFAULT, as on Linux. */
static void exact(uintptr_t p)
{
    int fd = open("/etc/passwd", O_RDONLY),
        out = open("/tmp/wild", O_RDWR | O_CREAT | O_TRUNC, 0600), pair[2], ends[2];
    void *bad = (void *)p;
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    pipe(ends);
    write(ends[1], "some bytes", 10);
    write(pair[1], "some bytes", 10);
    struct iovec vector = {.iov_base = bad, .iov_len = 8};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1},
                  message2 = {.msg_iov = bad, .msg_iovlen = 1};
    struct epoll_event event;
    int set = epoll_create1(0);
    SHOW(syscall(SYS_read, fd, bad, 8));
    SHOW(syscall(SYS_write, out, bad, 8));
    SHOW(syscall(SYS_read, ends[0], bad, 8));
    SHOW(syscall(SYS_write, ends[1], bad, 8));
    SHOW(syscall(SYS_read, pair[0], bad, 8));
    SHOW(syscall(SYS_write, pair[0], bad, 8));
    SHOW(syscall(SYS_readv, fd, &vector, 1));
    SHOW(syscall(SYS_readv, fd, bad, 1));
    SHOW(syscall(SYS_writev, out, &vector, 1));
    SHOW(syscall(SYS_open, bad, O_RDONLY));
    SHOW(syscall(SYS_stat, bad, &event));
    SHOW(syscall(SYS_stat, "/etc/passwd", bad));
    SHOW(syscall(SYS_fstat, fd, bad));
    SHOW(syscall(SYS_getdents64, open("/etc", O_RDONLY), bad, 1000));
    SHOW(syscall(SYS_getcwd, bad, 100));
    SHOW(syscall(SYS_chdir, bad));
    SHOW(syscall(SYS_rename, bad, "/tmp/x"));
    SHOW(syscall(SYS_readlink, "/proc/self/exe", bad, 100));
    SHOW(syscall(SYS_pipe, bad));
    SHOW(syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, bad));
    SHOW(syscall(SYS_connect, pair[0], bad, 16));
    SHOW(syscall(SYS_bind, pair[0], bad, 16));
    SHOW(syscall(SYS_getsockname, pair[0], bad, bad));
    SHOW(syscall(SYS_sendmsg, pair[0], bad, 0));
    SHOW(syscall(SYS_sendmsg, pair[0], &message, 0));
    SHOW(syscall(SYS_sendmsg, pair[0], &message2, 0));
    SHOW(syscall(SYS_recvmsg, pair[0], &message, 0));
    SHOW(syscall(SYS_recvfrom, pair[0], bad, 8, 0, 0, 0));
    SHOW(syscall(SYS_sendto, pair[0], bad, 8, 0, 0, 0));
    SHOW(syscall(SYS_poll, bad, 1, 0));
    SHOW(syscall(SYS_select, 4, bad, 0, 0, 0));
    SHOW(syscall(SYS_epoll_ctl, set, EPOLL_CTL_ADD, pair[0], bad));
    SHOW(syscall(SYS_nanosleep, bad, 0));
    SHOW(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, bad));
    SHOW(syscall(SYS_gettimeofday, bad, 0));
    SHOW(syscall(SYS_uname, bad));
    SHOW(syscall(SYS_rt_sigaction, SIGUSR1, bad, 0, 8));
    SHOW(syscall(SYS_rt_sigaction, SIGUSR1, 0, bad, 8));
    SHOW(syscall(SYS_rt_sigprocmask, SIG_BLOCK, bad, 0, 8));
    SHOW(syscall(SYS_sigaltstack, bad, 0));
    SHOW(syscall(SYS_execve, bad, 0, 0));
    SHOW(syscall(SYS_execve, "/bin/true", bad, 0));
    SHOW(syscall(SYS_getrandom, bad, 8, 0));
    SHOW(syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, bad));
    SHOW(syscall(SYS_getresuid, bad, bad, bad));
    SHOW(syscall(SYS_sysinfo, bad));
    SHOW(syscall(SYS_utimensat, -100, "/tmp/wild", bad, 0));
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    SHOW(syscall(SYS_wait4, child, bad, 0, 0));
    waitpid(child, NULL, 0);
    SHOW(syscall(SYS_ioctl, ends[0], 0x541b /* FIONREAD */, bad));
    for (int i = 3; i < 20; i++)
        close(i);
}

static void afterwards(void)
{
    int pair[2];
    char room[16] = "";
    SHOW(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    SHOW(write(pair[0], "alive", 5));
    SHOW(read(pair[1], room, sizeof room));
    int fd = open("/etc/passwd", O_RDONLY);
    SHOW(read(fd, room, 4));
    printf("%.4s\n", room);
    pid_t child = fork();
    if (child == 0)
        execl("/bin/true", "true", (char *)NULL);
    int status;
    waitpid(child, &status, 0);
    show_status("fork and exec", status);
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    wild[2] = (uintptr_t)mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *edge = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(edge, 'e', PAGE);
    munmap(edge + PAGE, PAGE);
    wild[9] = (uintptr_t)edge + PAGE - 4;
    /* three calls: each number is to be logged once */
    if (argc > 1 && !strcmp(argv[1], "unknown")) {
        for (int i = 0; i < 3; i++)
            SHOW(syscall(1234));
        SHOW(syscall(5000000));
        SHOW(syscall(-1));
        SHOW(syscall(-2000000000));
        return 0;
    }
    if (argc > 1 && !strcmp(argv[1], "exact")) {
        printf("-- unmapped\n");
        exact(0xdead0000);
        printf("-- the kernel's half\n");
        exact(0xffffffff80000000);
        printf("-- libposix's range\n");
        exact(0x60000c000000);
    } else {
        every_number();
    }
    afterwards();
    return 0;
}
