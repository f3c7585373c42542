/*
 * The ring, and the records that are too long to be inline: only in aramid-trace.elf.
 * SPDX-License-Identifier: MIT
 */
#include "trace.h"
#include "arch/arch.h"
#include "boot/boot.h"
#include <aramid/trace.h>

struct trace_ring trace_ring;

/* arch/x86_64/trace.inc */
_Static_assert(offsetof(struct trace_ring, next) == 0 && offsetof(struct trace_ring, limit) == 8 &&
                   offsetof(struct trace_ring, wanted) == 16,
               "struct trace_ring");
_Static_assert(TRACE_SYSCALL == 3 && TRACE_RESULT == 4 && TRACE_LINUX == 5 && AR_SYS_TRACE == 12,
               "numbers");

#define RING_DEFAULT (64ull << 20)
#define REACH (4ull << 30) /* the boot tables map no more */

/* ---- room ------------------------------------------------------------------------------------ */

/* Also entry.asm's, by way of trace_make_room. The rest of the chunk becomes padding; `next` stays at
 * its end while the next chunk is not read yet. */
void trace_room(void);
void trace_room(void)
{
    struct trace_ring *ring = &trace_ring;
    if (!ring->size)
        return;
    for (uint64_t *at = (uint64_t *)ring->next; at < (uint64_t *)ring->limit; at += TRACE_WORDS)
        at[1] = TRACE_PAD;
    ring->next = ring->limit;
    /* Never all of it, so that equal positions mean empty. */
    if (ring->written + TRACE_CHUNK - ring->tail >= ring->size) {
        ring->dropped += ring->wanted / TRACE_RECORD;
        return;
    }
    ring->written += TRACE_CHUNK;
    ring->limit = ring->base + (ring->written - 1) % ring->size + 1;
    __atomic_store_n(&ring->next, ring->limit - TRACE_CHUNK, __ATOMIC_RELEASE);
    if (ring->told == ring->dropped)
        return;
    ring->told = ring->dropped;
    trace_4(TRACE_LOST, 0, NULL, ring->dropped, 0, 0, 0);
}

/* ---- boot ------------------------------------------------------------------------------------ */

/* trace=N or trace=NM: how large the ring shall be. */
static uint64_t wanted_size(const char *line)
{
    static const char key[] = "trace=";
    for (const char *at = line; *at; at++) {
        unsigned i = 0;
        while (key[i] && at[i] == key[i])
            i++;
        if (key[i] || (at != line && at[-1] != ' '))
            continue;
        uint64_t size = 0;
        for (at += i; *at >= '0' && *at <= '9'; at++)
            size = size * 10 + (uint64_t)(*at - '0');
        return *at == 'M' ? size << 20 : size;
    }
    return RING_DEFAULT;
}

/* At most an eighth of the machine: the servers' heaps need the rest. */
static uint64_t ring_size(const struct boot_facts *facts)
{
    uint64_t memory = 0, size = wanted_size(facts->command_line);
    for (unsigned i = 0; i < facts->memory_count; i++)
        memory += facts->memory[i].end - facts->memory[i].start;
    if (size > memory / 8)
        size = memory / 8;
    return size < 2 * TRACE_CHUNK ? 2 * TRACE_CHUNK : size & ~(TRACE_CHUNK - 1ull);
}

/* Not cleared: nobody reads what was not written. */
void trace_boot(struct boot_facts *facts)
{
    struct trace_ring *ring = &trace_ring;
    uint64_t size = ring_size(facts);
    for (unsigned i = 0; i < facts->memory_count; i++) {
        uint64_t start = facts->memory[i].start;
        if (facts->memory[i].end - start < size || start + size > REACH)
            continue;
        boot_memory_remove(facts, start, size);
        ring->base = ring->next = ring->limit = (uint64_t)arch_pointer(start);
        ring->size = size;
        log_printf("trace: ring at %lx, %lu bytes, header at %lx", start, size, arch_physical(ring));
        return;
    }
    kernel_stop("trace: no %lu KiB in one piece for the ring", size >> 10);
}

void trace_start(void)
{
    uint64_t offsets = offsetof(struct tcb, cspace) | offsetof(struct tcb, vspace) << 16 |
                       (uint64_t)offsetof(struct tcb, ipc_frame) << 32 |
                       (uint64_t)offsetof(struct tcb, fault_gate) << 48;
    trace_4(TRACE_START, 0, NULL, offsets, arch_tsc_per_us(), 0, 0);
}

/* ---- what user space says -------------------------------------------------------------------- */

/* entry.asm's, for AR_SYS_TRACE with a text: the words in the order of C's arguments. The record
 * and its text or neither: nothing is there before `next` moves. */
uint64_t trace_text(uint64_t what, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t user);
uint64_t trace_text(uint64_t what, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t user)
{
    uint64_t length = what >> 32;
    if (length > AR_TRACE_TEXT_BYTES)
        return AR_ERR_LENGTH;
    unsigned count = 1 + (unsigned)((length + TRACE_RECORD - 1) / TRACE_RECORD);
    uint64_t *at = trace_begin_many(count, count, TRACE_SYSCALL, AR_SYS_TRACE, core.current);
    if (!at)
        return AR_OK; /* lost, and counted */
    at[2] = what;
    at[3] = a;
    at[4] = b;
    at[5] = c;
    at[6] = d;
    at[7] = user;
    if (!arch_copy_from_user(at + TRACE_WORDS, user, length))
        return AR_ERR_FAULT;
    trace_end(at, count);
    return AR_OK;
}

/* ---- messages off the fast path -------------------------------------------------------------- */

void trace_transfer(const struct tcb *from, const struct tcb *to, const struct endpoint *endpoint,
                    uint64_t badge)
{
    const struct ar_regs *regs = &from->regs;
    unsigned words = AR_INFO_WORDS(regs->rsi), count = 1 + trace_more(regs->rsi);
    uint64_t *at = trace_begin_many(count, count, endpoint ? TRACE_MESSAGE : TRACE_REPLY, 0, from);
    if (!at)
        return;
    at[2] = trace_thread(to) | (endpoint ? regs->rdi << 32 : 0);
    if (endpoint)
        trace_pair(&at[3], endpoint, NULL);
    else
        at[3] = (uint64_t)to->reply;
    at[4] = badge;
    at[5] = from->principal;
    at[6] = regs->rsi;
    at[7] = regs->rdx;
    if (count > 1) {
        at[8] = regs->r10;
        at[9] = TRACE_WORDS_MORE;
        at[10] = regs->r8;
        at[11] = regs->r9;
        trace_words(at + TRACE_WORDS, from->buffer, words);
    }
    trace_end(at, count);
}

void trace_fault_message(const struct tcb *from, const struct tcb *to,
                         const struct endpoint *endpoint)
{
    uint64_t *at = trace_begin_many(2, 2, TRACE_MESSAGE, 0, from);
    if (!at)
        return;
    at[2] = trace_thread(to);
    trace_pair(&at[3], endpoint, NULL);
    at[4] = from->badge;
    at[5] = from->principal;
    at[6] = AR_INFO(AR_LABEL_FAULT, FAULT_WORDS, 0, 0, 0);
    at[7] = from->fault[0];
    at[8] = from->fault[1];
    at[9] = TRACE_WORDS_MORE;
    for (unsigned i = 2; i < FAULT_WORDS; i++)
        at[8 + i] = from->fault[i];
    trace_end(at, 2);
}
