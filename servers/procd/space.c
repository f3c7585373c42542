/* Address-space operations: map, unmap, protect, move, fork, fault. SPDX-License-Identifier: MIT */
#include "space.h"
#include <ipc/memory.h>
#include <posix_abi.h>
#include <string.h>

bool space_init(struct space *space, const struct procd_machine_ops *machine, void *context,
                struct frames *frames)
{
    *space = (struct space){.machine = machine, .context = context, .frames = frames,
                            .stack_limit = USER_STACK_SIZE};
    space->handle = machine->space_create(context);
    return space->handle != 0;
}

void space_remove(struct space *space, uint64_t start, uint64_t end)
{
    pages_free(space, start, end);
    unsigned i = region_after(space, start);
    while (i < space->region_count && space->regions[i].start < end)
        region_remove(space, i);
}

void space_destroy(struct space *space)
{
    space_remove(space, 0, UINT64_MAX);
    if (space->handle)
        space->machine->space_destroy(space->context, space->handle);
    mem_free(space->regions);
    mem_free(space->chunks);
    space->regions = NULL;
    space->chunks = NULL;
    space->region_capacity = space->chunk_capacity = 0;
    space->handle = 0;
}

/* Is every page of the range mapped? */
static bool space_covers(const struct space *space, uint64_t start, uint64_t end)
{
    for (unsigned i = region_after(space, start); start < end; i++) {
        if (i == space->region_count || space->regions[i].start > start)
            return false;
        start = space->regions[i].end;
    }
    return true;
}

static bool space_may_keep(const struct space *space, uint64_t start, uint64_t end)
{
    if (start % PAGE_SIZE || end % PAGE_SIZE || start >= end || end > POSIX_BASE ||
        !space_covers(space, start, end))
        return false;
    for (unsigned i = region_after(space, start);
         i < space->region_count && space->regions[i].start < end; i++)
        if (space->regions[i].protection & PROTECT_WRITE ||
            space->regions[i].flags & (REGION_SHARED | REGION_STACK))
            return false;
    return !pages_any_lent(space, start, end);
}

bool space_clear_user(struct space *space, uint64_t keep_low, uint64_t keep_high)
{
    bool keep = space_may_keep(space, keep_low, keep_high) && region_reserve(space, 2);
    if (keep) {
        region_split(space, keep_low);
        region_split(space, keep_high);
        for (unsigned i = region_after(space, keep_low);
             i < space->region_count && space->regions[i].start < keep_high; i++)
            space->regions[i].flags &= ~(uint32_t)REGION_BORROWED;
        space_remove(space, 0, keep_low);
    }
    space_remove(space, keep ? keep_high : 0, POSIX_BASE);
    space_remove(space, POSIX_END, UINT64_MAX);
    space->lender = NULL;
    space->lenders = 0;
    return keep;
}

/* Takes over the region's reference to its object, also when it fails. */
enum status space_add(struct space *space, const struct region *region, bool populate)
{
    if (!region_reserve(space, 1)) {
        object_release(space, region->object);
        return ST_NOMEM;
    }
    region_insert(space, region);
    for (uint64_t at = region->start; populate && at < region->end; at += PAGE_SIZE) {
        if (page_present(space, region_find(space, at), at, true) != PAGE_OK) {
            space_remove(space, region->start, region->end);
            return ST_NOMEM;
        }
    }
    region_merge(space, region->start, region->end);
    return ST_OK;
}

enum status space_unmap(struct space *space, uint64_t start, uint64_t end)
{
    if (!region_reserve(space, 2))
        return ST_NOMEM;
    region_split(space, start);
    region_split(space, end);
    space_remove(space, start, end);
    return ST_OK;
}

enum status space_protect(struct space *space, uint64_t start, uint64_t end, uint32_t protection)
{
    if (!space_covers(space, start, end) || !region_reserve(space, 2))
        return ST_NOMEM;
    /* now, when we can say so, and not at the first write */
    if (protection & PROTECT_WRITE && pages_own(space, start, end) != PAGE_OK)
        return ST_NOMEM;
    region_split(space, start);
    region_split(space, end);
    for (unsigned i = region_after(space, start);
         i < space->region_count && space->regions[i].start < end; i++) {
        struct region *region = &space->regions[i];
        space->charged -= region_charge(region);
        region->protection = protection;
        if (!(region->flags & (REGION_STACK | REGION_SYSTEM)))
            region->flags = protection || region->flags & REGION_SHARED
                                ? region->flags | REGION_CHARGED
                                : region->flags & ~(uint32_t)REGION_CHARGED;
        space->charged += region_charge(region);
        pages_recount(space, region);
        pages_update_rights(space, region);
    }
    region_merge(space, start, end);
    return ST_OK;
}

