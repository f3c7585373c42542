/*
 * Signals at the worst moments: garbage stacks, garbage frames, gates moved away.
 * SPDX-License-Identifier: MIT
 *
 * sigfuzz SEED ROUNDS. Each attempt is a child that may end by a signal or exit as it likes; the
 * system and this program must go on. The last part makes native calls that move this process's
 * own descriptors to the servers that made them.
 */
#include "hostile.h"
#include <ucontext.h>

static uint64_t state = 1;

static uint64_t next_random(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state >> 5;
}

static uint64_t garbage(void)
{
    static const uint64_t odd[] = {0,
                                   1,
                                   8,
                                   0x1000,
                                   0x600000000000,
                                   0x600010001000,
                                   0x7ffffffff000,
                                   0x7fffffffeff8,
                                   0x800000000000,
                                   0xffff800000000000,
                                   0xffffffff80000000,
                                   ~0ull,
                                   0x8000000000000000};
    return next_random() & 1 ? odd[next_random() % (sizeof odd / sizeof *odd)]
                             : next_random() << (next_random() % 8);
}

static void nothing(int number)
{
    (void)number;
}

/* A stack pointer that is no stack, kept while a timer's signal comes. */
static int bad_stack(void *argument)
{
    uint64_t sp = garbage();
    unsigned char *read_only = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (argument)
        sp = (uint64_t)read_only + 4096 + next_random() % 16;
    signal(SIGALRM, nothing);
    ualarm(3000, 3000);
    __asm__ volatile("mov %0, %%rsp\n\tmov $20000, %%ebx\n" /* getpid, and at last exit_group(0) */
                     "1: mov $39, %%eax\n\tsyscall\n\tdec %%ebx\n\tjnz 1b\n\txor %%edi, "
                     "%%edi\n\tmov $231, %%eax\n\tsyscall"
                     :
                     : "r"(sp)
                     : "rax", "rbx", "rcx", "rdi", "r11", "memory");
    return 0;
}

static void *volatile altstack;

/* The handler's frame with one to four words of garbage in it, then the return over it. */
static void spoil(int number, siginfo_t *info, void *context)
{
    ucontext_t *u = context;
    uint64_t *registers = (uint64_t *)u->uc_mcontext.gregs;
    (void)number;
    (void)info;
    for (unsigned n = 1 + next_random() % 4; n; n--) {
        switch (next_random() % 6) {
        case 0:
            registers[next_random() % 23] = garbage();
            break;
        case 1:
            registers[REG_EFL] = next_random() & 0xffffffff; /* IOPL, NT, TF, AC, VM... */
            break;
        case 2:
            u->uc_mcontext.fpregs = (void *)garbage();
            break;
        case 3: /* control words, MXCSR, the marks, and XSAVE's header */
            if (u->uc_mcontext.fpregs)
                ((uint64_t *)u->uc_mcontext.fpregs)[next_random() % 104] = garbage();
            break;
        case 4:
            registers[REG_CSGSFS] = garbage();
            break;
        default:
            registers[next_random() & 1 ? REG_RIP : REG_RSP] = garbage();
            break;
        }
    }
}

static int bad_frame(void *argument)
{
    struct sigaction action = {.sa_sigaction = spoil, .sa_flags = SA_SIGINFO | SA_NODEFER};
    (void)argument;
    sigaction(SIGUSR1, &action, NULL);
    alarm(2);
    for (unsigned i = 0; i < 20; i++) {
        volatile double vector = (double)i * 1.5;
        (void)vector;
        raise(SIGUSR1);
    }
    return 0;
}

/* rt_sigreturn out of nothing at all. */
static int no_frame(void *argument)
{
    static uint64_t frame[512] __attribute__((aligned(64)));
    uint64_t sp = argument ? garbage() : (uint64_t)&frame[next_random() % 64];
    for (unsigned i = 0; i < 512; i++)
        frame[i] = next_random() & 1 ? garbage() : (uint64_t)frame + next_random() % 4096;
    alarm(2);
    __asm__ volatile("mov %0, %%rsp\n\tmov $15, %%eax\n\tsyscall\n\tud2"
                     :
                     : "r"(sp)
                     : "rax", "memory");
    return 0;
}

static int bad_altstack(void *argument)
{
    struct sigaction action = {.sa_handler = nothing, .sa_flags = SA_ONSTACK};
    (void)argument;
    altstack = (void *)garbage();
    syscall(SYS_sigaltstack,
            &(stack_t){.ss_sp = altstack, .ss_size = 4096 + next_random() % 100000}, NULL);
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
    return 0;
}

/* Calls that move the descriptor they are made on, or another, to its own server. The kernel
 * closes the gate on the way. */
static int move_gates(void *argument)
{
    int pair[2];
    (void)argument;
    alarm(4);
    for (unsigned i = 0; i < 60; i++) {
        socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
        int file = open("/etc/passwd", O_RDONLY);
        uint64_t slots[] = {POSIX_SLOT_FD + pair[0], POSIX_SLOT_FD + pair[1], POSIX_SLOT_FD + file,
                            POSIX_SLOT_FILED, POSIX_SLOT_SOCKD};
        unsigned caps = 1 + next_random() % 3;
        for (unsigned c = 0; c < caps; c++)
            HOSTILE_BUFFER->caps_out[c] = slots[(next_random() + c) % 3] | AR_CAP_MOVE;
        HOSTILE_BUFFER->recv_slot_count = 0;
        uint64_t label = (1 + next_random() % 4) << 8 | next_random() % 34;
        struct native call = {.rax = AR_SYS_CALL,
                              .rdi = slots[next_random() % 5],
                              .rdx = next_random() % 4,
                              .rsi = AR_INFO(label, next_random() % 8, caps, 0, 0),
                              .rbx = (uint64_t)HOSTILE_BUFFER,
                              .r12 = (uint64_t)HOSTILE_BUFFER};
        native_call(&call);
    }
    return 0;
}

/* Every kind of ending is right; only a child that does not end is not (each has an alarm or
 * ends by itself). */
static void attempt(int (*body)(void *), void *argument)
{
    next_random();
    pid_t pid = fork();
    if (pid == 0) {
        close(2);
        _exit(body(argument));
    }
    for (unsigned i = 0; i < 300; i++) {
        if (waitpid(pid, NULL, WNOHANG) == pid)
            return;
        sleep_ms(10);
    }
    printf("stuck: killed %d\n", (int)pid);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

int main(int argc, char **argv)
{
    unsigned rounds = argc > 2 ? (unsigned)atoi(argv[2]) : 10;
    int native = argc > 3 ? -1 : native_find(), pair[2];
    state = argc > 1 ? strtoull(argv[1], NULL, 0) * 0x9e3779b97f4a7c15ull | 1 : 1;
    for (unsigned i = 0; i < rounds; i++) {
        attempt(bad_stack, NULL);
        attempt(bad_stack, "read-only");
        attempt(bad_frame, NULL);
        attempt(bad_frame, NULL);
        attempt(no_frame, NULL);
        attempt(no_frame, "anywhere");
        attempt(bad_altstack, NULL);
        if (native == 0)
            attempt(move_gates, NULL);
    }
    char room[6] = "";
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    write(pair[0], "alive", 5);
    read(pair[1], room, 5);
    printf("afterwards: %s, native calls %s\n", room, native == 0 ? "made" : "not found");
    return 0;
}
