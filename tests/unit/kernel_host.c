/*
 * The host machine: memory, arch.h, threads and their system calls. SPDX-License-Identifier: MIT
 */
#include "kernel_host.h"
#include "arch/arch.h"
#include "kernel_check.h"
#include "ipc/fastpath.h"
#include "ipc/ipc.h"
#include <sanitizer/asan_interface.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ARENA_BYTES = 12 << 20, UNTYPED_BITS = 23, ROOT_BITS = 3, LEAVES = 4, LARGE = 2 << 20 };

struct host_arena host_arena;
struct host_boot host_boot;
static struct cap *root_slots, *root_cap;
struct tcb *host_main;
uint64_t host_clock, host_user_low, host_user_high = UINT64_MAX;
void (*host_on_halt)(void);
unsigned host_pieces, host_irq_enabled;
void (*host_between)(struct tcb *caller, unsigned pieces);
struct ar_regs host_live;
static bool all_readable;
FILE *host_log;
static uint64_t log_put, log_taken; /* bytes written ever, and taken by the serial line */

/* ---- memory ------------------------------------------------------------------------------------ */

void host_memory_start(uint64_t bytes)
{
    if (bytes != host_arena.bytes) {
        host_memory_stop();
        host_arena.base = aligned_alloc(LARGE, bytes);
        host_arena.bytes = bytes;
    }
    ASAN_POISON_MEMORY_REGION(host_arena.base, bytes);
    host_arena.boot_used = 0;
    host_boot = (struct host_boot){0};
    host_clock = 1000;
    host_irq_enabled = 0;
    host_between = NULL;
    log_put = log_taken = 0;
    all_readable = false;
    memset(&core, 0, sizeof(core));
    core.timer_ns = AR_NO_DEADLINE;
    core.space = HOST_NO_SPACE;
    host_pages_start();
    host_check_start();
}

void host_memory_stop(void)
{
    if (host_arena.base)
        ASAN_UNPOISON_MEMORY_REGION(host_arena.base, host_arena.bytes);
    free(host_arena.base);
    host_arena = (struct host_arena){0};
}

static void *take(uint64_t bytes, uint64_t alignment)
{
    uint64_t start = (host_arena.boot_used + alignment - 1) & ~(alignment - 1);
    host_arena.boot_used = start + bytes;
    if (host_arena.boot_used > host_arena.bytes)
        abort();
    return host_arena.base + start;
}

void *host_take(uint64_t bytes, uint64_t alignment)
{
    void *memory = take(bytes, alignment);
    memory_clear(memory, bytes);
    return memory;
}

struct cap *host_take_slots(unsigned count)
{
    struct cap *slots = host_take((uint64_t)count * AR_SLOT_SIZE, 4096);
    if (host_boot.holder_count == HOST_HOLDERS)
        abort();
    host_boot.holders[host_boot.holder_count].slots = slots;
    host_boot.holders[host_boot.holder_count++].count = count;
    return slots;
}

uint64_t host_take_untyped(unsigned size_bits)
{
    uint64_t start = (uint64_t)take(1ull << size_bits, 1ull << size_bits);
    if (host_boot.pool_count == HOST_POOLS)
        abort();
    host_boot.pools[host_boot.pool_count].start = start;
    host_boot.pools[host_boot.pool_count++].size_bits = size_bits;
    return start;
}

/* ---- arch.h ------------------------------------------------------------------------------------ */

/* Large frames must lie on 2 MiB in physical memory too, and no slot at physical address 0. */
uint64_t arch_physical(const void *pointer)
{
    return (uint64_t)pointer - (uint64_t)host_arena.base + LARGE;
}

void *arch_pointer(uint64_t physical)
{
    static uint64_t nobodys[AR_SLOT_SIZE / 8]; /* derivation.h */
    if (!physical)
        return nobodys;
    return (void *)((uint64_t)host_arena.base + physical - LARGE);
}

uint32_t arch_slot_link(const void *slot)
{
    return (uint32_t)(arch_physical(slot) / AR_SLOT_SIZE);
}

uint64_t arch_clock_ns(void) { return host_clock; }
uint64_t arch_tsc_per_us(void) { return 1; }
uint64_t arch_cycles_to_ns(uint64_t cycles) { return cycles; }
void arch_timer_arm(uint64_t ns) { core.timer_ns = ns; }

void arch_halt(void)
{
    if (!host_on_halt)
        abort();
    host_on_halt();
}

void arch_vector_init(struct tcb *tcb) { (void)tcb; }