enum status space_discard(struct space *space, uint64_t start, uint64_t end)
{
    for (unsigned i = region_after(space, start);
         i < space->region_count && space->regions[i].start < end; i++) {
        struct region *region = &space->regions[i];
        if (region->flags & REGION_SHARED)
            continue; /* the object keeps the content, so there is nothing to forget */
        uint64_t low = region->start > start ? region->start : start;
        uint64_t high = region->end < end ? region->end : end;
        pages_free(space, low, high);
    }
    /* a hole is an error, after the rest is done */
    return space_covers(space, start, end) ? ST_OK : ST_NOMEM;
}

/* mremap: [from, from + old_length) lies in one region, [to, to + new_length) is free. */
enum status space_move(struct space *space, uint64_t from, uint64_t old_length, uint64_t to,
                       uint64_t new_length)
{
    if (!region_reserve(space, 3))
        return ST_NOMEM;
    uint64_t keep = old_length < new_length ? old_length : new_length;
    for (uint64_t offset = 0; offset < keep; offset += PAGE_SIZE) {
        if (page_find(space, from + offset) && !page_make(space, to + offset)) {
            pages_free(space, to, to + new_length); /* frees the empty chunks */
            return ST_NOMEM;
        }
    }
    region_split(space, from);
    region_split(space, from + old_length);
    struct region region = *region_find(space, from);
    region.start = to;
    region.end = to + new_length;
    region.flags &= ~(uint32_t)(REGION_STACK | REGION_BORROWED);
    if (region.object)
        region.object->references++;
    for (uint64_t offset = 0; offset < keep; offset += PAGE_SIZE)
        page_move(space, from + offset, to + offset);
    space_remove(space, from, from + old_length);
    region_insert(space, &region);
    region_merge(space, to, to + new_length);
    return ST_OK;
}

/* One resident page of the parent's into the child. */
static bool space_fork_page(struct space *child, struct region *region, struct space *parent,
                            const struct page *from, uint64_t address)
{
    struct page *to = page_make(child, address);
    if (!to)
        return false;
    bool copy =
        !(region->flags & REGION_SHARED) && (region->protection & PROTECT_WRITE || from->lent);
    uint32_t frame = from->frame;
    if (copy) {
        frame = frame_take(child);
        if (!frame)
            return false;
        child->machine->frame_copy(child->context, frame, from->frame);
    } else {
        frame_reference(parent, frame);
    }
    page_fill(child, to, address, frame);
    return !copy || page_present(child, region, address, true) == PAGE_OK;
}

/* Does vfork lend the region? Not what is libposix's: the child's must be able to change alone. */
static bool region_lendable(const struct region *region)
{
    return !(region->flags & (REGION_SHARED | REGION_SYSTEM)) &&
           (region->end <= POSIX_BASE || region->start >= POSIX_END);
}

static bool space_lend_page(struct space *child, struct space *parent, uint64_t address)
{
    struct page *to = page_make(child, address);
    return to && page_borrow(child, to, parent, region_find(parent, address), address) == PAGE_OK;
}

/* `child` is fresh. Of the thread areas only the one at area_address goes along. False leaves a
 * part, to destroy. */
