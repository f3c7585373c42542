/*
 * Real processes and threads, by real system calls: on Linux, and on Aramid. SPDX-License-Identifier: MIT
 *
 * When is a worker blocked? On Linux all run on one processor, workers at a real-time priority and
 * the driver at the normal one: when the driver runs again, every worker has finished or waits.
 * Where there is no such priority (`patient`) the driver sleeps, which costs nothing under -icount,
 * and what has not finished by then is blocked.
 *
 * On Linux all processes have one address space, the driver's: no system call that a program makes
 * tells it, and under QEMU a switch of address spaces costs more than most operations.
 */
#include "options.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "execute.h"
#include "garbage_linux.h"

enum {
    PAGE = 4096,
    PATIENCE_US = 200,     /* how long a worker and the driver sleep before they look again */
    PATIENCE_TURNS = 12,
    SETTLE_MS = 30,        /* Linux's collector, then its delayed fput (a tick), again for what that freed */
    STACK_SIZE = 256 * 1024,
    FUTEX_WAIT_PRIVATE = 128,
    FUTEX_WAKE_PRIVATE = 129,
    CLONE_PROCESS = CLONE_VM | SIGCHLD,
    CLONE_WORKER = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM
};

static bool patient;
static int directory_number;
static char base[64];
static uint8_t *guards[WORKERS_MAX], *stacks[WORKERS_MAX]; /* the ends of both */
static int first_pid;
static int sockets_before; /* the first program */

static void sleep_us(long us)
{
    struct timespec time = {us / 1000000, us % 1000000 * 1000};
    while (nanosleep(&time, &time) != 0 && errno == EINTR)
        ;
}

static void fail(const char *what)
{
    fprintf(stderr, "oracle: %s: %s\n", what, strerror(errno));
    exit(2);
}

