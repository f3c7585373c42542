/*
 * The runtime held against the kernel: what every other native program takes for granted.
 * SPDX-License-Identifier: MIT
 */
#include "native.h"

enum { LABEL = AR_LABEL_USER + 7, SHARED_WORDS = 8, DONE = 1 };
#define SHARED NATIVE_FREE

static uint64_t global = 41;
static const uint64_t constant = 0x1234;
static ar_cap endpoint, gate, done;

/* In another space, with its own copies of the globals: calls the server below. */
static void client(uint64_t argument)
{
    struct ar_message m = {.badge = gate,
                           .info = AR_INFO(LABEL, 6, 0, 0, 0),
                           .words = {argument, global, constant, (uint64_t)native_buffer()}};
    global = 1000;
    native_buffer()->words[4] = 4;
    native_buffer()->words[5] = 5;
    native_ok("call", ar_syscall(AR_SYS_CALL, &m, 0, 0));
    native_equal("word 0 of the reply", m.words[0], argument + 1);
    native_equal("word 5 of the reply", native_buffer()->words[5], 6);
    *(volatile uint64_t *)SHARED = 77;
    native_ok("signal", ar_signal(done, DONE));
}

static void serve_one(struct native_thread *thread)
{
    struct ar_message m = {.badge = endpoint};
    ar_cap reply = native_retype(AR_REPLY, 0);
    native_ok("receive", ar_syscall(AR_SYS_RECV, &m, reply, AR_NO_DEADLINE));
    native_equal("badge", m.badge, 99);
    native_equal("label", AR_INFO_LABEL(m.info), LABEL);
    native_equal("argument", m.words[0], 5);
    native_equal("the global as it was at the load", m.words[1], 42);
    native_equal("the constant", m.words[2], constant);
    native_equal("the thread's own buffer", m.words[3], (uint64_t)thread->buffer);
    native_equal("word 5", native_buffer()->words[5], 5);
    m = (struct ar_message){.badge = reply, .info = AR_INFO(0, 6, 0, 0, 0), .words = {6}};
    native_buffer()->words[5] = 6;
    native_ok("reply", ar_syscall(AR_SYS_REPLY, &m, 0, 0));
}

static void call_another_space(void)
{
    uint64_t bits;
    ar_cap space = native_space();
    global = 42;
    native_load(space);
    native_share(space, SHARED, 1);
    struct native_thread thread = native_thread_start(client, 5, 10, space);
    serve_one(&thread);
    native_ok("wait", ar_wait(done, AR_NO_DEADLINE, &bits));
    native_equal("bits", bits, DONE);
    native_equal("the page shared", *(volatile uint64_t *)SHARED, 77);
    native_equal("our own global", global, 42);
}

static void count_up(uint64_t argument)
{
    __atomic_fetch_add((uint64_t *)argument, 1, __ATOMIC_SEQ_CST);
    ar_signal(done, DONE);
}

/* Returning from the entry suspends the thread. */
static void return_from_entry(void)
{
    uint64_t counter = 0, bits;
    struct ar_message m;
    struct native_thread thread = native_thread_start(count_up, (uint64_t)&counter, 63, 0);
    native_ok("wait", ar_wait(done, AR_NO_DEADLINE, &bits));
    for (unsigned i = 0; i < 3; i++)
        ar_yield();
    native_equal("counter", counter, 1);
    native_ok("info", ar_invoke(thread.tcb, AR_TCB_INFO, 0, 0, 0, 0, 0, &m));
    native_equal("suspended", m.words[3], 1);
}

/* A system call with all registers: those that the ABI keeps are kept. */
static void all_registers(void)
{
    struct ar_regs regs = {.rax = AR_SYS_CLOCK};
    uint64_t *word = (uint64_t *)&regs;
    for (unsigned i = 4; i <= 17; i++)
        word[i] = 0x1111111111111111ull * (i - 3) + 5;
    native_raw(&regs);
    native_equal("rax", regs.rax, AR_OK);
    native_check(regs.rdx != 0x4444444444444449ull && regs.rdx, "the clock did not come in rdx");
    for (unsigned i = 4; i <= 17; i++)
        if (i != 5 && i != 6 && i != 12 && i != 13) /* rcx, rdx; r10: word 1; r11 */
            native_check(word[i] == 0x1111111111111111ull * (i - 3) + 5, "register %u is %lx now",
                         i, word[i]);
}

/* More slots than the kernel gives: new leaves, made between. */
static void many_slots(void)
{
    struct ar_message m;
    ar_cap first = native_slots(AR_INIT_SLOTS);
    ar_cap last = first + AR_INIT_SLOTS - 1;
    native_ok("copy far", ar_cap_copy(AR_CAP_SELF, last, AR_CAP_SELF, endpoint, AR_ALL));
    native_ok("inspect", ar_invoke(AR_CAP_SELF, AR_CNODE_INSPECT, last, 0, 0, 0, 1, &m));
    native_equal("type", m.words[0], AR_ENDPOINT);
}

void native_main(const struct ar_boot_info *boot)
{
    native_equal("magic", boot->magic, AR_BOOT_MAGIC);
    native_equal("own buffer", (uint64_t)native_buffer(), AR_BOOT_INFO + 0x1000);
    endpoint = native_retype(AR_ENDPOINT, 0);
    gate = native_copy(native_gate(endpoint, 99), AR_SEND);
    done = native_retype(AR_NOTIFICATION, 0);
    call_another_space();
    return_from_entry();
    all_registers();
    many_slots();
    if (native_parameter("fail", 0)) /* for the test that a failure is one */
        native_equal("what was asked to fail", 1, native_parameter("fail", 0));
}
