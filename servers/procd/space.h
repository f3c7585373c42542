/*
 * One process's address space: regions, the pages behind them, what they cost.
 * SPDX-License-Identifier: MIT
 *
 * A region is [start, end) with one protection and one kind of content, kept sorted and never
 * overlapping. A page exists from its first touch (or POPULATE, or fork's copy) until its region
 * goes: it holds one reference to a frame, and a mapping while the processor may see it. A
 * private frame with more than one reference is never mapped writable; the write fault copies
 * it. A shared region's frames belong to its object, which every fork shares.
 *
 * vfork lends: lender and borrower refer to the same frames, and both may write, because a frame
 * with a lent page is referred to by lent pages alone (fork copies it, whatever its protection).
 */
#ifndef PROCD_SPACE_H
#define PROCD_SPACE_H

#include "machine.h"
#include <ipc/status.h>

/* as PROT_* and as AR_READ... */
enum protection { PROTECT_READ = 1, PROTECT_WRITE = 2, PROTECT_EXEC = 4 };

/* Frames by reference count. */
struct frames {
    uint32_t *references;
    uint32_t capacity;
    uint32_t in_use;
};

/* Content that outlives one region: shared anonymous memory, libposix's image. */
struct object {
    uint32_t references, pages;
    uint32_t frames[]; /* 0: not touched yet, zero */
};

enum region_flag {
    REGION_SHARED = 1,  /* writes go to the object */
    REGION_SYSTEM = 2,  /* libposix's: no request of the process touches it */
    REGION_STACK = 4,   /* grows down on faults */
    REGION_CHARGED = 8, /* its whole length counts in `charged` */
    REGION_BORROWED = 16, /* since vfork: a first touch gives the page that the lender has there */
};

struct region {
    uint64_t start, end;
    uint32_t protection, flags;
    struct object *object;  /* shared content, or a private region's first content; a reference */
    uint64_t object_page;   /* page of the object at `start` */
};

struct page {
    uint32_t frame;         /* 0: none */
    uint32_t mapping : 27, rights : 3;
    /* all references to the frame are lent pages': one memory of several processes */
    uint32_t lent : 1;
    uint32_t counted : 1;   /* in the space's `touched`: its region is charged */
};

/* 64 pages on a 256 KiB boundary. */
#define CHUNK_PAGES 64u
#define CHUNK_SIZE (CHUNK_PAGES * PAGE_SIZE)
struct chunk {
    uint64_t base;
    unsigned used;
    struct page pages[CHUNK_PAGES];
};

#define LENDERS_MAX 8u /* a vfork deeper inside vforks gets a copy: a fault asks the whole chain */
/* bounds what one process can pin here; more is ENOMEM, as Linux's max_map_count */
#define REGIONS_MAX 16384u

struct space {
    const struct procd_machine_ops *machine;
    void *context;
    struct frames *frames;
    uint32_t handle;               /* the machine's */
    struct region *regions;
    unsigned region_count, region_capacity;
    struct chunk **chunks;         /* sorted by base */
    unsigned chunk_count, chunk_capacity;
    uint64_t charged, resident, mapped; /* pages */
    uint64_t touched;              /* of the charged pages, those that are there */
    uint64_t resident_most, faults;
    uint64_t stack_limit;          /* bytes that a REGION_STACK region may reach */
    /* vfork: whose memory this is, until exec or until the lender goes; NULL: own */
    struct space *lender;
    unsigned lenders;              /* length of that chain */
};

/* frames.c */
/* one reference, old content; 0: out of memory */
uint32_t frame_take(struct space *space);
void frame_reference(struct space *space, uint32_t frame);
void frame_release(struct space *space, uint32_t frame);  /* the last reference gives it back */
struct object *object_create(uint32_t pages);
void object_release(struct space *space, struct object *object);

