/*
 * Pages and stacks put back: see snapshot.h. SPDX-License-Identifier: MIT
 *
 * A fault costs as much as putting back many pages, so a page that was written to stays writable
 * for EPOCH runs and is copied before each of them; then all are read-only again, and those that
 * only one run used are found.
 */
#include "snapshot.h"
#include "parts.h"
#include <sanitizer/asan_interface.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

enum { PAGE = 4096, REGIONS = 8, STACKS = 64, EPOCH = 1024 };
#define DIRTY_MAX 65536u

extern char __start_world_state[], __stop_world_state[];
extern char __start_posix_state[], __stop_posix_state[];
extern const char posix_copy_low[], posix_copy_high[];

struct region {
    char *from, *copy;
    size_t bytes;
    bool guarded; /* whole pages; the others are always copied */
};
static struct region regions[REGIONS];
static unsigned region_count;

static struct {
    char *page, *copy;
} dirty[DIRTY_MAX];
static unsigned dirty_count, runs_of_epoch;

/* A fiber's stack from where it stopped, and what AddressSanitizer knows of it. */
static struct {
    char *stack, *from, *copy, *shadow, *shadow_copy;
    size_t size, bytes, shadow_bytes;
} stacks[STACKS];
static unsigned stack_count;

static bool taken;
static struct sigaction simulators; /* the handler of user copies: sim.c */
static size_t shadow_scale, shadow_offset;

static _Noreturn void snapshot_failed(const char *text)
{
    fprintf(stderr, "snapshot: %s\n", text);
    abort();
}

/* Forbidden bytes lie between what is copied: this is no memcpy. */
static void bytes_copy(void *to, const void *from, size_t length)
{
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(length) : : "memory");
}

static void *copy_of(const void *from, size_t bytes)
{
    void *copy = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (copy == MAP_FAILED)
        snapshot_failed("no memory");
    bytes_copy(copy, from, bytes);
    return copy;
}

/* ---- regions --------------------------------------------------------------------------------- */

static void region_add(char *from, char *to, bool guarded)
{
    if (from >= to)
        return;
    if (region_count == REGIONS)
        snapshot_failed("too many regions");
    size_t bytes = (size_t)(to - from);
    regions[region_count++] = (struct region){from, copy_of(from, bytes), bytes, guarded};
}

/* What shares its first or last page with others' variables is copied always. */
static void range_add(char *from, char *to)
{
    char *first = from + (-(uintptr_t)from & (PAGE - 1)), *last = to - ((uintptr_t)to & (PAGE - 1));
    if (first >= last) {
        region_add(from, to, false);
        return;
    }
    region_add(from, first, false);
    region_add(first, last, true);
    region_add(last, to, false);
}

static void guard_all(void)
{
    for (unsigned i = 0; i < region_count; i++)
        if (regions[i].guarded && mprotect(regions[i].from, regions[i].bytes, PROT_READ))
            snapshot_failed("mprotect");
    dirty_count = 0;
    runs_of_epoch = 0;
}

/* The first write to a page since they were guarded. */
__attribute__((no_sanitize("address"))) static bool page_opened(char *address)
{
    for (unsigned i = 0; i < region_count; i++) {
        const struct region *region = &regions[i];
        if (!region->guarded || address < region->from || address >= region->from + region->bytes)
            continue;
        char *page = (char *)((uintptr_t)address & ~(uintptr_t)(PAGE - 1));
        if (dirty_count == DIRTY_MAX || mprotect(page, PAGE, PROT_READ | PROT_WRITE))
            snapshot_failed("a page cannot be opened");
        dirty[dirty_count].page = page;
        dirty[dirty_count++].copy = region->copy + (page - region->from);
        return true;
    }
    return false;
}

/* A fault in a user copy is the simulator's, any other a finding. */
__attribute__((no_sanitize("address"))) static void fault(int number, siginfo_t *info,
                                                          void *context)
{
    const greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    const char *rip = (const char *)registers[REG_RIP];
    if (number == SIGSEGV && (registers[REG_ERR] & 2) && page_opened(info->si_addr))
        return;
    if (rip >= posix_copy_low && rip < posix_copy_high) {
        simulators.sa_sigaction(number, info, context);
        return;
    }
    __asan_describe_address(info->si_addr);
    fprintf(stderr, "invariant broken: signal %d at %p, address %p\n", number, (const void *)rip,
            info->si_addr);
    abort();
}

static void faults_take(void)
{
    const struct sigaction action = {.sa_sigaction = fault, .sa_flags = SA_SIGINFO | SA_NODEFER};
    sigaction(SIGSEGV, &action, &simulators);
    sigaction(SIGBUS, &action, NULL);
}

/* ---- stacks ---------------------------------------------------------------------------------- */

static void stack_add(const struct fiber *fiber)
{
    if (stack_count == STACKS)
        snapshot_failed("too many stacks");
    char *from = fiber->stack_pointer, *end = (char *)fiber->stack + fiber->stack_size;
    char *shadow = (char *)(((uintptr_t)from >> shadow_scale) + shadow_offset);
    size_t bytes = (size_t)(end - from), shadow_bytes = (bytes >> shadow_scale) + 1;
    stacks[stack_count].stack = fiber->stack;
    stacks[stack_count].size = fiber->stack_size;
    stacks[stack_count].from = from;
    stacks[stack_count].bytes = bytes;
    stacks[stack_count].copy = copy_of(from, bytes);
    stacks[stack_count].shadow = shadow;
    stacks[stack_count].shadow_bytes = shadow_bytes;
    stacks[stack_count++].shadow_copy = copy_of(shadow, shadow_bytes);
}

static void stacks_restore(void)
{
    for (unsigned i = 0; i < stack_count; i++) {
        __asan_unpoison_memory_region(stacks[i].stack + PAGE, stacks[i].size - PAGE);
        bytes_copy(stacks[i].from, stacks[i].copy, stacks[i].bytes);
        bytes_copy(stacks[i].shadow, stacks[i].shadow_copy, stacks[i].shadow_bytes);
    }
}

/* ---- the two ends ---------------------------------------------------------------------------- */

void snapshot_take(void)
{
    char *from, *to;
    __asan_get_shadow_mapping(&shadow_scale, &shadow_offset);
    for (const struct sim_thread *thread = sim_all; thread; thread = thread->next)
        stack_add(&thread->fiber);
    heap_mark();
    heap_extent(&from, &to);
    range_add(from, to);
    range_add(__start_world_state, __stop_world_state);
    range_add(__start_posix_state, __stop_posix_state);
    faults_take();
    taken = true;
    guard_all();
}

bool snapshot_restore(void)
{
    if (!taken)
        return false;
    for (unsigned i = 0; i < dirty_count; i++)
        bytes_copy(dirty[i].page, dirty[i].copy, PAGE);
    for (unsigned i = 0; i < region_count; i++)
        if (!regions[i].guarded)
            bytes_copy(regions[i].from, regions[i].copy, regions[i].bytes);
    heap_restore();
    stacks_restore();
    if (++runs_of_epoch == EPOCH)
        guard_all();
    return true;
}
