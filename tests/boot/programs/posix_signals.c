/* Signals: handlers, restart and EINTR, masks, the alternate stack, SIGCHLD, SIGPIPE, timers.
 * SPDX-License-Identifier: MIT */
#include "check.h"

static volatile sig_atomic_t count, last, on_stack, code_seen;
static volatile pid_t sender;
static char alternate[65536];

static void handler(int signal)
{
    count++;
    last = signal;
    char here;
    on_stack = &here >= alternate && &here < alternate + sizeof alternate;
}

static void handler_info(int signal, siginfo_t *info, void *context)
{
    count++;
    last = signal;
    code_seen = info->si_code;
    sender = info->si_pid;
    if (signal == SIGSEGV) { /* step over: continue at the address left in rbx */
        greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
        regs[REG_RIP] = regs[REG_RBX];
    }
}

static void install(int signal, int flags, void (*simple)(int),
                    void (*info)(int, siginfo_t *, void *))
{
    struct sigaction action = {.sa_flags = flags};
    if (info) {
        action.sa_sigaction = info;
        action.sa_flags |= SA_SIGINFO;
    } else {
        action.sa_handler = simple;
    }
    count = 0;
    if (sigaction(signal, &action, NULL) != 0)
        printf("sigaction %d: %s\n", signal, error_name(errno));
}

static void interrupt_read(int flags, const char *what)
{
    int ends[2];
    char byte = 0;
    pipe(ends);
    install(SIGUSR1, flags, handler, NULL);
    fflush(stdout);
    pid_t parent = getpid(), child = fork();
    if (child == 0) {
        sleep_ms(150);
        kill(parent, SIGUSR1);
        sleep_ms(150);
        write(ends[1], "x", 1);
        _exit(0);
    }
    show(what, read(ends[0], &byte, 1));
    printf("handler ran %d time(s), byte %d\n", (int)count, byte);
    waitpid(child, NULL, 0);
    close(ends[0]);
    close(ends[1]);
}

static void masks(void)
{
    sigset_t set, old, pending;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    install(SIGUSR2, 0, handler, NULL);
    sigprocmask(SIG_BLOCK, &set, &old);
    kill(getpid(), SIGUSR2);
    kill(getpid(), SIGUSR2);
    sigpending(&pending);
    printf("blocked: ran %d, pending %d\n", (int)count, sigismember(&pending, SIGUSR2));
    SHOW(sigsuspend(&old));
    printf("after sigsuspend: ran %d, still blocked %d\n", (int)count,
           (sigprocmask(SIG_BLOCK, NULL, &pending), sigismember(&pending, SIGUSR2)));
    sigprocmask(SIG_SETMASK, &old, NULL);
    printf("after unblocking: ran %d\n", (int)count);
    SHOW(sigprocmask(99, &set, NULL));
    SHOW(kill(getpid(), 0));
    SHOW(kill(getpid(), 65));
    SHOW(kill(999999, SIGTERM));
    struct sigaction ignored = {.sa_handler = SIG_IGN};
    SHOW(sigaction(SIGKILL, &ignored, NULL));
}

static void fault_and_stack(void)
{
    stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate};
    SHOW(sigaltstack(&stack, NULL));
    install(SIGUSR1, SA_ONSTACK, handler, NULL);
    raise(SIGUSR1);
    printf("on the alternate stack: %d\n", (int)on_stack);
    install(SIGUSR1, 0, handler, NULL);
    raise(SIGUSR1);
    printf("on the usual stack: %d\n", (int)on_stack);
    install(SIGSEGV, SA_ONSTACK, NULL, handler_info);
    __asm__ volatile("lea 1f(%%rip), %%rbx\n\tmovl $1, 0x10\n1:" ::: "rbx", "memory");
    printf("null write handled: signal %d, code %d, ran %d\n", (int)last, (int)code_seen,
           (int)count);
    signal(SIGSEGV, SIG_DFL);
    install(SIGUSR1, SA_RESETHAND, handler, NULL);
    raise(SIGUSR1);
    struct sigaction now;
    sigaction(SIGUSR1, NULL, &now);
    printf("SA_RESETHAND: ran %d, default again %d\n", (int)count, now.sa_handler == SIG_DFL);
}

static void children(void)
{
    install(SIGCHLD, SA_RESTART, NULL, handler_info);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0)
        _exit(3);
    int status;
    printf("waited for the child: %d\n", waitpid(child, &status, 0) == child);
    while (count == 0)
        sleep_ms(5);
    printf("SIGCHLD: code %d, from the child %d\n", (int)code_seen, sender == child);
    signal(SIGCHLD, SIG_IGN);
    child = fork();
    if (child == 0)
        _exit(0);
    SHOW(waitpid(-1, &status, 0));
    signal(SIGCHLD, SIG_DFL);
    child = fork();
    if (child == 0) {
        for (;;)
            pause();
    }
    kill(child, SIGSTOP);
    waitpid(child, &status, WUNTRACED);
    show_status("stopped child", status);
    kill(child, SIGCONT);
    waitpid(child, &status, WCONTINUED);
    printf("continued: %d\n", WIFCONTINUED(status));
    kill(child, SIGTERM);
    waitpid(child, &status, 0);
    show_status("ended child", status);
}

static void pipes_and_timers(void)
{
    int ends[2];
    pipe(ends);
    close(ends[0]);
    install(SIGPIPE, 0, handler, NULL);
    SHOW(write(ends[1], "x", 1));
    printf("SIGPIPE: ran %d\n", (int)count);
    signal(SIGPIPE, SIG_IGN);
    SHOW(write(ends[1], "x", 1));
    close(ends[1]);
    install(SIGALRM, 0, handler, NULL);
    struct itimerval every = {.it_interval.tv_usec = 20000, .it_value.tv_usec = 20000};
    setitimer(ITIMER_REAL, &every, NULL);
    volatile double x = 1.0; /* no system call in here: the timer must come in from outside */
    double expected = 1.0;
    unsigned long rounds = 0;
    while (count < 10) {
        x = x * 1.000001 + 0.5;
        expected = expected * 1.000001 + 0.5;
        rounds++;
    }
    memset(&every, 0, sizeof every);
    setitimer(ITIMER_REAL, &every, NULL);
    printf("10 alarms in a computing loop; the sums agree: %d, rounds %d\n", x == expected,
           rounds > 1000);
    count = 0;
    alarm(1);
    struct timespec long_time = {.tv_sec = 5}, left;
    show("nanosleep", nanosleep(&long_time, &left));
    printf("left of 5 s: between 3 and 5: %d\n", left.tv_sec >= 3 && left.tv_sec < 5);
    ualarm(50000, 0);
    SHOW(pause());
}

int main(void)
{
    interrupt_read(SA_RESTART, "read with SA_RESTART");
    interrupt_read(0, "read without");
    masks();
    fault_and_stack();
    children();
    pipes_and_timers();
    return 0;
}
