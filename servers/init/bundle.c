/*
 * The boot module: a directory, then blobs on page boundaries. SPDX-License-Identifier: MIT
 *
 * Its memory reaches us as device Untyped, which is never cleared. An Untyped gives out its
 * memory upward without gaps when nothing needs aligning, so asking for frames in the order of
 * their addresses yields exactly the frame at each address: 2 MiB frames where one blob covers
 * an aligned 2 MiB, 4 KiB frames everywhere else.
 */
#include "init.h"

#include <ipc/kernel.h>
#include <string.h>

#define RUNS_MAX 256u
#define RUN_FRAMES_MAX 256u

/* Frames of one size, side by side in memory and in slots. */
struct run {
    uint64_t physical;
    ar_cap first;
    unsigned count, bits;
};

static struct run runs[RUNS_MAX];
static unsigned run_count;
static uint64_t bundle_physical, bundle_end;
static const struct ar_bundle *bundle;
/* where the next blob that init reads is mapped */
static uint64_t window_used = INIT_BUNDLE_ADDRESS;

static uint64_t page_align(uint64_t address)
{
    return (address + PAGE - 1) & ~(PAGE - 1);
}

/* Frames from `at`, where the Untyped's free part begins. */
static void run_make(ar_cap untyped, uint64_t at, unsigned bits, unsigned count)
{
    if (run_count == RUNS_MAX)
        init_fail("the bundle lies in too many pieces");
    struct run *run = &runs[run_count++];
    *run = (struct run){.physical = at, .first = slots_take(count), .count = count, .bits = bits};
    for (unsigned made = 0; made < count; made += AR_RETYPE_MAX) {
        unsigned batch = count - made < AR_RETYPE_MAX ? count - made : AR_RETYPE_MAX;
        init_check(ar_retype(untyped, AR_FRAME, bits, run->first + made, batch),
                   "make frames of the bundle");
    }
    struct ar_message m;
    init_check(ar_invoke(run->first, AR_FRAME_INFO, 0, 0, 0, 0, 0, &m),
               "look at a frame of the bundle");
    if (m.words[0] != at)
        init_fail("the bundle's frame at %lx came out at %lx", at, m.words[0]);
}

/* One blob covers all of these 2 MiB (so nobody else's bytes are in them). */
static bool large_page_fits(uint64_t at)
{
    if (at % LARGE_PAGE || !bundle)
        return false;
    for (uint64_t i = 0; i < bundle->count; i++) {
        uint64_t start = bundle_physical + bundle->entries[i].offset;
        if (at >= start && at + LARGE_PAGE <= page_align(start + bundle->entries[i].size))
            return true;
    }
    return false;
}

static void runs_make(ar_cap untyped, uint64_t at, uint64_t end)
{
    while (at < end) {
        unsigned large = 0;
        while (large < RUN_FRAMES_MAX && at + (large + 1) * LARGE_PAGE <= end &&
               large_page_fits(at + large * LARGE_PAGE))
            large++;
        if (large) {
            run_make(untyped, at, 21, large);
            at += large * LARGE_PAGE;
            continue;
        }
        uint64_t stop = (at + LARGE_PAGE) & ~(LARGE_PAGE - 1); /* the next chance of a large page */
        if (stop > end)
            stop = end;
        uint64_t small = (stop - at) / PAGE;
        if (small > RUN_FRAMES_MAX)
            small = RUN_FRAMES_MAX;
        run_make(untyped, at, 12, (unsigned)small);
        at += small * PAGE;
    }
}

/* The frame that holds this physical address. */
static ar_cap frame_at(uint64_t physical, const struct run **found)
{
    for (unsigned i = 0; i < run_count; i++) {
        const struct run *run = &runs[i];
        if (physical < run->physical ||
            physical >= run->physical + ((uint64_t)run->count << run->bits))
            continue;
        *found = run;
        return run->first + (ar_cap)((physical - run->physical) >> run->bits);
    }
    init_fail("no memory capability covers the bundle at %lx", physical);
}

