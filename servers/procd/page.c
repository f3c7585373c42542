/* The pages behind the regions: chunks of entries, presence, rights.
 * SPDX-License-Identifier: MIT */
#include "space.h"
#include <ipc/memory.h>
#include <string.h>

static unsigned chunk_index(const struct space *space, uint64_t base)
{
    unsigned low = 0, high = space->chunk_count;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (space->chunks[middle]->base >= base)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

struct page *page_find(const struct space *space, uint64_t address)
{
    uint64_t base = address & ~(CHUNK_SIZE - 1);
    unsigned i = chunk_index(space, base);
    if (i == space->chunk_count || space->chunks[i]->base != base)
        return NULL;
    struct page *page = &space->chunks[i]->pages[(address - base) / PAGE_SIZE];
    return page->frame ? page : NULL;
}

/* An entry that is empty until its frame is set; the chunk counts it when page_fill does. */
struct page *page_make(struct space *space, uint64_t address)
{
    uint64_t base = address & ~(CHUNK_SIZE - 1);
    unsigned i = chunk_index(space, base);
    if (i < space->chunk_count && space->chunks[i]->base == base)
        return &space->chunks[i]->pages[(address - base) / PAGE_SIZE];
    if (space->chunk_count == space->chunk_capacity) {
        unsigned capacity = space->chunk_capacity ? space->chunk_capacity * 2 : 16;
        struct chunk **grown = mem_resize(space->chunks, capacity * sizeof(struct chunk *));
        if (!grown)
            return NULL;
        space->chunks = grown;
        space->chunk_capacity = capacity;
    }
    struct chunk *chunk = mem_alloc(sizeof(*chunk));
    if (!chunk)
        return NULL;
    chunk->base = base;
    memmove(&space->chunks[i + 1], &space->chunks[i], (space->chunk_count - i) * sizeof(chunk));
    space->chunks[i] = chunk;
    space->chunk_count++;
    return &chunk->pages[(address - base) / PAGE_SIZE];
}

static struct chunk *chunk_of(struct space *space, uint64_t address)
{
    return space->chunks[chunk_index(space, address & ~(CHUNK_SIZE - 1))];
}

/* The first present page from `*at` on, below `end`; then `*at` is that page's end. NULL: none. */
static struct page *page_next(const struct space *space, uint64_t *at, uint64_t end)
{
    uint64_t address = *at;
    for (unsigned i = chunk_index(space, address & ~(CHUNK_SIZE - 1));
         i < space->chunk_count && space->chunks[i]->base < end; i++) {
        struct chunk *chunk = space->chunks[i];
        if (address < chunk->base)
            address = chunk->base;
        for (; address < chunk->base + CHUNK_SIZE && address < end; address += PAGE_SIZE) {
            struct page *page = &chunk->pages[(address - chunk->base) / PAGE_SIZE];
            if (page->frame) {
                *at = address + PAGE_SIZE;
                return page;
            }
        }
    }
    return NULL;
}

static void page_count(struct space *space, struct page *page, bool counted)
{
    space->touched += (uint64_t)counted - (uint64_t)page->counted;
    page->counted = counted;
}

/* The entry takes over one reference to the frame. */
void page_fill(struct space *space, struct page *page, uint64_t address, uint32_t frame)
{
    page->frame = frame;
    page->mapping = 0;
    page->rights = 0;
    page->lent = 0;
    const struct region *region = region_find(space, address);
    page_count(space, page, region && region->flags & REGION_CHARGED);
    chunk_of(space, address)->used++;
    if (++space->resident > space->resident_most)
        space->resident_most = space->resident;
}

static void page_unmap(struct space *space, struct page *page)
{
    if (page->mapping)
        space->machine->page_unmap(space->context, page->frame, page->mapping);
    page->mapping = 0;
    page->rights = 0;
}

static void page_free(struct space *space, struct page *page)
{
    page_unmap(space, page);
    frame_release(space, page->frame);
    page->frame = 0;
    page->lent = 0;
    page_count(space, page, false);
    space->resident--;
}

void pages_free(struct space *space, uint64_t start, uint64_t end)
{
    unsigned i = chunk_index(space, start & ~(CHUNK_SIZE - 1));
    unsigned keep = i;
    for (; i < space->chunk_count && space->chunks[i]->base < end; i++) {
        struct chunk *chunk = space->chunks[i];
        for (unsigned p = 0; p < CHUNK_PAGES && chunk->used; p++) {
            uint64_t address = chunk->base + p * PAGE_SIZE;
            if (address >= start && address < end && chunk->pages[p].frame) {
                page_free(space, &chunk->pages[p]);
                chunk->used--;
            }
        }
        if (chunk->used)
            space->chunks[keep++] = chunk;
        else
            mem_free(chunk);
    }
    if (i == keep)
        return;
    memmove(&space->chunks[keep], &space->chunks[i],
            (space->chunk_count - i) * sizeof(struct chunk *));
    space->chunk_count -= i - keep;
}

static unsigned page_allowed(const struct space *space, const struct region *region,
                             const struct page *page)
{
    unsigned rights = region->protection;
    if (rights)
        rights |= PROTECT_READ; /* the processor has no writable or executable page without it */
    if (!(region->flags & REGION_SHARED) && !page->lent &&
        space->frames->references[page->frame] > 1)
        rights &= ~(unsigned)PROTECT_WRITE;
    return rights;
}

/* The frame that a first touch of the page gives it; 0: out of memory. One reference is the
 * caller's. */
static uint32_t page_first_frame(struct space *space, const struct region *region, uint64_t address)
{
    struct object *object = region->object;
    uint64_t index = region->object_page + (address - region->start) / PAGE_SIZE;
    bool inside = object && index < object->pages;
    if (inside && region->flags & REGION_SHARED && object->frames[index]) {
        frame_reference(space, object->frames[index]);
        return object->frames[index];
    }
    uint32_t frame = frame_take(space);
    if (!frame)
        return 0;
    if (inside && !(region->flags & REGION_SHARED) && object->frames[index]) {
        space->machine->frame_copy(space->context, frame, object->frames[index]);
        return frame;
    }
    space->machine->frame_clear(space->context, frame);
    if (inside && region->flags & REGION_SHARED) {
        object->frames[index] = frame;
        frame_reference(space, frame);
    }
    return frame;
}

/* A private frame that others refer to as well: give this page its own copy. */
static enum page_result page_own(struct space *space, struct page *page)
{
    uint32_t frame = frame_take(space);
    if (!frame)
        return PAGE_NO_MEMORY;
    space->machine->frame_copy(space->context, frame, page->frame);
    page_unmap(space, page);
    frame_release(space, page->frame);
    page->frame = frame;
    return PAGE_OK;
}

enum page_result page_present(struct space *space, struct region *region, uint64_t address,
                              bool write)
{
    struct page *page = page_make(space, address);
    if (!page)
        return PAGE_NO_MEMORY;
    struct region *theirs = NULL;
    if (!page->frame && space->lender && region->flags & REGION_BORROWED)
        theirs = region_find(space->lender, address);
    if (theirs && !((theirs->flags | region->flags) & REGION_SHARED)) {
        if (page_borrow(space, page, space->lender, theirs, address) != PAGE_OK)
            return PAGE_NO_MEMORY;
    } else if (!page->frame) {
        uint32_t frame = page_first_frame(space, region, address);
        if (!frame)
            return PAGE_NO_MEMORY; /* an empty chunk may stay; it goes with its range */
        page_fill(space, page, address, frame);
    }
    if (write && region->protection & PROTECT_WRITE &&
        !(page_allowed(space, region, page) & PROTECT_WRITE) && page_own(space, page) != PAGE_OK)
        return PAGE_NO_MEMORY;
    unsigned rights = page_allowed(space, region, page);
    if (!rights || (page->mapping && page->rights == rights))
        return PAGE_OK;
    if (page->mapping) {
        space->machine->page_protect(space->context, space->handle, address, page->mapping, rights);
    } else {
        uint32_t mapping =
            space->machine->page_map(space->context, space->handle, address, page->frame, rights);
        if (!mapping)
            return PAGE_NO_MEMORY;
        page->mapping = mapping & 0x7ffffff;
    }
    page->rights = rights & 7;
    return PAGE_OK;
}

enum page_result page_borrow(struct space *space, struct page *page, struct space *lender,
                             struct region *theirs, uint64_t address)
{
    struct page *from = page_find(lender, address);
    bool copy_due = from && theirs->protection & PROTECT_WRITE &&
                    !(page_allowed(lender, theirs, from) & PROTECT_WRITE);
    if ((!from || copy_due) &&
        page_present(lender, theirs, address, theirs->protection & PROTECT_WRITE) != PAGE_OK)
        return PAGE_NO_MEMORY;
    from = page_find(lender, address);
    /* What cannot be written needs no lending; if its protection changes, whoever writes gets a
     * copy. */
    bool lend = from->lent || theirs->protection & PROTECT_WRITE;
    frame_reference(space, from->frame);
    page_fill(space, page, address, from->frame);
    page->lent = from->lent = lend;
    return PAGE_OK;
}

bool pages_any_lent(const struct space *space, uint64_t start, uint64_t end)
{
    for (const struct page *page; (page = page_next(space, &start, end));)
        if (page->lent)
            return true;
    return false;
}

/* Lent pages are one memory on purpose; what a shared region refers to is its object's. */
static bool page_shared(const struct space *space, const struct page *page, uint64_t address)
{
    return !page->lent && space->frames->references[page->frame] > 1 &&
           !(region_find(space, address)->flags & REGION_SHARED);
}

uint64_t pages_shared(const struct space *space, uint64_t start, uint64_t end)
{
    uint64_t shared = 0;
    for (const struct page *page; (page = page_next(space, &start, end));)
        shared += page_shared(space, page, start - PAGE_SIZE);
    return shared;
}

enum page_result pages_own(struct space *space, uint64_t start, uint64_t end)
{
    for (struct page *page; (page = page_next(space, &start, end));)
        if (page_shared(space, page, start - PAGE_SIZE) && page_own(space, page) != PAGE_OK)
            return PAGE_NO_MEMORY;
    return PAGE_OK;
}

void pages_recount(struct space *space, const struct region *region)
{
    uint64_t at = region->start;
    for (struct page *page; (page = page_next(space, &at, region->end));)
        page_count(space, page, region->flags & REGION_CHARGED);
}

/* The region's protection changed: mapped pages follow. Rights never grow beyond what
 * page_allowed says. */
void pages_update_rights(struct space *space, const struct region *region)
{
    uint64_t at = region->start;
    for (struct page *page; (page = page_next(space, &at, region->end));) {
        unsigned rights = page_allowed(space, region, page);
        if (!page->mapping || rights == page->rights)
            continue;
        if (!rights) {
            page_unmap(space, page);
            continue;
        }
        space->machine->page_protect(space->context, space->handle, at - PAGE_SIZE, page->mapping,
                                     rights);
        page->rights = rights & 7;
    }
}

/* The entry for `to` was made and is empty. The new place is mapped at its first touch. */
void page_move(struct space *space, uint64_t from, uint64_t to)
{
    struct page *old = page_find(space, from);
    if (!old)
        return;
    page_unmap(space, old);
    struct page *new = page_make(space, to);
    new->frame = old->frame;
    new->lent = old->lent;
    new->counted = old->counted;
    old->frame = 0;
    old->lent = 0;
    old->counted = 0;
    chunk_of(space, from)->used--;
    chunk_of(space, to)->used++;
}
