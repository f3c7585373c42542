/* SPDX-License-Identifier: MIT */
#include "kernel_host.h"
#include "arch/arch.h"
#include "arch/x86_64/paging.h"
#include "ipc/fastpath.h"
#include "ipc/syscall.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ARENA_BYTES = 16 << 20, UNTYPED_BITS = 23, ROOT_BITS = 3, LEAVES = 4 };

static uint8_t *arena;
static uint64_t arena_used;
static struct cap *root_slots;
static struct cap *root_cap;
struct tcb *host_main;
uint64_t host_clock, host_user_low, host_user_high = UINT64_MAX;
unsigned host_pieces;
void (*host_between)(struct tcb *caller, unsigned pieces);
uint64_t pte_no_execute;
struct ar_regs host_live;

static void *take(uint64_t bytes, uint64_t alignment)
{
    arena_used = (arena_used + alignment - 1) & ~(alignment - 1);
    void *memory = arena + arena_used;
    arena_used += bytes;
    if (arena_used > ARENA_BYTES)
        abort();
    return memory;
}

/* ---- arch.h ---------------------------------------------------------------------------------- */

uint64_t arch_physical(const void *pointer)
{
    return (uint64_t)((const uint8_t *)pointer - arena) + 4096;
}
void *arch_pointer(uint64_t physical) { return arena + (physical - 4096); }
uint64_t arch_clock_ns(void) { return host_clock; }
uint64_t arch_tsc_per_us(void) { return 1; }
void arch_timer_arm(uint64_t ns) { core.timer_ns = ns; }
void arch_halt(void) { abort(); }
uint64_t arch_cycles_to_ns(uint64_t cycles) { return cycles; }
void arch_vector_init(struct tcb *tcb) { (void)tcb; }
bool arch_space_available(uint64_t count) { return count < 8; }
uint32_t arch_space_init(void *table) { (void)table; return 1; }
static bool is_user(uint64_t address, uint64_t length)
{
    return address >= host_user_low && address <= host_user_high &&
           length <= host_user_high - address;
}
void *arch_user_page(const struct cap *vspace, uint64_t address, bool write)
{
    (void)vspace;
    (void)write;
    uint64_t rest = 4096 - (address & 4095); /* one address space: the host's */
    return is_user(address, host_user_high == UINT64_MAX ? 1 : rest) ? (void *)address : NULL;
}
bool arch_copy_to_user(uint64_t user, const void *from, uint64_t length)
{
    if (!is_user(user, length))
        return false;
    memmove((void *)user, from, length);
    return true;
}
bool arch_copy_from_user(void *to, uint64_t user, uint64_t length)
{
    if (!is_user(user, length))
        return false;
    memmove(to, (void *)user, length);
    return true;
}
void memory_clear(void *memory, uint64_t bytes) { memset(memory, 0, bytes); }
void memory_copy(void *to, const void *from, uint64_t bytes) { memcpy(to, from, bytes); }
void arch_irq_enable(unsigned line, bool enable) { (void)line; (void)enable; }
void arch_port_out(uint16_t port, uint32_t value, unsigned bytes)
{
    (void)port;
    (void)value;
    (void)bytes;
}
uint32_t arch_port_in(uint16_t port) { return port; }
void log_write(const char *text, unsigned length) { fwrite(text, 1, length, stderr); }
void log_threads(void) {}
bool arch_measures(uint64_t words[3]) { (void)words; return false; }
void log_printf(const char *format, ...) { (void)format; }
void kernel_stop(const char *format, ...)
{
    fprintf(stderr, "kernel_stop: %s\n", format);
    abort();
}

/* paging.h: no page tables on the host */
void *space_of_asid(uint32_t asid) { (void)asid; return NULL; }
void space_release(uint32_t asid, void *top) { (void)asid; (void)top; }
uint64_t *space_entry(void *top, uint64_t address, unsigned level)
{
    (void)top;
    (void)address;
    (void)level;
    return NULL;
}
void space_flush(void *top) { (void)top; }
void space_flush_page(void *top, uint64_t address) { (void)top; (void)address; }