long platform_call(long number, const uint64_t a[6])
{
    long ret;
    register uint64_t r10 __asm__("r10") = a[3];
    register uint64_t r8 __asm__("r8") = a[4];
    register uint64_t r9 __asm__("r9") = a[5];
    __asm__ volatile("syscall"
                     : "=a"(ret)
                     : "a"(number), "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return ret;
}

uint8_t *platform_guard(int worker)
{
    return guards[worker];
}

/* ---- a worker ---- */

static int process_of_thread(void)
{
    int pid = getpid();
    for (int i = 0; i < WORKERS_MAX; i++)
        if (board->pid[i] == pid)
            return i;
    return 0;
}

static void signal_count(int signal)
{
    int process = process_of_thread();
    (*(signal == SIGPIPE ? &board->pipes[process] : &board->urgent[process]))++;
}

static _Noreturn void worker_loop(int worker)
{
    struct slot *slot = &board->slot[worker];
    uint32_t turn = slot->turn;
    worker_begin(worker);
    for (;;) {
        while (slot->turn == turn) {
            if (patient)
                sleep_us(PATIENCE_US);
            else
                syscall(SYS_futex, &slot->turn, FUTEX_WAIT_PRIVATE, turn, 0, 0, 0);
        }
        turn = slot->turn;
        worker_step(worker);
    }
}

static int worker_main(void *argument)
{
    worker_loop((int)(intptr_t)argument);
}

static void *thread_main(void *argument)
{
    worker_loop((int)(intptr_t)argument);
}

int platform_fork(int worker)
{
    board->slot[worker].process = worker;
    pid_t pid = patient ? fork() : clone(worker_main, stacks[worker], CLONE_PROCESS, (void *)(intptr_t)worker);
    if (pid == 0)
        worker_loop(worker);
    return pid < 0 ? -errno : 0;
}

int platform_thread(int worker)
{
    pthread_t thread;
    pthread_attr_t attributes;
    board->slot[worker].process = board->slot[process_of_thread()].process;
    if (!patient)
        return clone(worker_main, stacks[worker], CLONE_WORKER, (void *)(intptr_t)worker) < 0 ? -errno : 0;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    return -pthread_create(&thread, &attributes, thread_main, (void *)(intptr_t)worker);
}

void platform_exit(void)
{
    int process = process_of_thread();
    for (int i = 0; i < WORKERS_MAX; i++)
        if (board->slot[i].state != SLOT_NONE && board->slot[i].process == process)
            board->slot[i].state = SLOT_GONE;
    _exit(0);
}

/* ---- the driver ---- */

/* Every socket there is, this machine's own as well. */
static int sockets_count(void)
{
    int lines = 0, c;
    FILE *file = fopen("/proc/net/unix", "r");
    while (file && (c = getc(file)) != EOF)
        lines += c == '\n';
    if (file)
        fclose(file);
    return lines;
}

const char *platform_name(void)
{
    static struct utsname name;
    uname(&name);
    return name.release;
}

struct board *platform_start(void)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(0, &one);
    if (!patient && sched_setaffinity(0, sizeof(one), &one) != 0)
        fail("sched_setaffinity");
    board = mmap(0, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (board == MAP_FAILED)
        fail("mmap");
    for (int i = 0; i < WORKERS_MAX; i++) {
        uint8_t *area = mmap(0, DATA_MAX + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (area == MAP_FAILED || mprotect(area + DATA_MAX, PAGE, PROT_NONE) != 0)
            fail("mmap");
        guards[i] = area + DATA_MAX;
        area = patient ? 0 : mmap(0, STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (area == MAP_FAILED)
            fail("mmap");
        stacks[i] = area + STACK_SIZE;
    }
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    signal(SIGCHLD, SIG_IGN); /* nobody stays as a zombie, so a dead pid is dead */
    snprintf(base, sizeof(base), "/tmp/oracle.%d", (int)getpid());
    umask(0);
    if (!patient)
        garbage_begin();
    sockets_before = sockets_count();
    if (mkdir(base, 0777) != 0)
        fail(base);
    return board;
}

static int first_process(void *argument)
{
    const struct setting *setting = argument;
    struct sched_param priority = {.sched_priority = 1};
    struct sigaction action = {.sa_handler = signal_count, .sa_flags = SA_RESTART};
    if (!patient && syscall(SYS_sched_setscheduler, 0, SCHED_FIFO, &priority) != 0)
        fail("sched_setscheduler");
    sigaction(SIGPIPE, &action, 0);
    sigaction(SIGURG, &action, 0);
    syscall(SYS_close_range, 0, ~0u, 0);
    for (int fd = 0; fd < 16; fd++)
        close(fd);
    worker_prepare(0, setting->uid);
    worker_loop(0);
}

static void wait_until_idle(int worker)
{
    for (int i = 0; board->slot[worker].state != SLOT_IDLE; i++) {
        if (i > 20000) {
            errno = ETIMEDOUT;
            fail("a worker that starts");
        }
        sleep_us(patient ? PATIENCE_US : 100);
    }
}

void platform_begin(const struct setting *setting)
{
    char directory[sizeof(base) + 16];
    memset(board, 0, sizeof(*board));
    snprintf(directory, sizeof(directory), "%s/%d", base, ++directory_number);
    if (mkdir(directory, 0777) != 0 || chdir(directory) != 0)
        fail(directory);
    first_pid = patient ? fork() : clone(first_process, stacks[0], CLONE_PROCESS, (void *)setting);
    if (first_pid < 0)
        fail("fork");
    if (first_pid == 0)
        first_process((void *)setting);
    wait_until_idle(0);
}

static void wait_until_dead(int pid)
{
    for (int i = 0; kill(pid, 0) == 0; i++) {
        if (i > 50000) {
            errno = ETIMEDOUT;
            fail("a process that ends");
        }
        if (i > 3 || patient)
            sleep_us(100);
        else
            sched_yield();
    }
}

void platform_run(int worker)
{
    struct slot *slot = &board->slot[worker];
    int32_t kind = slot->op.kind, other = slot->op.value, pid = board->pid[slot->process];
    slot->state = SLOT_BUSY;
    slot->turn++;
    if (!patient) {
        syscall(SYS_futex, &slot->turn, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0); /* it runs at once */
    } else {
        for (int i = 0; i < PATIENCE_TURNS && slot->state == SLOT_BUSY; i++)
            sleep_us(PATIENCE_US);
        sleep_us(PATIENCE_US * 4); /* whom did it wake? */
    }
    if (kind == OP_EXIT)
        wait_until_dead(pid);
    else if ((kind == OP_FORK || kind == OP_THREAD) && slot->state == SLOT_DONE && slot->result.ret == 0)
        wait_until_idle(other);
}

void platform_settle(bool closed)
{
    static bool due;
    if (patient)
        return;
    due |= garbage_possible();
    if (!closed)
        return;
    int pair = socket(AF_UNIX, SOCK_STREAM, 0);
    close(pair);
    if (due)
        sleep_us(SETTLE_MS * 1000);
    else
        sched_yield(); /* the collector sees that there is nothing to do now, not between later operations */
    due = false;
}

void platform_advance(int ms)
{
    sleep_us(ms * 1000L);
}

static void directory_remove(const char *path)
{
    DIR *directory = opendir(path);
    struct dirent *entry;
    while (directory && (entry = readdir(directory))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        char name[512];
        snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
        if (unlink(name) != 0)
            directory_remove(name);
    }
    if (directory)
        closedir(directory);
    rmdir(path);
}

void platform_end(void)
{
    for (int i = 0; i < WORKERS_MAX; i++)
        if (board->pid[i] > 0)
            kill(board->pid[i], SIGKILL);
    for (int i = 0; i < WORKERS_MAX; i++)
        if (board->pid[i] > 0)
            wait_until_dead(board->pid[i]);
    char directory[sizeof(base) + 16];
    snprintf(directory, sizeof(directory), "%s/%d", base, directory_number);
    if (chdir("/") == 0)
        directory_remove(directory);
}

bool platform_clean(void)
{
    if (sockets_count() > sockets_before)
        sleep_us(SETTLE_MS * 1000); /* what the collector began by itself */
    return sockets_count() <= sockets_before;
}

void platform_stop(void)
{
    rmdir(base);
}

void platform_option(const char *word)
{
    patient |= strcmp(word, "--patient") == 0;
}