/* What is cleared is about to be used. Until then ASan catches every access. */
void memory_clear(void *memory, uint64_t bytes)
{
    ASAN_UNPOISON_MEMORY_REGION(memory, bytes);
    memset(memory, 0, bytes);
}

void *host_memory(uint64_t *bytes)
{
    *bytes = host_arena.bytes;
    all_readable = true;
    ASAN_UNPOISON_MEMORY_REGION(host_arena.base, host_arena.bytes);
    return host_arena.base;
}

void host_poison(uint64_t address, uint64_t bytes, bool poison)
{
    if (poison && !all_readable)
        ASAN_POISON_MEMORY_REGION((void *)address, bytes);
    else if (!poison)
        ASAN_UNPOISON_MEMORY_REGION((void *)address, bytes);
}

void host_scribble(void *memory, int value, uint64_t bytes)
{
    ASAN_UNPOISON_MEMORY_REGION(memory, bytes);
    memset(memory, value, bytes);
}

void memory_copy(void *to, const void *from, uint64_t bytes) { memmove(to, from, bytes); }
void arch_irq_enable(unsigned line, bool enable)
{
    host_irq_enabled = (host_irq_enabled & ~(1u << line)) | (unsigned)enable << line;
}
void arch_port_out(uint16_t port, uint32_t value, unsigned bytes)
{
    (void)port;
    (void)value;
    (void)bytes;
}
uint32_t arch_port_in(uint16_t port) { return port; }
void arch_port_out_many(uint16_t port, const char *bytes, unsigned count)
{
    (void)port;
    (void)bytes;
    (void)count;
}
bool arch_measures(uint64_t words[3]) { (void)words; return false; }

/* A serial line that takes 16 bytes at a time. */
bool log_room(unsigned bytes) { return log_put - log_taken + bytes <= 2048; }
uint64_t log_end(void) { return log_put; }
bool log_pending(void) { return log_put != log_taken || core.listing; }
bool log_drain(uint64_t end)
{
    log_taken = log_put - log_taken > 16 ? log_taken + 16 : log_put;
    return log_taken >= end || end > log_put;
}
void log_write(const char *text, unsigned length)
{
    log_put += length;
    if (host_log)
        fwrite(text, 1, length, host_log);
}
void log_printf(const char *format, ...)
{
    char line[1024];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof(line) - 1, format, arguments);
    va_end(arguments);
    line[length++] = '\n';
    log_write(line, (unsigned)length);
}

void kernel_stop(const char *format, ...)
{
    fprintf(stderr, "kernel_stop: %s\n", format);
    abort();
}

/* ---- threads ----------------------------------------------------------------------------------- */

static struct tcb *take_thread(unsigned priority)
{
    struct tcb *tcb = host_take(1 << AR_TCB_BITS, 4096);
    tcb_init(tcb);
    tcb->regs.rip = 0x1000;
    tcb->buffer = host_take(4096, 4096);
    tcb->priority = (uint8_t)priority;
    return tcb;
}

struct tcb *host_take_thread(unsigned priority)
{
    if (host_boot.thread_count == HOST_HOLDERS)
        abort();
    return host_boot.threads[host_boot.thread_count++] = take_thread(priority);
}

static struct tcb *start_thread(struct tcb *tcb)
{
    cap_copy(&tcb->cspace, root_cap, AR_ALL);
    tcb->suspended = 0;
    tcb->state = AR_THREAD_READY;
    sched_ready(tcb);
    return tcb;
}

struct tcb *host_thread(ar_cap slot, unsigned priority)
{
    struct tcb *tcb = start_thread(take_thread(priority));
    struct cap cap = {
        .type = AR_TCB, .rights = AR_ALL, .flags = CAP_ORIGINAL, .object = (uint64_t)tcb};
    cap_insert(host_slot(slot), &cap, NULL);
    return tcb;
}

/* ---- the machine of the unit tests ------------------------------------------------------------- */

void host_machine_start(void)
{
    host_memory_start(ARENA_BYTES);
    uint64_t pool = host_take_untyped(UNTYPED_BITS);
    root_cap = host_take_slots(1);
    root_slots = host_take_slots(1 << ROOT_BITS);
    for (unsigned i = 0; i < LEAVES; i++) {
        struct cap leaf = {.type = AR_CNODE, .rights = AR_ALL, .size_bits = AR_LEAF_BITS,
                           .extra = AR_LEAF_SLOTS,
                           .object = (uint64_t)host_take_slots(AR_LEAF_SLOTS)};
        cap_insert(&root_slots[i], &leaf, NULL);
    }
    struct cap root = {.type = AR_CNODE,
                       .rights = AR_ALL,
                       .flags = CAP_ORIGINAL,
                       .size_bits = ROOT_BITS,
                       .extra = 1 << ROOT_BITS,
                       .object = (uint64_t)root_slots};
    cap_insert(root_cap, &root, NULL);
    start_thread(host_take_thread(0));
    host_main = start_thread(host_take_thread(32));
    struct cap untyped = {.type = AR_UNTYPED,
                          .rights = AR_ALL,
                          .flags = CAP_ORIGINAL,
                          .size_bits = UNTYPED_BITS,
                          .object = pool};
    cap_insert(host_slot(1), &untyped, NULL);
    sched_pick();
}

