/*
 * Random Linux system calls in forked children, beside a victim that must not notice.
 * SPDX-License-Identifier: MIT
 *
 * fuzz SEED CHILDREN CALLS: each child makes CALLS calls (or dies of one), half of them under a
 * timer's signals, a third with a second thread. The victim checks a socket pair, a pipe and a
 * file all along and reports at the end.
 */
#include "check.h"
#include <pthread.h>
#include <sys/prctl.h>

enum { NUMBERS = 463, ROOM = 65536, OPEN = 24 };

static uint64_t seed;
static unsigned char *room, *read_only, *unmapped;
/* FUZZ_ONLY=number: this call alone; FUZZ_VERBOSE: each call on stderr */
static int only = -1, verbose;

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state >> 8;
}

/* Calls that would end the run, kill others as root may, take the child's own text or timer
 * away, or wait for ever by design. Memory and signal frames have programs of their own:
 * memfuzz.c, sigfuzz.c. */
static int left_out(long number)
{
    static const short list[] = {SYS_exit,
                                 SYS_exit_group,
                                 SYS_reboot,
                                 SYS_pause,
                                 SYS_kill,
                                 SYS_tkill,
                                 SYS_tgkill,
                                 SYS_rt_sigqueueinfo,
                                 SYS_rt_tgsigqueueinfo,
                                 SYS_setsid,
                                 SYS_vhangup,
                                 SYS_rt_sigsuspend,
                                 SYS_prctl,
                                 SYS_fork,
                                 SYS_vfork,
                                 SYS_clone,
                                 SYS_clone3,
                                 SYS_pivot_root,
                                 SYS_chroot,
                                 SYS_unlink,
                                 SYS_rmdir,
                                 SYS_unlinkat,
                                 SYS_rename,
                                 SYS_renameat,
                                 SYS_renameat2,
                                 SYS_syslog,
                                 SYS_ptrace,
                                 SYS_alarm,
                                 SYS_setrlimit,
                                 SYS_prlimit64,
                                 SYS_sethostname,
                                 SYS_setdomainname,
                                 SYS_mount,
                                 SYS_umount2,
                                 SYS_swapon,
                                 SYS_swapoff,
                                 SYS_settimeofday,
                                 SYS_clock_settime,
                                 SYS_kexec_load,
                                 SYS_truncate,
                                 SYS_pidfd_send_signal,
                                 SYS_setpgid,
                                 SYS_clock_adjtime,
                                 SYS_adjtimex,
                                 SYS_munmap,
                                 SYS_mmap,
                                 SYS_mremap,
                                 SYS_mprotect,
                                 SYS_brk,
                                 SYS_madvise,
                                 SYS_arch_prctl,
                                 SYS_rt_sigreturn,
                                 SYS_rt_sigprocmask,
                                 SYS_setitimer,
                                 SYS_execve,
                                 SYS_execveat,
                                 SYS_sigaltstack,
                                 SYS_close_range};
    for (unsigned i = 0; i < sizeof list / sizeof *list; i++)
        if (list[i] == number)
            return 1;
    return 0;
}

static uint64_t pointer(uint64_t *state)
{
    uint64_t pick = next_random(state) % 16;
    uint64_t odd[] = {0,
                      1,
                      0x600000000000ull,
                      0x600010000000ull,
                      0x600010001000ull,
                      0xffffffff80000000ull,
                      0xffff800000000000ull,
                      0x800000000000ull,
                      ~0ull,
                      0x7fffffffe000ull};
    if (pick < 10)
        return (uint64_t)room + next_random(state) % ROOM / (pick & 1 ? 1 : 8) * (pick & 1 ? 1 : 8);
    if (pick == 10)
        return (uint64_t)read_only + next_random(state) % 4096;
    if (pick == 11)
        return (uint64_t)unmapped - next_random(state) % 64; /* over the edge */
    return odd[next_random(state) % (sizeof odd / sizeof *odd)] + next_random(state) % 3 * 8;
}

