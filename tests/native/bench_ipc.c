/*
 * What messages, signals and faults cost, in TSC ticks: under icount one tick is one instruction,
 * stubs and loop included. SPDX-License-Identifier: MIT
 *
 * Client and server are threads of one priority in two address spaces, as small as such loops can
 * be. Each row prints `row NAME ticks-a-round`, `spaces NAME CR3-writes-a-round` when the kernel
 * measures, and once `ticks-per-us N`.
 */
#include "native.h"

enum { CAPS = 64, LABEL = AR_LABEL_USER, PRIORITY = 63 };

static uint64_t rounds; /* of what is measured; a tenth of it before */
static ar_cap endpoint, gate, reply, own_gate, ping, pong, caps_from, caps_to;

/* ---- stubs ----------------------------------------------------------------------------------- */

/* The words are constants: 0 for the row without words costs what a stub without words costs. */
static inline void call(ar_cap target, uint64_t info)
{
    uint64_t rax = AR_SYS_CALL, rdi = target, rsi = info;
    __asm__ volatile("syscall"
                     : "+a"(rax), "+D"(rdi), "+S"(rsi)
                     :
                     : "rcx", "r11", "rdx", "r8", "r9", "r10", "memory");
    if (__builtin_expect(rax, 0))
        native_equal("call", rax, AR_OK);
}

static inline void call_4_words(ar_cap target, uint64_t info)
{
    uint64_t rax = AR_SYS_CALL, rdi = target, rsi = info, rdx = 1;
    register uint64_t r10 __asm__("r10") = 2;
    register uint64_t r8 __asm__("r8") = 3;
    register uint64_t r9 __asm__("r9") = 4;
    __asm__ volatile("syscall"
                     : "+a"(rax), "+D"(rdi), "+S"(rsi), "+d"(rdx), "+r"(r10), "+r"(r8), "+r"(r9)
                     :
                     : "rcx", "r11", "memory");
    if (__builtin_expect(rax, 0))
        native_equal("call", rax, AR_OK);
}

/* Reply and receive for ever; `info` is every reply's. `prepare` runs before each. */
#define SERVE(info_, prepare)                                                                      \
    do {                                                                                           \
        register uint64_t r12 __asm__("r12") = reply;                                              \
        register uint64_t r13 __asm__("r13") = AR_NO_DEADLINE;                                     \
        ar_cap slot_ = endpoint;                                                                   \
        for (;;) {                                                                                 \
            uint64_t rax = AR_SYS_REPLY_RECV, rdi = slot_, rsi = (info_);                          \
            prepare;                                                                               \
            __asm__ volatile("syscall"                                                             \
                             : "+a"(rax), "+D"(rdi), "+S"(rsi), "+r"(r12), "+r"(r13)               \
                             :                                                                     \
                             : "rcx", "r11", "rdx", "rbx", "r8", "r9", "r10", "memory");           \
        }                                                                                          \
    } while (0)

static void serve(uint64_t words)
{
    SERVE(AR_INFO(0, words, 0, 0, 0), );
}

static void serve_10_words(uint64_t unused)
{
    (void)unused;
    struct ar_ipc_buffer *buffer = native_buffer();
    SERVE(AR_INFO(0, 10, 0, 0, 0), for (unsigned i = 4; i < 10; i++) buffer->words[i] = i);
}

/* Each call's capability goes into the next slot. */
static void serve_caps(uint64_t unused)
{
    (void)unused;
    struct ar_ipc_buffer *buffer = native_buffer();
    buffer->recv_slot_count = 1;
    uint64_t next = caps_to;
    SERVE(AR_INFO(0, 0, 0, 0, 0), buffer->recv_slots[0] = next++);
}

static inline void signal_bits(ar_cap notification)
{
    uint64_t rax = AR_SYS_SIGNAL, rdi = notification, rdx = 1;
    __asm__ volatile("syscall"
                     : "+a"(rax), "+D"(rdi), "+d"(rdx)
                     :
                     : "rcx", "r11", "rsi", "r8", "r9", "r10", "memory");
}

