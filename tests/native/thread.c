/* Threads of a native program. SPDX-License-Identifier: MIT */
#include "native.h"

#include <string.h>

enum { PAGE = 4096, AREA = 0x10000, STACK_PAGES = 4, STACK_PAGES_MAX = 14, FLAGS = 0x202 };

static unsigned thread_count;

/* Map a fresh page into the thread's space and, when that is another, into this one too. */
static ar_cap both_map(ar_cap space, uint64_t address)
{
    ar_cap frame = native_map(AR_INIT_VSPACE, address, 0, AR_READ | AR_WRITE);
    if (space != AR_INIT_VSPACE)
        native_map(space, address, frame, AR_READ | AR_WRITE);
    return frame;
}

struct native_thread native_thread_make(const struct native_thread_plan *plan)
{
    uint64_t area = NATIVE_THREADS + (uint64_t)thread_count++ * AREA, buffer = area + AREA - PAGE;
    unsigned pages = plan->stack_pages ? plan->stack_pages : STACK_PAGES;
    struct native_thread thread = {.tcb = native_retype(AR_TCB, 0),
                                   .space = plan->space ? plan->space : AR_INIT_VSPACE,
                                   .buffer = (struct ar_ipc_buffer *)buffer,
                                   .stack_top = buffer};
    native_check(pages <= STACK_PAGES_MAX, "a stack has at most %u pages, not %u", STACK_PAGES_MAX,
                 pages);
    for (unsigned i = 1; i <= pages; i++)
        both_map(thread.space, buffer - i * PAGE);
    thread.buffer_frame = both_map(thread.space, buffer);
    native_buffer()->words[4] = plan->fault_gate;
    struct ar_message m = {.badge = thread.tcb,
                           .info = AR_INFO(AR_TCB_CONFIGURE, 5, 0, 0, 0),
                           .words = {plan->cspace ? plan->cspace : AR_INIT_CNODE, thread.space,
                                     thread.buffer_frame, buffer}};
    native_ok("configure a thread", ar_syscall(AR_SYS_INVOKE, &m, 0, 0));
    if (plan->no_vector)
        native_ok("take vector registers", ar_invoke4(thread.tcb, AR_TCB_SET_VECTOR, 0, 0, 0, 0));
    return thread;
}

void native_write_regs(ar_cap tcb, const struct ar_regs *regs)
{
    const uint64_t *word = (const uint64_t *)regs;
    struct ar_message m = {.badge = tcb,
                           .info = AR_INFO(AR_TCB_WRITE_REGS, AR_REGS_WORDS, 0, 0, 0),
                           .words = {word[0], word[1], word[2], word[3]}};
    memcpy(&native_buffer()->words[4], &word[4], (AR_REGS_WORDS - 4) * sizeof(*word));
    native_ok("write registers", ar_syscall(AR_SYS_INVOKE, &m, 0, 0));
}

void native_read_regs(ar_cap tcb, struct ar_regs *regs)
{
    uint64_t *word = (uint64_t *)regs;
    struct ar_message m;
    native_ok("read registers", ar_invoke(tcb, AR_TCB_READ_REGS, 0, 0, 0, 0, 0, &m));
    memcpy(word, m.words, sizeof(m.words));
    memcpy(&word[4], &native_buffer()->words[4], (AR_REGS_WORDS - 4) * sizeof(*word));
}

/* Where every thread starts. */
static _Noreturn void thread_main(native_entry *entry, uint64_t argument, ar_cap tcb)
{
    entry(argument);
    for (;;)
        ar_invoke4(tcb, AR_TCB_SUSPEND, 0, 0, 0, 0);
}

void native_thread_run(const struct native_thread *thread, native_entry *entry, uint64_t argument,
                       unsigned priority)
{
    struct ar_regs regs = {.rip = (uint64_t)thread_main,
                           .rsp = thread->stack_top - 8, /* as after a call */
                           .rflags = FLAGS,
                           .rdi = (uint64_t)entry,
                           .rsi = argument,
                           .rdx = thread->tcb,
                           .gs_base = (uint64_t)thread->buffer};
    native_write_regs(thread->tcb, &regs);
    native_ok("set a priority",
              ar_invoke4(thread->tcb, AR_TCB_SET_PRIORITY, priority, 0, 0, 0));
    native_ok("start a thread", ar_invoke4(thread->tcb, AR_TCB_RESUME, 0, 0, 0, 0));
}

struct native_thread native_thread_start(native_entry *entry, uint64_t argument, unsigned priority,
                                         ar_cap space)
{
    struct native_thread thread = native_thread_make(&(struct native_thread_plan){.space = space});
    native_thread_run(&thread, entry, argument, priority);
    return thread;
}

void native_sleep(uint64_t ns)
{
    static ar_cap never;
    uint64_t bits;
    if (!never)
        never = native_retype(AR_NOTIFICATION, 0);
    native_equal("sleep", ar_wait(never, ar_clock_ns() + ns, &bits), AR_ERR_TIMEOUT);
}
