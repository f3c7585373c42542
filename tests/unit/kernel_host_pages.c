/*
 * The host machine's address spaces: ASIDs, the translations that a processor remembers, and
 * copies through the page tables. The walk itself is the kernel's own (arch/x86_64/walk.c).
 * SPDX-License-Identifier: MIT
 */
#include "arch/arch.h"
#include "arch/x86_64/paging.h"
#include "kernel_host.h"
#include <string.h>

uint64_t pte_no_execute = PTE_NO_EXECUTE;
void *host_spaces[HOST_SPACES];
struct host_cached host_cached[HOST_CACHED];
unsigned host_cached_count;
static uint32_t space_next;
static unsigned space_used;

void host_pages_start(void)
{
    memset(host_spaces, 0, sizeof(host_spaces));
    host_cached_count = 0;
    space_next = 1;
    space_used = 0;
}

/* ---- ASIDs: few, so that they come round ------------------------------------------------------- */

bool arch_space_available(uint64_t count)
{
    return count <= HOST_SPACES - 1 - space_used;
}

uint32_t arch_space_init(void *table)
{
    while (!space_next || host_spaces[space_next])
        space_next = (space_next + 1) % HOST_SPACES;
    uint32_t asid = space_next;
    host_spaces[asid] = table;
    space_next = (space_next + 1) % HOST_SPACES;
    space_used++;
    return asid;
}

void *space_of_asid(uint32_t asid)
{
    return asid < HOST_SPACES ? host_spaces[asid] : NULL;
}

void space_release(uint32_t asid, void *top)
{
    host_spaces[asid] = NULL;
    space_used--;
    if (core.space == arch_physical(top)) {
        core.space = HOST_NO_SPACE;
        host_cached_count = 0;
    }
}

void space_flush(void *top)
{
    if (top && core.space == arch_physical(top))
        host_cached_count = 0;
}

void space_flush_page(void *top, uint64_t address)
{
    if (!top || core.space != arch_physical(top))
        return;
    for (unsigned i = host_cached_count; i-- > 0;)
        if (host_cached[i].address == (address & ~4095ull))
            host_cached[i] = host_cached[--host_cached_count];
}

/* The part of arch_switch that is about memory. */
void host_space_use(const struct cap *vspace)
{
    uint64_t space = vspace->extra ? vspace->extra : HOST_NO_SPACE;
    if (space == core.space)
        return;
    core.space = space;
    host_cached_count = 0;
}

/* ---- user memory ------------------------------------------------------------------------------- */

static bool in_window(uint64_t address, uint64_t length)
{
    return address >= host_user_low && address <= host_user_high &&
           length <= host_user_high - address;
}

void *arch_user_page(const struct cap *vspace, uint64_t address, bool write)
{
    uint64_t rest = 4096 - (address & 4095);
    if (vspace->type == AR_VSPACE)
        return space_user_page((void *)vspace->object, address, write);
    return in_window(address, host_user_high == UINT64_MAX ? 1 : rest) ? (void *)address : NULL;
}

/* As the processor does it: page by page, what was copied before a fault stays copied. */
static bool copy(uint64_t user, void *kernel, uint64_t length, bool to_user)
{
    if (core.space == HOST_NO_SPACE) {
        if (!in_window(user, length))
            return false;
        memmove(to_user ? (void *)user : kernel, to_user ? kernel : (void *)user, length);
        return true;
    }
    if (user >= ARCH_USER_END || length > ARCH_USER_END - user)
        return false;
    while (length) {
        uint64_t run = 4096 - (user & 4095);
        void *there = space_user_page(arch_pointer(core.space), user, to_user);
        if (run > length)
            run = length;
        if (!there)
            return false;
        memmove(to_user ? there : kernel, to_user ? kernel : there, run);
        user += run;
        kernel = (uint8_t *)kernel + run;
        length -= run;
    }
    return true;
}

bool arch_copy_to_user(uint64_t user, const void *from, uint64_t length)
{
    return copy(user, (void *)from, length, true);
}

bool arch_copy_from_user(void *to, uint64_t user, uint64_t length)
{
    return copy(user, to, length, false);
}
