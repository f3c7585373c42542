/*
 * The Multiboot2 boot protocol, for GRUB ("Multiboot2 Specification version 2.0", section 3.6).
 * SPDX-License-Identifier: MIT
 */
#include "arch/arch.h"
#include "boot/boot.h"

enum { TAG_END = 0, TAG_COMMAND_LINE = 1, TAG_MODULE = 3, TAG_MEMORY_MAP = 6, MEMORY_RAM = 1 };

/* The information is a header, then tags, each on a multiple of 8 bytes. */
struct information {
    uint32_t bytes, reserved;
};
struct tag {
    uint32_t type, bytes; /* of the whole tag */
};
struct tag_module {
    struct tag tag;
    uint32_t start, end;
    char name[];
};
struct memory_entry {
    uint64_t start, bytes;
    uint32_t type, reserved;
};
struct tag_memory_map {
    struct tag tag;
    uint32_t entry_bytes, entry_version;
    struct memory_entry entries[];
};

static void read_memory(const struct tag_memory_map *map, bool usable, struct boot_facts *facts)
{
    if (map->entry_bytes < sizeof(struct memory_entry))
        kernel_stop("the Multiboot2 memory map has entries of %u bytes, expected at least %u",
                    map->entry_bytes, (unsigned)sizeof(struct memory_entry));
    const uint8_t *at = (const uint8_t *)map->entries, *end = (const uint8_t *)map + map->tag.bytes;
    for (; at + map->entry_bytes <= end; at += map->entry_bytes) {
        const struct memory_entry *entry = (const struct memory_entry *)at;
        if (usable && entry->type == MEMORY_RAM)
            boot_memory_add(facts, entry->start, entry->bytes);
        else if (!usable && entry->type != MEMORY_RAM)
            boot_memory_remove(facts, entry->start, entry->bytes);
    }
}

static void read_module(const struct tag_module *module, struct boot_facts *facts)
{
    if (facts->bundle_end || module->end <= module->start)
        return; /* the first is the bundle */
    facts->bundle_start = module->start;
    facts->bundle_end = module->end;
}

/* Smallest size of a tag that is read; 0: any. */
static uint64_t tag_least(uint32_t type)
{
    switch (type) {
    case TAG_MODULE:
        return sizeof(struct tag_module);
    case TAG_MEMORY_MAP:
        return sizeof(struct tag_memory_map);
    default:
        return sizeof(struct tag);
    }
}

void boot_read_multiboot2(uint64_t information, struct boot_facts *facts)
{
    const struct information *info = arch_pointer(information);
    const struct tag_memory_map *map = NULL;
    uint64_t at = sizeof(*info);
    while (at + sizeof(struct tag) <= info->bytes) {
        const struct tag *tag = (const struct tag *)((const uint8_t *)info + at);
        if (tag->type == TAG_END)
            break;
        if (tag->bytes < tag_least(tag->type) || tag->bytes > info->bytes - at)
            kernel_stop("the Multiboot2 tag of type %u at %lu has %u bytes, %lu are left",
                        tag->type, at, tag->bytes, info->bytes - at);
        if (tag->type == TAG_COMMAND_LINE)
            boot_command_line(facts, (const char *)(tag + 1), tag->bytes - sizeof(*tag));
        else if (tag->type == TAG_MODULE)
            read_module((const struct tag_module *)tag, facts);
        else if (tag->type == TAG_MEMORY_MAP)
            map = (const struct tag_memory_map *)tag;
        at += (tag->bytes + 7) & ~7ull;
    }
    if (!map)
        kernel_stop("the boot loader passed no memory map (Multiboot2, %u bytes of information)",
                    info->bytes);
    read_memory(map, true, facts);
    read_memory(map, false, facts);
}