uint64_t blob_map(const struct blob *blob, ar_cap vspace, uint64_t base)
{
    uint64_t address = base + (blob->physical & (LARGE_PAGE - 1));
    uint64_t end = page_align(blob->physical + blob->size);
    const struct run *run;
    for (uint64_t at = blob->physical; at < end; at += 1ull << run->bits) {
        ar_cap frame = frame_at(at, &run);
        frame_map_shared(vspace, frame, address + (at - blob->physical), AR_READ);
    }
    return address;
}

static void bundle_check(uint64_t size)
{
    if (memcmp(bundle->magic, "ARAMIDBN", 8))
        init_fail("the bundle has a wrong magic number");
    if (bundle->count > (PAGE - sizeof(*bundle)) / sizeof(bundle->entries[0]))
        init_fail("the bundle's directory of %lu blobs is larger than a page", bundle->count);
    for (uint64_t i = 0; i < bundle->count; i++) {
        const struct ar_bundle_entry *entry = &bundle->entries[i];
        if (entry->offset % PAGE || entry->offset > size || entry->size > size - entry->offset)
            init_fail("the bundle's blob %lu lies outside it", i);
    }
}

/* First the pages up to the directory, one by one; when that can be read, the rest in the best
 * sizes. */
void bundle_init(const struct ar_boot_info *boot)
{
    init_step("init", "reading the bundle");
    bundle_physical = boot->bundle_physical;
    bundle_end = page_align(boot->bundle_physical + boot->bundle_size);
    if (boot->bundle_size < PAGE || bundle_physical % PAGE)
        init_fail("no bundle at %lx, %lu bytes", bundle_physical, boot->bundle_size);
    unsigned holder = UINT32_MAX;
    for (unsigned i = 0; i < boot->untyped_count; i++) {
        const struct ar_untyped_info *info = &boot->untyped[i];
        if (info->device && info->physical <= bundle_physical &&
            bundle_physical < info->physical + (1ull << info->size_bits))
            holder = i;
    }
    if (holder == UINT32_MAX)
        init_fail("no device memory covers the bundle's start at %lx", bundle_physical);
    const struct ar_untyped_info *first = &boot->untyped[holder];
    runs_make(AR_INIT_UNTYPED + holder, first->physical, bundle_physical + PAGE);
    struct blob directory = {bundle_physical, PAGE};
    bundle = (const struct ar_bundle *)blob_map(&directory, AR_INIT_VSPACE, window_used);
    window_used += 2 * LARGE_PAGE;
    bundle_check(boot->bundle_size);

    runs_make(AR_INIT_UNTYPED + holder, bundle_physical + PAGE,
              first->physical + (1ull << first->size_bits));
    for (unsigned i = 0; i < boot->untyped_count; i++) {
        const struct ar_untyped_info *info = &boot->untyped[i];
        uint64_t end = info->physical + (1ull << info->size_bits);
        if (info->device && i != holder && info->physical < bundle_end && end > bundle_physical)
            runs_make(AR_INIT_UNTYPED + i, info->physical, end);
    }
}

bool bundle_find(const char *name, struct blob *blob)
{
    for (uint64_t i = 0; i < bundle->count; i++) {
        const struct ar_bundle_entry *entry = &bundle->entries[i];
        if (strncmp(entry->name, name, sizeof(entry->name)) == 0) {
            *blob = (struct blob){bundle_physical + entry->offset, entry->size};
            return true;
        }
    }
    return false;
}

const void *bundle_open(const char *name, size_t *size)
{
    struct blob blob;
    if (!bundle_find(name, &blob))
        return NULL;
    uint64_t address = blob_map(&blob, AR_INIT_VSPACE, window_used);
    window_used = ((address + blob.size) & ~(LARGE_PAGE - 1)) + LARGE_PAGE;
    *size = blob.size;
    return (const void *)address;
}
