/* libposix's ELF, from the bundle: the one file that procd parses, and it trusts it.
 * SPDX-License-Identifier: MIT */
#include "procd.h"
#include <string.h>

struct elf_header {
    uint8_t ident[16];
    uint16_t type, machine;
    uint32_t version;
    uint64_t entry, program_offset, section_offset;
    uint32_t flags;
    uint16_t size, program_size, program_count, section_size, section_count, section_names;
};
struct elf_program {
    uint32_t type, flags;
    uint64_t offset, address, physical, file_size, memory_size, align;
};
#define ELF_LOAD 1u
#define ELF_EXEC 1u
#define ELF_WRITE 2u
#define ELF_READ 4u

/* The segment's pages into frames of our own. Pages wholly beyond the file's bytes stay 0: zero
 * at first touch. */
static const char *segment_load(struct procd *procd, const uint8_t *blob,
                                const struct elf_program *program)
{
    struct image *image = &procd->image;
    uint64_t start = program->address & ~(PAGE_SIZE - 1), lead = program->address - start;
    uint64_t end = (program->address + program->memory_size + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);
    if (image->segment_count == IMAGE_SEGMENTS_MAX)
        return "too many segments";
    if (start < POSIX_BASE || end > POSIX_START_ADDRESS || end <= start)
        return "a segment lies outside libposix's range";
    for (unsigned i = 0; i < image->segment_count; i++)
        if (start < image->segments[i].end && end > image->segments[i].start)
            return "segments share a page";
    struct object *object = object_create((uint32_t)((end - start) / PAGE_SIZE));
    if (!object)
        return "the heap is too small";
    struct region *region = &image->segments[image->segment_count++];
    *region = (struct region){.start = start, .end = end, .object = object, .flags = REGION_SYSTEM};
    region->protection = program->flags & ELF_READ ? PROTECT_READ : 0;
    region->protection |= program->flags & ELF_WRITE ? PROTECT_WRITE : 0;
    region->protection |= program->flags & ELF_EXEC ? PROTECT_EXEC : 0;
    if (!(program->flags & ELF_WRITE))
        region->flags |= REGION_SHARED;
    for (uint64_t page = 0; page * PAGE_SIZE < lead + program->file_size; page++) {
        uint32_t frame = frame_take(&procd->image_space);
        if (!frame)
            return "out of memory";
        object->frames[page] = frame;
        uint8_t bytes[PAGE_SIZE] = {0};
        for (uint64_t i = 0; i < PAGE_SIZE; i++) {
            uint64_t at = page * PAGE_SIZE + i;
            if (at >= lead && at - lead < program->file_size)
                bytes[i] = blob[program->offset + at - lead];
        }
        procd->machine->frame_write(procd->context, frame, 0, bytes, PAGE_SIZE);
    }
    return NULL;
}

const char *image_load(struct procd *procd, const void *blob, size_t size)
{
    struct elf_header header;
    if (size < sizeof(header))
        return "the blob is no ELF file";
    memcpy(&header, blob, sizeof(header));
    if (memcmp(header.ident, "\177ELF\2\1", 6) != 0 || header.machine != 62
        || header.program_size != sizeof(struct elf_program))
        return "the blob is no x86_64 ELF file";
    if (header.program_offset > size
        || (size - header.program_offset) / sizeof(struct elf_program) < header.program_count)
        return "its program headers are cut off";
    bool found = false;
    for (unsigned i = 0; i < header.program_count; i++) {
        struct elf_program program;
        memcpy(&program, (const uint8_t *)blob + header.program_offset + i * sizeof(program),
               sizeof(program));
        if (program.type != ELF_LOAD || program.memory_size == 0)
            continue;
        if (program.offset > size || size - program.offset < program.file_size ||
            program.file_size > program.memory_size || program.memory_size > POSIX_END - POSIX_BASE)
            return "a segment is cut off";
        const char *wrong = segment_load(procd, blob, &program);
        if (wrong)
            return wrong;
        if (program.address == POSIX_BASE && program.file_size >= sizeof(struct posix_header)) {
            memcpy(&procd->image.header, (const uint8_t *)blob + program.offset,
                   sizeof(struct posix_header));
            found = procd->image.header.magic == POSIX_MAGIC;
        }
    }
    return found ? NULL : "no posix_header at POSIX_BASE";
}

bool image_map(struct procd *procd, struct space *space)
{
    for (unsigned i = 0; i < procd->image.segment_count; i++) {
        struct region region = procd->image.segments[i];
        region.object->references++;
        if (space_add(space, &region, false) != ST_OK)
            return false;
    }
    return true;
}