/* region.c: bookkeeping only, no pages */
/* room for `more` regions: later inserts cannot fail */
bool region_reserve(struct space *space, unsigned more);
/* index of the first with end > address */
unsigned region_after(const struct space *space, uint64_t address);
struct region *region_find(const struct space *space, uint64_t address);
void region_insert(struct space *space, const struct region *region);
/* a border at `address` if it is inside a region */
void region_split(struct space *space, uint64_t address);
void region_remove(struct space *space, unsigned index);
void region_merge(struct space *space, uint64_t start, uint64_t end);
bool region_overlaps(const struct space *space, uint64_t start, uint64_t end);
uint64_t region_find_gap(const struct space *space, uint64_t length, uint64_t hint); /* 0: none */
uint64_t region_charge(const struct region *region);      /* pages it counts for */
uint64_t region_charged_pages(const struct space *space, uint64_t start, uint64_t end);
/* Pages that would be charged in [start, end) if it had `protection`, less those charged now. */
int64_t region_charge_change(const struct space *space, uint64_t start, uint64_t end,
                             uint32_t protection);

/* page.c */
struct page *page_find(const struct space *space, uint64_t address);
struct page *page_make(struct space *space, uint64_t address); /* NULL: out of memory */
/* The empty entry takes over one reference to the frame. */
void page_fill(struct space *space, struct page *page, uint64_t address, uint32_t frame);
void pages_free(struct space *space, uint64_t start, uint64_t end);
enum page_result { PAGE_OK, PAGE_NO_MEMORY };
/* Make the page of `region` at `address` present, writable if `write` and the protection says
 * so. */
enum page_result page_present(struct space *space, struct region *region, uint64_t address,
                              bool write);
/* The empty entry refers to the other space's present page; from now on both are lent, if that
 * page may be. */
enum page_result page_borrow(struct space *space, struct page *page, struct space *lender,
                             struct region *theirs, uint64_t address);
bool pages_any_lent(const struct space *space, uint64_t start, uint64_t end);
/* Private pages in [start, end) whose frame fork shares with others: what writing them would cost.
 */
uint64_t pages_shared(const struct space *space, uint64_t start, uint64_t end);
/* Give each of those its own frame. PAGE_NO_MEMORY: some have theirs, and nobody can tell. */
enum page_result pages_own(struct space *space, uint64_t start, uint64_t end);
/* The region began or ceased to be charged: its pages count accordingly. */
void pages_recount(struct space *space, const struct region *region);
void pages_update_rights(struct space *space, const struct region *region);
/* ST_OK is certain after page_make(to) */
void page_move(struct space *space, uint64_t from, uint64_t to);

/* space.c: what the requests do. Addresses are page-aligned and validated by the caller. */
bool space_init(struct space *space, const struct procd_machine_ops *machine, void *context,
                struct frames *frames);
void space_destroy(struct space *space);
/* whole regions: no border is inside one */
void space_remove(struct space *space, uint64_t start, uint64_t end);
/* Everything but libposix's own goes, and but [keep_low, keep_high) if that is private memory
 * that nobody can write: true. */
bool space_clear_user(struct space *space, uint64_t keep_low, uint64_t keep_high);
enum status space_add(struct space *space, const struct region *region, bool populate);
enum status space_unmap(struct space *space, uint64_t start, uint64_t end);
enum status space_protect(struct space *space, uint64_t start, uint64_t end, uint32_t protection);
enum status space_discard(struct space *space, uint64_t start, uint64_t end);
enum status space_move(struct space *space, uint64_t from, uint64_t old_length, uint64_t to,
                       uint64_t new_length);
/* `share`: the child borrows instead of copying, outside libposix's range. */
enum status space_fork(struct space *child, struct space *parent, uint64_t area_address,
                       bool share);

/* fault.c's question: resolve a fault at `address`. */
enum fault_result {
    FAULT_RESOLVED,
    FAULT_NO_REGION,
    FAULT_PROTECTION,
    FAULT_STACK_LIMIT,
    FAULT_NO_MEMORY
};
enum fault_result space_fault(struct space *space, uint64_t address, bool write, bool fetch,
                              bool account_full);

/* For procd's own use of a process's memory; false when the page is not there. */
bool space_write_words(struct space *space, uint64_t address, const uint64_t *words, size_t bytes);
bool space_read_words(struct space *space, uint64_t address, uint64_t *words, size_t bytes);

#endif