static inline void wait_bits(ar_cap notification)
{
    register uint64_t r13 __asm__("r13") = AR_NO_DEADLINE;
    uint64_t rax = AR_SYS_WAIT, rdi = notification, rdx;
    __asm__ volatile("syscall"
                     : "+a"(rax), "+D"(rdi), "=d"(rdx), "+r"(r13)
                     :
                     : "rcx", "r11", "rsi", "r8", "r9", "r10", "memory");
}

static void answer_signals(uint64_t unused)
{
    (void)unused;
    for (;;) {
        wait_bits(ping);
        signal_bits(pong);
    }
}

/* ---- rows ------------------------------------------------------------------------------------ */

static uint64_t start_ticks, start_spaces;

static bool spaces_now(uint64_t *spaces)
{
    struct ar_message m;
    if (!native_parameter("measure", 0) ||
        ar_invoke(AR_INIT_LOG, AR_LOG_MEASURES, 0, 0, 0, 0, 0, &m))
        return false;
    *spaces = m.words[1];
    return true;
}

static void row_begin(void)
{
    spaces_now(&start_spaces);
    start_ticks = native_ticks();
}

static void row_end(const char *name, uint64_t count)
{
    uint64_t ticks = native_ticks() - start_ticks, spaces;
    native_print("row %s %lu.%lu\n", name, ticks / count, ticks * 10 / count % 10);
    if (spaces_now(&spaces))
        native_print("spaces %s %lu.%lu\n", name, (spaces - start_spaces) / count,
                     (spaces - start_spaces) * 10 / count % 10);
}

#define ROW(name, operation)                                                                       \
    do {                                                                                           \
        for (uint64_t i = 0; i < rounds / 10; i++)                                                      \
            operation;                                                                             \
        row_begin();                                                                               \
        for (uint64_t i = 0; i < rounds; i++)                                                           \
            operation;                                                                             \
        row_end(name, rounds);                                                                     \
    } while (0)

static ar_cap new_space(void)
{
    ar_cap space = native_space();
    native_load(space);
    return space;
}

/* Like a server, without vector registers. */
static void thread_start(native_entry *entry, uint64_t argument, ar_cap space)
{
    struct native_thread_plan plan = {.space = space, .no_vector = true};
    struct native_thread thread = native_thread_make(&plan);
    native_thread_run(&thread, entry, argument, PRIORITY);
}

/* The server's thread starts with a reply to nobody, which is no error. */
static void serve_with(native_entry *entry, uint64_t argument, ar_cap space)
{
    endpoint = native_retype(AR_ENDPOINT, 0);
    gate = native_copy(native_gate(endpoint, 1), AR_SEND);
    own_gate = native_copy(native_gate(endpoint, 2), AR_SEND);
    reply = native_retype(AR_REPLY, 0);
    if (!space)
        space = new_space();
    thread_start(entry, argument, space);
    ar_yield();
}

static void bench_calls(void)
{
    struct ar_ipc_buffer *buffer = native_buffer();
    uint64_t target;
    serve_with(serve, 0, 0);
    target = gate;
    ROW("call-0", call(target, AR_INFO(LABEL, 0, 0, 0, 0)));
    serve_with(serve, 4, 0);
    target = gate;
    ROW("call-4", call_4_words(target, AR_INFO(LABEL, 4, 0, 0, 0)));
    serve_with(serve_10_words, 0, 0);
    target = gate;
    ROW("call-10", ({
            for (unsigned w = 4; w < 10; w++)
                buffer->words[w] = w;
            call_4_words(target, AR_INFO(LABEL, 10, 0, 0, 0));
        }));
}

static void bench_caps(void)
{
    struct ar_ipc_buffer *buffer = native_buffer();
    uint64_t target, own;
    serve_with(serve, 0, 0);
    target = gate;
    own = own_gate;
    ROW("call-unwrap", ({
            buffer->caps_out[0] = own;
            call(target, AR_INFO(LABEL, 0, 1, 0, 0));
        }));
    caps_from = native_slots(CAPS);
    caps_to = native_slots(CAPS);
    for (unsigned i = 0; i < CAPS; i++)
        native_ok("copy", ar_cap_copy(AR_CAP_SELF, caps_from + i, AR_CAP_SELF, ping, AR_ALL));
    serve_with(serve_caps, 0, 0);
    target = gate;
    uint64_t from = caps_from;
    row_begin();
    for (unsigned i = 0; i < CAPS; i++) {
        buffer->caps_out[0] = from++ | AR_CAP_MOVE;
        call(target, AR_INFO(LABEL, 0, 1, 0, 0));
    }
    row_end("call-move", CAPS);
}