void host_machine_stop(void)
{
    host_memory_stop();
}

struct cap *host_slot(ar_cap slot)
{
    struct cap *found = cnode_slot(root_cap, slot);
    if (!found)
        abort();
    return found;
}

void host_device(ar_cap slot, unsigned size_bits)
{
    struct cap cap = {.type = AR_UNTYPED,
                      .rights = AR_ALL,
                      .flags = CAP_ORIGINAL | CAP_DEVICE,
                      .size_bits = (uint8_t)size_bits,
                      .object = host_take_untyped(size_bits)};
    cap_insert(host_slot(slot), &cap, NULL);
}

/* Threads of the unit tests run when a test says so, not when they are picked. */
static void make_current(struct tcb *tcb)
{
    struct tcb *last = core.current;
    if (last == tcb)
        return;
    sched_unready(tcb);
    arch_switch(last, tcb);
    if (last)
        sched_ready(last);
}

/* What entry.asm does with the system calls that have a fast path. */
static bool fast_path(struct tcb *tcb)
{
    struct ar_regs *regs = &tcb->regs;
    host_live = *regs;
    switch (regs->rax) {
    case AR_SYS_CALL:
        return fast_call(regs->rdi, regs->rsi);
    case AR_SYS_REPLY_RECV:
        return fast_reply_receive(regs->rdi, regs->rsi);
    case AR_SYS_RECV:
        return fast_receive(regs->rdi);
    case AR_SYS_SIGNAL:
        return fast_signal(regs->rdi);
    case AR_SYS_INVOKE:
        return fast_delete(regs->rdi, regs->rsi, regs->rdx);
    default:
        return false;
    }
}

void host_enter(void)
{
    core.current->full_restore = 0;
    if (!fast_path(core.current))
        syscall_handle();
}

/* After each step of a small machine; a test that makes thousands of objects checks them less
 * often, so that the time a test takes does not grow with their square. */
static void check_now_and_then(void)
{
    static unsigned pause;
    if (pause) {
        pause--;
        return;
    }
    host_check_invariants();
    pause = host_check_size() / 512;
}

/* A thread that deleted itself is only memory, and nobody's. */
static bool can_run(const struct tcb *wanted)
{
    for (const struct tcb *tcb = core.all_threads; tcb; tcb = tcb->all_next)
        if (tcb == wanted)
            return tcb->state == AR_THREAD_READY;
    return false;
}

int host_syscall(struct tcb *tcb, enum ar_syscall number, uint64_t target, uint64_t info,
                 const uint64_t words[4], ar_cap reply, uint64_t deadline)
{
    make_current(tcb);
    if (tcb->regs.rip < 2)
        tcb->regs.rip = 0x1000; /* behind an instruction */
    tcb->regs.rax = number;
    tcb->regs.rdi = target;
    tcb->regs.rsi = info;
    tcb->regs.rdx = words ? words[0] : 0;
    tcb->regs.r10 = words ? words[1] : 0;
    tcb->regs.r8 = words ? words[2] : 0;
    tcb->regs.r9 = words ? words[3] : 0;
    tcb->regs.r12 = reply;
    tcb->regs.r13 = deadline;
    for (unsigned pieces = 1;; pieces++) {
        uint64_t rip = tcb->regs.rip;
        host_enter();
        host_pieces = pieces;
        check_now_and_then();
        if (!can_run(tcb))
            return -1;
        if (tcb->regs.rip == rip)
            return (int)tcb->regs.rax;
        tcb->regs.rip = rip;
        if (host_between)
            host_between(tcb, pieces);
        if (!can_run(tcb) || tcb->suspended)
            return -1;
        make_current(tcb);
    }
}

int host_invoke(struct tcb *tcb, ar_cap target, enum ar_invocation label, uint64_t w0, uint64_t w1,
                uint64_t w2, uint64_t w3)
{
    return host_syscall(tcb, AR_SYS_INVOKE, target, AR_INFO(label, 4, 0, 0, 0),
                        (uint64_t[]){w0, w1, w2, w3}, 0, 0);
}