enum status space_fork(struct space *child, struct space *parent, uint64_t area_address, bool share)
{
    child->stack_limit = parent->stack_limit;
    share = share && parent->lenders < LENDERS_MAX;
    child->lender = share ? parent : NULL;
    child->lenders = share ? parent->lenders + 1 : 0;
    if (!region_reserve(child, parent->region_count))
        return ST_NOMEM;
    for (unsigned i = 0; i < parent->region_count; i++) {
        struct region region = parent->regions[i];
        if (region.start >= POSIX_AREAS && region.start < POSIX_END
            && (region.start < area_address || region.start >= area_address + POSIX_AREA_SIZE))
            continue;
        if (region.object)
            region.object->references++;
        region.flags &= ~(uint32_t)REGION_BORROWED;
        region.flags |= share && region_lendable(&region) ? REGION_BORROWED : 0;
        region_insert(child, &region);
    }
    for (unsigned i = 0; i < parent->chunk_count; i++) {
        struct chunk *chunk = parent->chunks[i];
        for (unsigned p = 0; p < CHUNK_PAGES; p++) {
            uint64_t address = chunk->base + p * PAGE_SIZE;
            struct region *region = chunk->pages[p].frame ? region_find(child, address) : NULL;
            if (!region)
                continue;
            if (!(region->flags & REGION_BORROWED
                      ? space_lend_page(child, parent, address)
                      : space_fork_page(child, region, parent, &chunk->pages[p], address)))
                return ST_NOMEM;
        }
    }
    return ST_OK;
}

/* The stack region above `address`, if the fault may make it grow; NULL with *limit set when it
 * is too far. */
static struct region *stack_grow(struct space *space, uint64_t address, bool *limit)
{
    unsigned i = region_after(space, address);
    if (i == space->region_count || !(space->regions[i].flags & REGION_STACK))
        return NULL;
    struct region *region = &space->regions[i];
    uint64_t floor = region->end > space->stack_limit ? region->end - space->stack_limit : 0;
    uint64_t below = i > 0 ? space->regions[i - 1].end + PAGE_SIZE : USER_LOW;
    uint64_t start = address & ~(PAGE_SIZE - 1);
    if (start < floor || start < below) {
        /* Far below is a wild pointer, not an overflow: say "overflow" within another stack's
         * length. */
        *limit = region->end - start < 2 * space->stack_limit;
        return NULL;
    }
    space->mapped += (region->start - start) / PAGE_SIZE;
    region->start = start;
    return region;
}

/* Pages around an image fault are mapped with it: text faults come in runs. */
static void fault_around(struct space *space, struct region *region, uint64_t address)
{
    uint64_t low = address & ~(8 * PAGE_SIZE - 1), high = low + 8 * PAGE_SIZE;
    for (uint64_t at = low > region->start ? low : region->start; at < high && at < region->end;
         at += PAGE_SIZE) {
        uint64_t index = region->object_page + (at - region->start) / PAGE_SIZE;
        if (index < region->object->pages && region->object->frames[index])
            page_present(space, region, at, false);
    }
}

enum fault_result space_fault(struct space *space, uint64_t address, bool write, bool fetch,
                              bool account_full)
{
    bool limit = false;
    struct region *region = region_find(space, address);
    if (!region)
        region = stack_grow(space, address, &limit);
    if (!region)
        return limit ? FAULT_STACK_LIMIT : FAULT_NO_REGION;
    uint32_t need = fetch   ? PROTECT_EXEC
                    : write ? PROTECT_WRITE
                            : PROTECT_READ | PROTECT_EXEC | PROTECT_WRITE;
    if (!(region->protection & need))
        return FAULT_PROTECTION;
    if (account_full && !(region->flags & (REGION_CHARGED | REGION_SYSTEM)))
        return FAULT_NO_MEMORY;
    uint64_t page = address & ~(PAGE_SIZE - 1);
    space->faults++;
    if (page_present(space, region, page, write) != PAGE_OK)
        return FAULT_NO_MEMORY;
    if (region->object && region->flags & REGION_SHARED && region->flags & REGION_SYSTEM)
        fault_around(space, region, page);
    return FAULT_RESOLVED;
}

bool space_write_words(struct space *space, uint64_t address, const uint64_t *words, size_t bytes)
{
    struct page *page = page_find(space, address);
    if (!page)
        return false;
    space->machine->frame_write(space->context, page->frame, address % PAGE_SIZE, words, bytes);
    return true;
}

bool space_read_words(struct space *space, uint64_t address, uint64_t *words, size_t bytes)
{
    struct page *page = page_find(space, address);
    if (!page)
        return false;
    space->machine->frame_read(space->context, page->frame, address % PAGE_SIZE, words, bytes);
    return true;
}