static uint64_t argument(uint64_t *state)
{
    static const uint64_t lengths[] = {0,    1,     4,          8,          16,    110,
                                       4096, 65536, 1ull << 31, 1ull << 47, ~0ull, 0x7fffffff};
    switch (next_random(state) % 6) {
    case 0:
        return next_random(state) % OPEN;
    case 1:
    case 2:
        return pointer(state);
    case 3:
        return lengths[next_random(state) % (sizeof lengths / sizeof *lengths)];
    case 4:
        return next_random(state) % 64;
    default:
        return 1ull << next_random(state) % 64 |
               (next_random(state) & 1 ? 1ull << next_random(state) % 32 : 0);
    }
}

static void fill_room(uint64_t *state)
{
    static const char *const names[] = {"/tmp/fuzz",       "/dev/null",    ".",
                                        "/proc/self/stat", "/bin/busybox", "\1\0/tmp/fuzz.sock"};
    for (unsigned i = 0; i < 200; i++) {
        uint64_t at = next_random(state) % (ROOM / 8), value = argument(state);
        ((uint64_t *)room)[at] = value;
    }
    for (unsigned i = 0; i < 60; i++)
        strcpy((char *)room + next_random(state) % (ROOM - 64) / 8 * 8,
               names[next_random(state) % 6]);
}

static void ignore(int number)
{
    (void)number;
}

/* One of each kind of descriptor, in 3 and up; what the fuzz closes is opened again. */
static void open_all(void)
{
    int pair[2], datagrams[2], ends[2];
    open("/tmp/fuzz", O_RDWR | O_CREAT, 0644);
    open("/tmp", O_RDONLY | O_DIRECTORY);
    open("/dev/null", O_RDWR);
    open("/dev/zero", O_RDWR);
    open("/proc/self/stat", O_RDONLY);
    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair);
    socketpair(AF_UNIX, SOCK_DGRAM, 0, datagrams);
    socketpair(AF_UNIX, SOCK_SEQPACKET, 0, datagrams);
    pipe(ends);
    pipe2(ends, O_NONBLOCK);
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    snprintf(name.sun_path + 1, 20, "fuzz%d", (int)getpid());
    bind(listener, (struct sockaddr *)&name, sizeof name);
    listen(listener, 5);
    socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    syscall(SYS_epoll_create1, 0);
    syscall(SYS_eventfd2, 0, 0);
    syscall(SYS_timerfd_create, 1, 0);
}

