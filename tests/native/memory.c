/* Slots, objects and address spaces of a native program. SPDX-License-Identifier: MIT */
#include "native.h"

#include <string.h>

enum { POOL_MAX = 192, ROOT_LEAVES = 256, PAGE = 4096, IMAGE_PAGES_MAX = 512 };

static struct {
    ar_cap slot;
    unsigned bits;
} pools[POOL_MAX]; /* ascending size: small objects fill the fragments */
static unsigned pool_count;
static ar_cap next_slot = AR_INIT_FREE_SLOT;
static unsigned leaves = AR_INIT_SLOTS / AR_LEAF_SLOTS;

void native_memory_init(const struct ar_boot_info *boot);

void native_memory_init(const struct ar_boot_info *boot)
{
    for (unsigned i = 0; i < boot->untyped_count && i < POOL_MAX; i++) {
        if (boot->untyped[i].device)
            continue;
        unsigned at = pool_count++;
        for (; at > 0 && pools[at - 1].bits > boot->untyped[i].size_bits; at--)
            pools[at] = pools[at - 1];
        pools[at].slot = AR_INIT_UNTYPED + i;
        pools[at].bits = boot->untyped[i].size_bits;
    }
}

/* The first of `count` new objects in `first` and the slots behind it. */
static void make(enum ar_type type, unsigned bits, ar_cap first, unsigned count)
{
    for (unsigned i = 0; i < pool_count; i++) {
        enum ar_error error = ar_retype(pools[i].slot, type, bits, first, count);
        if (error == AR_OK)
            return;
        native_check(error == AR_ERR_NO_MEMORY, "retype of %u objects of type %u, bits %u: error %u",
                     count, type, bits, error);
    }
    native_fail(__FILE__, __LINE__, "out of memory: %u objects of type %u, bits %u (run.py --mem)",
                count, type, bits);
}

ar_cap native_slots(unsigned count)
{
    while (next_slot + count + 1 > leaves * AR_LEAF_SLOTS) {
        /* the last slot of what is there holds the next leaf until it is set */
        ar_cap leaf = leaves * AR_LEAF_SLOTS - 1;
        native_check(leaves < ROOT_LEAVES, "init's capability space is full");
        make(AR_CNODE, AR_LEAF_BITS, leaf, 1);
        native_ok("set a leaf", ar_invoke4(AR_INIT_CNODE, AR_CNODE_SET_LEAF, leaves, leaf, 0, 0));
        leaves++;
    }
    next_slot += count;
    return next_slot - count;
}

ar_cap native_retype_many(enum ar_type type, unsigned bits, unsigned count)
{
    ar_cap first = native_slots(count);
    for (unsigned done = 0; done < count; done += AR_RETYPE_MAX)
        make(type, bits, first + done, count - done < AR_RETYPE_MAX ? count - done : AR_RETYPE_MAX);
    return first;
}

ar_cap native_retype(enum ar_type type, unsigned bits)
{
    return native_retype_many(type, bits, 1);
}

ar_cap native_copy(ar_cap source, unsigned rights)
{
    ar_cap slot = native_slots(1);
    native_ok("copy a capability", ar_cap_copy(AR_CAP_SELF, slot, AR_CAP_SELF, source, rights));
    return slot;
}

ar_cap native_gate(ar_cap endpoint, uint64_t badge)
{
    ar_cap gate = native_retype(AR_GATE, 0);
    native_ok("bind a gate", ar_invoke4(gate, AR_GATE_BIND, endpoint, badge, 0, 0));
    return gate;
}

ar_cap native_space(void)
{
    return native_retype(AR_VSPACE, 0);
}

ar_cap native_cspace(unsigned count)
{
    ar_cap root = native_retype(AR_CNODE, 4);
    native_check(count <= 16, "a small capability space has at most 16 leaves, not %u", count);
    for (unsigned i = 0; i < count; i++)
        native_ok("set a leaf", ar_invoke4(root, AR_CNODE_SET_LEAF, i,
                                           native_retype(AR_CNODE, AR_LEAF_BITS), 0, 0));
    return root;
}

/* ---- mappings -------------------------------------------------------------------------------- */

static enum ar_error map(ar_cap space, uint64_t address, ar_cap frame, unsigned rights)
{
    for (;;) {
        enum ar_error error = ar_invoke4(frame, AR_FRAME_MAP, space, address, rights, 0);
        if (error != AR_ERR_NO_TABLE)
            return error;
        native_ok("map a page table", ar_invoke4(space, AR_VSPACE_MAP_TABLE,
                                                 native_retype(AR_TABLE, 0), address, 0, 0));
    }
}

ar_cap native_map(ar_cap space, uint64_t address, ar_cap frame, unsigned rights)
{
    if (!frame)
        frame = native_retype(AR_FRAME, 12);
    enum ar_error error = map(space, address, frame, rights);
    if (error == AR_ERR_EXISTS) {
        frame = native_copy(frame, AR_ALL);
        error = map(space, address, frame, rights);
    }
    native_check(error == AR_OK, "map a frame at %lx: error %u", address, error);
    return frame;
}

void native_share(ar_cap space, uint64_t address, unsigned pages)
{
    for (unsigned i = 0; i < pages; i++) {
        ar_cap frame = native_map(AR_INIT_VSPACE, address + i * PAGE, 0, AR_READ | AR_WRITE);
        native_map(space, address + i * PAGE, frame, AR_READ | AR_WRITE);
    }
}

/* ---- the program's own image ----------------------------------------------------------------- */

struct elf_header {
    unsigned char ident[16];
    uint16_t type, machine;
    uint32_t version;
    uint64_t entry, program_headers, section_headers;
    uint32_t flags;
    uint16_t size, program_header_size, program_header_count;
};
struct elf_program_header {
    uint32_t type, flags;
    uint64_t offset, address, physical, file_size, memory_size, alignment;
};
extern const struct elf_header __ehdr_start; /* the linker's */

/* A frame with what the page at `address` has now. */
static ar_cap page_copy(uint64_t address)
{
    ar_cap frame = native_map(AR_INIT_VSPACE, NATIVE_WINDOW, 0, AR_READ | AR_WRITE);
    memcpy((void *)NATIVE_WINDOW, (const void *)address, PAGE);
    native_ok("close the window", ar_invoke4(frame, AR_FRAME_UNMAP, 0, 0, 0, 0));
    return frame;
}

/* Copies of the pages that cannot change, made by the first load. */
static ar_cap constant_pages[IMAGE_PAGES_MAX];

static ar_cap constant_page(uint64_t address)
{
    uint64_t index = (address - (uint64_t)&__ehdr_start) / PAGE;
    native_check(index < IMAGE_PAGES_MAX, "the program is larger than %u pages", IMAGE_PAGES_MAX);
    if (!constant_pages[index])
        constant_pages[index] = page_copy(address);
    return constant_pages[index];
}

void native_load(ar_cap space)
{
    const struct elf_program_header *segments =
        (const void *)((const char *)&__ehdr_start + __ehdr_start.program_headers);
    for (unsigned i = 0; i < __ehdr_start.program_header_count; i++) {
        const struct elf_program_header *segment = &segments[i];
        bool write = segment->flags & 2, execute = segment->flags & 1;
        uint64_t end = segment->address + segment->memory_size;
        if (segment->type != 1)
            continue;
        for (uint64_t page = segment->address & ~(PAGE - 1ull); page < end; page += PAGE)
            native_map(space, page, write ? page_copy(page) : constant_page(page),
                       AR_READ | (write ? AR_WRITE : 0u) | (execute ? AR_EXEC : 0u));
    }
}