static void bench_notifications(void)
{
    uint64_t there = ping, back = pong;
    ROW("signal", signal_bits(there));
    wait_bits(there);
    thread_start(answer_signals, 0, new_space());
    ar_yield();
    ROW("ping-pong", ({
            signal_bits(there);
            wait_bits(back);
        }));
}

/* ---- exceptions and foreign calls ------------------------------------------------------------ */

static uint64_t fault_ticks;

/* The breakpoint's fault message is answered by the server, and the thread goes on behind it. */
static void breakpoints(uint64_t shared)
{
    for (uint64_t i = 0; i < rounds / 10; i++)
        __asm__ volatile("int3");
    uint64_t start = native_ticks();
    for (uint64_t i = 0; i < rounds; i++)
        __asm__ volatile("int3");
    *(volatile uint64_t *)shared = native_ticks() - start;
    ar_signal(pong, 1);
}

static void bench_faults(void)
{
    serve_with(serve, 0, 0);
    struct native_thread_plan plan = {
        .space = new_space(), .fault_gate = gate, .no_vector = true};
    native_share(plan.space, NATIVE_FREE, 1);
    struct native_thread thread = native_thread_make(&plan);
    spaces_now(&start_spaces);
    native_thread_run(&thread, breakpoints, NATIVE_FREE, PRIORITY);
    wait_bits(pong);
    fault_ticks = *(volatile uint64_t *)NATIVE_FREE;
    native_print("row exception %lu.%lu\n", fault_ticks / rounds,
                 fault_ticks * 10 / rounds % 10);
    uint64_t spaces;
    if (spaces_now(&spaces))
        native_print("spaces exception %lu.0\n", (spaces - start_spaces) / (rounds + rounds / 10));
}

extern const char foreign_handler[];
__asm__(".globl foreign_handler\n"
        "foreign_handler:\n\t"
        "jmp *%r15\n"); /* the program keeps its next address there: nothing to look up */

/* USER_INSTRUCTIONS of each round are not the kernel's: lea, syscall, jmp, dec, jnz. */
enum { USER_INSTRUCTIONS = 5 };

static void foreign_calls(uint64_t shared)
{
    uint64_t start = native_ticks(), left = rounds;
    __asm__ volatile("1:\tleaq 2f(%%rip), %%r15\n\t"
                     "syscall\n"
                     "2:\tdecq %0\n\t"
                     "jnz 1b"
                     : "+r"(left)
                     :
                     : "rax", "rcx", "r11", "r15", "memory");
    *(volatile uint64_t *)shared = native_ticks() - start;
    for (;;)
        __asm__ volatile("pause");
}

static void bench_foreign(void)
{
    struct native_thread_plan plan = {0};
    struct native_thread thread = native_thread_make(&plan);
    volatile uint64_t ticks = 0;
    native_ok("foreign handler", ar_invoke4(thread.tcb, AR_TCB_SET_FOREIGN,
                                            (uint64_t)foreign_handler, 0x1000, 0x2000, 0));
    native_thread_run(&thread, foreign_calls, (uint64_t)&ticks, PRIORITY);
    while (!ticks)
        ar_yield();
    native_ok("suspend", ar_invoke4(thread.tcb, AR_TCB_SUSPEND, 0, 0, 0, 0));
    native_print("row foreign %lu.%lu\n", ticks / rounds - USER_INSTRUCTIONS,
                 ticks * 10 / rounds % 10);
}

void native_main(const struct ar_boot_info *boot)
{
    rounds = native_parameter("rounds", 2000);
    native_print("ticks-per-us %lu\n", boot->tsc_per_us);
    ping = native_retype(AR_NOTIFICATION, 0);
    pong = native_retype(AR_NOTIFICATION, 0);
    bench_calls();
    bench_caps();
    bench_notifications();
    bench_faults();
    bench_foreign();
    native_pass();
}