static void one_call(uint64_t *state)
{
    long number = only >= 0 ? only : (long)(next_random(state) % NUMBERS);
    uint64_t a[6];
    for (unsigned i = 0; i < 6; i++)
        a[i] = argument(state);
    if (next_random(state) % 3 == 0)
        a[0] = 3 + next_random(state) % OPEN;
    if (left_out(number))
        return;
    if (number == SYS_rt_sigaction && (a[0] == SIGALRM || a[0] == SIGKILL))
        return;
    if (verbose)
        dprintf(2, "[%d] %ld(%lx, %lx, %lx, %lx, %lx, %lx)\n", (int)getpid(), number, a[0], a[1],
                a[2], a[3], a[4], a[5]);
    syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static void *second_thread(void *argument)
{
    uint64_t state = (uint64_t)argument;
    for (unsigned i = 0; i < 300; i++)
        one_call(&state);
    return NULL;
}

static void fuzz_child(uint64_t state, unsigned calls)
{
    struct itimerval timer = {{0, 5000}, {0, 5000}};
    /* no SA_RESTART: each wait ends */
    struct sigaction action = {.sa_handler = ignore, .sa_flags = 0};
    pthread_t thread;
    sigaction(SIGALRM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    if (!verbose) {
        close(2);
        dup2(open("/dev/null", O_WRONLY), 1);
    }
    open_all();
    setitimer(ITIMER_REAL, &timer, NULL);
    if (next_random(&state) % 3 == 0)
        pthread_create(&thread, NULL, second_thread, (void *)(next_random(&state) | 1));
    for (unsigned i = 0; i < calls; i++) {
        if (i % 16 == 0)
            fill_room(&state);
        if (i % 64 == 63) {
            open_all();
            /* a call may have stopped it: nothing may wait for ever */
            setitimer(ITIMER_REAL, &timer, NULL);
        }
        one_call(&state);
    }
    _exit(0);
}

/* ---- the victim ---- */

static int victim(int stop)
{
    int pair[2], ends[2], file = open("/tmp/victim", O_RDWR | O_CREAT | O_TRUNC, 0600);
    unsigned rounds = 0, wrong = 0;
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    pipe(ends);
    struct pollfd end = {.fd = stop, .events = POLLIN};
    while (poll(&end, 1, 2) == 0) {
        char out[512], in[3][512] = {{0}};
        for (unsigned i = 0; i < sizeof out; i++)
            out[i] = (char)(rounds * 7 + i);
        wrong += write(pair[0], out, sizeof out) != sizeof out ||
                 read(pair[1], in[0], sizeof out) != sizeof out;
        wrong += write(ends[1], out, sizeof out) != sizeof out ||
                 read(ends[0], in[1], sizeof out) != sizeof out;
        wrong += pwrite(file, out, sizeof out, 512 * (rounds % 16)) != sizeof out ||
                 pread(file, in[2], sizeof out, 512 * (rounds % 16)) != sizeof out;
        for (unsigned i = 0; i < 3; i++)
            wrong += memcmp(out, in[i], sizeof out) != 0;
        rounds++;
    }
    printf("victim: %s, wrong %u\n", rounds > 10 ? "rounds" : "hardly any rounds", wrong);
    fflush(stdout);
    return wrong != 0;
}

static pid_t start_child(unsigned index, unsigned calls, int stop_write)
{
    pid_t pid = fork();
    if (pid == 0) {
        close(stop_write);
        setpgid(0, 0);
        fuzz_child((seed + index) * 0x9e3779b97f4a7c15ull | 1, calls);
    }
    return pid;
}

/* The child's end, or SIGKILL for one that waits for what never comes. */
static int wait_child(pid_t pid, unsigned seconds)
{
    int status;
    for (unsigned i = 0; i < seconds * 50; i++) {
        if (waitpid(pid, &status, WNOHANG) == pid)
            return status;
        sleep_ms(20);
    }
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    return -1;
}

int main(int argc, char **argv)
{
    int stop[2], status;
    if (argc < 4)
        return 2;
    seed = strtoull(argv[1], NULL, 0);
    unsigned children = (unsigned)atoi(argv[2]), calls = (unsigned)atoi(argv[3]), signalled = 0,
             stuck = 0;
    if (getenv("FUZZ_ONLY"))
        only = atoi(getenv("FUZZ_ONLY"));
    verbose = getenv("FUZZ_VERBOSE") != NULL;
    room = mmap(NULL, ROOM + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    unmapped = room + ROOM;
    munmap(unmapped, 4096);
    read_only = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    pipe(stop);
    pid_t watcher = fork();
    if (watcher == 0) {
        close(stop[1]);
        _exit(victim(stop[0]));
    }
    for (unsigned i = 0; i < children; i++) {
        status = wait_child(start_child(i, calls, stop[1]), 5);
        stuck += status == -1;
        signalled += status != -1 && WIFSIGNALED(status);
        if (getenv("FUZZ_SHOW"))
            dprintf(2, "child %u: status %x\n", i, (unsigned)status);
    }
    close(stop[1]);
    waitpid(watcher, &status, 0);
    show_status("victim", status);
    fprintf(stderr, "fuzz: %u children, %u died by a signal, %u were stuck\n", children, signalled,
            stuck);
    return status;
}