/* ---- the machine ----------------------------------------------------------------------------- */

static struct tcb *make_thread(unsigned priority)
{
    struct tcb *tcb = take(1 << AR_TCB_BITS, 4096);
    tcb_init(tcb);
    tcb->buffer = take(4096, 4096);
    cap_copy(&tcb->cspace, root_cap, AR_ALL);
    tcb->priority = (uint8_t)priority;
    tcb->suspended = 0;
    tcb->state = AR_THREAD_READY;
    sched_ready(tcb);
    return tcb;
}

struct tcb *host_thread(ar_cap slot, unsigned priority)
{
    struct tcb *tcb = make_thread(priority);
    struct cap cap = {
        .type = AR_TCB, .rights = AR_ALL, .flags = CAP_ORIGINAL, .object = (uint64_t)tcb};
    cap_insert(host_slot(slot), &cap, NULL);
    return tcb;
}

void host_machine_start(void)
{
    arena = aligned_alloc(4096, ARENA_BYTES);
    memset(arena, 0, ARENA_BYTES);
    arena_used = 0;
    host_clock = 1000;
    host_between = NULL;
    memset(&core, 0, sizeof(core));
    core.timer_ns = AR_NO_DEADLINE;
    root_slots = take(AR_SLOT_SIZE << ROOT_BITS, 4096);
    for (unsigned i = 0; i < LEAVES; i++)
        root_slots[i] = (struct cap){.type = AR_CNODE, .rights = AR_ALL, .size_bits = AR_LEAF_BITS,
                                     .extra = AR_LEAF_SLOTS,
                                     .object = (uint64_t)take(AR_LEAF_SLOTS * AR_SLOT_SIZE, 4096)};
    struct cap root = {.type = AR_CNODE,
                       .rights = AR_ALL,
                       .flags = CAP_ORIGINAL,
                       .size_bits = ROOT_BITS,
                       .extra = 1 << ROOT_BITS,
                       .object = (uint64_t)root_slots};
    root_cap = take(AR_SLOT_SIZE, AR_SLOT_SIZE);
    cap_insert(root_cap, &root, NULL);
    struct cap untyped = {.type = AR_UNTYPED,
                          .rights = AR_ALL,
                          .flags = CAP_ORIGINAL,
                          .size_bits = UNTYPED_BITS,
                          .object = (uint64_t)take(1 << UNTYPED_BITS, 1 << 12)};
    make_thread(0);
    host_main = make_thread(32);
    cap_insert(host_slot(1), &untyped, NULL);
    sched_pick();
}

void host_machine_stop(void)
{
    free(arena);
    arena = NULL;
}

struct cap *host_slot(ar_cap slot)
{
    struct cap *found;
    if (cnode_lookup(root_cap, slot, &found))
        abort();
    return found;
}

static void make_current(struct tcb *tcb)
{
    struct tcb *last = core.current;
    if (last == tcb)
        return;
    sched_unready(tcb);
    core.current = tcb;
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
    case AR_SYS_SIGNAL:
        return fast_signal(regs->rdi);
    default:
        return false;
    }
}

