/*
 * The sorted list of regions. SPDX-License-Identifier: MIT
 *
 * A sorted array: processes have tens of regions, a lookup is a binary search, and a split moves
 * a few hundred bytes.
 */
#include "space.h"
#include <ipc/memory.h>
#include <posix_abi.h>
#include <string.h>

bool region_reserve(struct space *space, unsigned more)
{
    unsigned need = space->region_count + more;
    if (need > REGIONS_MAX)
        return false;
    if (need <= space->region_capacity)
        return true;
    unsigned capacity = space->region_capacity ? space->region_capacity * 2 : 32;
    while (capacity < need)
        capacity *= 2;
    struct region *grown = mem_resize(space->regions, capacity * sizeof(*grown));
    if (!grown)
        return false;
    space->regions = grown;
    space->region_capacity = capacity;
    return true;
}

unsigned region_after(const struct space *space, uint64_t address)
{
    unsigned low = 0, high = space->region_count;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (space->regions[middle].end > address)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

struct region *region_find(const struct space *space, uint64_t address)
{
    unsigned i = region_after(space, address);
    if (i == space->region_count || space->regions[i].start > address)
        return NULL;
    return &space->regions[i];
}

uint64_t region_charge(const struct region *region)
{
    return region->flags & REGION_CHARGED ? (region->end - region->start) / PAGE_SIZE : 0;
}

/* Room was reserved; the range is free. */
void region_insert(struct space *space, const struct region *region)
{
    unsigned i = region_after(space, region->start);
    memmove(&space->regions[i + 1], &space->regions[i],
            (space->region_count - i) * sizeof(*region));
    space->regions[i] = *region;
    space->region_count++;
    space->mapped += (region->end - region->start) / PAGE_SIZE;
    space->charged += region_charge(region);
}

void region_remove(struct space *space, unsigned index)
{
    struct region *region = &space->regions[index];
    space->mapped -= (region->end - region->start) / PAGE_SIZE;
    space->charged -= region_charge(region);
    object_release(space, region->object);
    space->region_count--;
    memmove(region, region + 1, (space->region_count - index) * sizeof(*region));
}

/* Room for one was reserved. */
void region_split(struct space *space, uint64_t address)
{
    unsigned i = region_after(space, address);
    if (i == space->region_count || space->regions[i].start >= address)
        return;
    memmove(&space->regions[i + 1], &space->regions[i],
            (space->region_count - i) * sizeof(*space->regions));
    space->region_count++;
    struct region *left = &space->regions[i], *right = left + 1;
    left->end = right->start = address;
    if (left->object) {
        left->object->references++;
        right->object_page += (address - left->start) / PAGE_SIZE;
    }
    right->flags &= ~(uint32_t)REGION_STACK; /* only the lowest part grows */
}

static bool regions_alike(const struct region *a, const struct region *b)
{
    return a->end == b->start && a->protection == b->protection && a->flags == b->flags &&
           !(a->flags & REGION_SYSTEM) && a->object == b->object &&
           (!a->object || b->object_page == a->object_page + (a->end - a->start) / PAGE_SIZE);
}

/* Join neighbours that became equal in and around [start, end). */
void region_merge(struct space *space, uint64_t start, uint64_t end)
{
    unsigned i = region_after(space, start ? start - 1 : 0);
    while (i + 1 < space->region_count && space->regions[i].start < end) {
        struct region *left = &space->regions[i], *right = left + 1;
        if (!regions_alike(left, right)) {
            i++;
            continue;
        }
        left->end = right->end;
        object_release(space, right->object);
        space->region_count--;
        memmove(right, right + 1, (space->region_count - i - 1) * sizeof(*right));
    }
}

bool region_overlaps(const struct space *space, uint64_t start, uint64_t end)
{
    unsigned i = region_after(space, start);
    return i < space->region_count && space->regions[i].start < end;
}

/* mmap's choice: the hint when it is free, else the highest gap below USER_MMAP_TOP. */
uint64_t region_find_gap(const struct space *space, uint64_t length, uint64_t hint)
{
    if (hint >= USER_LOW && hint < USER_MMAP_TOP && length <= USER_MMAP_TOP - hint &&
        !(hint < POSIX_END && hint + length > POSIX_BASE) &&
        !region_overlaps(space, hint, hint + length))
        return hint;
    uint64_t top = USER_MMAP_TOP;
    unsigned i = region_after(space, top);
    if (i < space->region_count && space->regions[i].start < top)
        top = space->regions[i].start;
    for (;;) {
        uint64_t floor = i > 0 ? space->regions[i - 1].end : USER_LOW;
        if (floor < POSIX_END && top > POSIX_BASE) {
            uint64_t above = floor > POSIX_END ? floor : POSIX_END;
            if (top > above && top - above >= length)
                return top - length;
            if (top > POSIX_BASE)
                top = POSIX_BASE;
        }
        if (top > floor && top - floor >= length && top - length >= USER_LOW)
            return top - length;
        if (i == 0)
            return 0;
        i--;
        if (space->regions[i].start < top)
            top = space->regions[i].start;
    }
}

/* Pages charged now in [start, end). */
uint64_t region_charged_pages(const struct space *space, uint64_t start, uint64_t end)
{
    uint64_t pages = 0;
    for (unsigned i = region_after(space, start);
         i < space->region_count && space->regions[i].start < end; i++) {
        const struct region *region = &space->regions[i];
        uint64_t low = region->start > start ? region->start : start;
        uint64_t high = region->end < end ? region->end : end;
        pages += region->flags & REGION_CHARGED ? (high - low) / PAGE_SIZE : 0;
    }
    return pages;
}

int64_t region_charge_change(const struct space *space, uint64_t start, uint64_t end,
                             uint32_t protection)
{
    int64_t change = 0;
    for (unsigned i = region_after(space, start);
         i < space->region_count && space->regions[i].start < end; i++) {
        const struct region *region = &space->regions[i];
        if (region->flags & (REGION_STACK | REGION_SYSTEM))
            continue;
        uint64_t low = region->start > start ? region->start : start;
        uint64_t high = region->end < end ? region->end : end;
        int64_t pages = (int64_t)((high - low) / PAGE_SIZE);
        change += (protection || region->flags & REGION_SHARED ? pages : 0) -
                  (region->flags & REGION_CHARGED ? pages : 0);
    }
    return change;
}
