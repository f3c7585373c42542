/* Loading a server's executable. SPDX-License-Identifier: MIT */
#include "init.h"

#include <elf.h>
#include <ipc/kernel.h>
#include <string.h>

#define LOAD_LOW 0x10000ull
#define LOAD_END AR_BOOT_INFO /* what init maps in a server begins here */

static void header_check(const Elf64_Ehdr *header, size_t size)
{
    if (size < sizeof(*header) || memcmp(header->e_ident, ELFMAG, SELFMAG))
        init_fail("its file is no ELF file");
    if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_machine != EM_X86_64 ||
        header->e_type != ET_EXEC)
        init_fail("its file is no static x86_64 executable");
    if (header->e_phentsize != sizeof(Elf64_Phdr) || header->e_phoff % 8 ||
        header->e_phoff > size || header->e_phnum > (size - header->e_phoff) / sizeof(Elf64_Phdr))
        init_fail("its program headers lie outside the file");
}

static void segment_check(const Elf64_Phdr *segment, size_t size)
{
    if (segment->p_filesz > segment->p_memsz || segment->p_offset > size ||
        segment->p_filesz > size - segment->p_offset)
        init_fail("a segment lies outside the file");
    if (segment->p_vaddr < LOAD_LOW || segment->p_vaddr >= LOAD_END ||
        segment->p_memsz > LOAD_END - segment->p_vaddr)
        init_fail("a segment at %lx lies outside %lx..%lx", segment->p_vaddr, (uint64_t)LOAD_LOW,
                  (uint64_t)LOAD_END);
    if ((segment->p_flags & (PF_W | PF_X)) == (PF_W | PF_X))
        init_fail("the segment at %lx is writable and executable", segment->p_vaddr);
}

/* What of the file belongs on the page at `page`; the frame comes cleared. */
static void page_fill(ar_cap frame, uint64_t page, const Elf64_Phdr *segment, const char *image)
{
    uint64_t from = page > segment->p_vaddr ? page : segment->p_vaddr;
    uint64_t file_end = segment->p_vaddr + segment->p_filesz;
    uint64_t to = page + PAGE < file_end ? page + PAGE : file_end;
    if (from >= to)
        return;
    char *window = window_open(frame);
    memcpy(window + (from - page), image + segment->p_offset + (from - segment->p_vaddr),
           to - from);
    window_close(frame);
}

static void segment_load(const Elf64_Phdr *segment, const char *image, ar_cap vspace)
{
    uint64_t start = segment->p_vaddr & ~(PAGE - 1);
    uint64_t end = (segment->p_vaddr + segment->p_memsz + PAGE - 1) & ~(PAGE - 1);
    unsigned rights = AR_READ | (segment->p_flags & PF_W ? AR_WRITE : 0) |
                      (segment->p_flags & PF_X ? AR_EXEC : 0);
    ar_cap frame = object_make(AR_FRAME, 12, (unsigned)((end - start) / PAGE));
    for (uint64_t page = start; page < end; page += PAGE, frame++) {
        page_fill(frame, page, segment, image);
        frame_map(vspace, frame, page, rights);
    }
}

uint64_t elf_load(const void *image, size_t size, ar_cap vspace)
{
    const Elf64_Ehdr *header = image;
    header_check(header, size);
    const Elf64_Phdr *segments = (const Elf64_Phdr *)((const char *)image + header->e_phoff);
    for (unsigned i = 0; i < header->e_phnum; i++) {
        if (segments[i].p_type != PT_LOAD || segments[i].p_memsz == 0)
            continue;
        segment_check(&segments[i], size);
        segment_load(&segments[i], image, vspace);
    }
    return header->e_entry;
}