int host_syscall(struct tcb *tcb, enum ar_syscall number, uint64_t target, uint64_t info,
                 const uint64_t words[4], ar_cap reply, uint64_t deadline)
{
    make_current(tcb);
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
        if (!fast_path(tcb))
            syscall_handle();
        host_pieces = pieces;
        host_check_invariants();
        if (tcb->state != AR_THREAD_READY)
            return -1;
        if (tcb->regs.rip == rip)
            return (int)tcb->regs.rax;
        tcb->regs.rip = rip;
        if (host_between)
            host_between(tcb, pieces);
        if (tcb->state != AR_THREAD_READY || tcb->suspended)
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

/* ---- invariants ------------------------------------------------------------------------------ */

static void broken(const char *what)
{
    fprintf(stderr, "kernel invariant broken: %s\n", what);
    abort();
}

static void check_slots(void)
{
    for (unsigned i = 1; i < LEAVES * AR_LEAF_SLOTS; i++) {
        struct cap *slot = host_slot(i), *next;
        if (slot->type == AR_NULL)
            continue;
        next = cap_next(slot);
        if (next &&
            (next->type == AR_NULL || arch_pointer((uint64_t)next->prev * AR_SLOT_SIZE) != slot))
            broken("the derivation list is not linked both ways");
        if (slot->type != AR_GATE || !(slot->flags & CAP_ORIGINAL))
            continue;
        struct gate *gate = (struct gate *)slot->object;
        unsigned copies = 0;
        for (struct cap *at = next; at && at->type == AR_GATE && at->object == slot->object;
             at = cap_next(at))
            copies++;
        if (copies != gate->copies)
            broken("a gate's count is not the number of its copies");
        if (gate->closed && gate->copies)
            broken("a gate with copies is queued as closed");
    }
}

static bool on_queue(const struct tcb_queue *queue, const struct tcb *wanted)
{
    for (const struct tcb *tcb = queue->head; tcb; tcb = tcb->link_next)
        if (tcb == wanted)
            return true;
    return false;
}

static void check_waiting(const struct tcb *tcb)
{
    switch (tcb->state) {
    case AR_THREAD_BLOCKED_CALL:
        if (!tcb->waiting_on || !on_queue(&tcb->waiting_on->senders, tcb))
            broken("a caller is not on its endpoint's queue");
        break;
    case AR_THREAD_BLOCKED_FAULT:
        if (tcb->waiting_on ? !on_queue(&tcb->waiting_on->senders, tcb)
                            : !tcb->reply || tcb->reply->caller != tcb)
            broken("a thread in a fault is neither queued nor held by a reply object");
        break;
    case AR_THREAD_BLOCKED_RECV:
        if (!tcb->waiting_on || !on_queue(&tcb->waiting_on->receivers, tcb) || !tcb->reply ||
            tcb->reply->receiver != tcb)
            broken("a receiver is not on its endpoint's queue");
        if (tcb->waiting_on->senders.head || tcb->waiting_on->closed_head)
            broken("a receiver waits, and so does something for it");
        break;
    case AR_THREAD_BLOCKED_WAIT:
        if (!tcb->waiting_for || !on_queue(&tcb->waiting_for->waiters, tcb))
            broken("a waiter is not on its notification's queue");
        break;
    case AR_THREAD_BLOCKED_REPLY: /* see check_threads */
        break;
    default:
        if (tcb->reply || tcb->waiting_on || tcb->waiting_for)
            broken("a thread that does not wait remembers what for");
    }
}

static void check_threads(void)
{
    for (unsigned priority = 0; priority <= AR_PRIORITY_MAX; priority++) {
        struct tcb *head = core.ready[priority].head;
        if (!!head != !!(core.ready_bits >> priority & 1))
            broken("ready_bits does not say which queues are empty");
        for (struct tcb *tcb = head; tcb; tcb = tcb->link_next)
            if (tcb->state != AR_THREAD_READY || tcb->suspended || !tcb->queued ||
                tcb == core.current)
                broken("a thread on a ready queue is not ready");
    }
    for (struct tcb *tcb = core.all_threads; tcb; tcb = tcb->all_next) {
        if (tcb->state == AR_THREAD_READY && !tcb->suspended && !tcb->queued && tcb != core.current)
            broken("a ready thread is on no queue");
        if (tcb->state == AR_THREAD_BLOCKED_REPLY && (!tcb->reply || tcb->reply->caller != tcb))
            broken("a thread waits for a reply that no reply object owes");
        if (tcb->state == AR_THREAD_READY && tcb->deadline != AR_NO_DEADLINE)
            broken("a ready thread has a deadline");
        if (tcb->state != AR_THREAD_READY && tcb->queued)
            broken("a thread that is not ready is on a ready queue");
        if (!tcb->buffer ||
            (tcb->ipc_frame.type == AR_FRAME && (uint64_t)tcb->buffer != tcb->ipc_frame.object))
            broken("a thread's IPC buffer is not its frame");
        check_waiting(tcb);
    }
}

void host_check_invariants(void)
{
    check_slots();
    check_threads();
}
