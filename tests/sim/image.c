/* See image.h. SPDX-License-Identifier: MIT */
#include "image.h"
#include <elf.h>
#include <string.h>

void image_make(void *blob)
{
    const Elf64_Ehdr elf = {.e_ident = "\177ELF\2\1\1", .e_type = ET_EXEC, .e_machine = EM_X86_64,
                            .e_version = 1, .e_phoff = sizeof(elf), .e_ehsize = sizeof(elf),
                            .e_phentsize = sizeof(Elf64_Phdr), .e_phnum = 1};
    const Elf64_Phdr text = {.p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_offset = IMAGE_TEXT,
                             .p_vaddr = POSIX_BASE, .p_paddr = POSIX_BASE, .p_filesz = IMAGE_TEXT,
                             .p_memsz = IMAGE_TEXT, .p_align = IMAGE_TEXT};
    const struct posix_header header = {
        .magic = POSIX_MAGIC, .version = 1, .start = IMAGE_START, .foreign_entry = IMAGE_START,
        .async_entry = IMAGE_START, .fork_entry = IMAGE_FORK, .thread_entry = IMAGE_THREAD,
        .native_low = POSIX_BASE, .native_high = POSIX_BASE + IMAGE_TEXT,
    };
    memset(blob, 0, IMAGE_SIZE);
    memcpy(blob, &elf, sizeof(elf));
    memcpy((char *)blob + sizeof(elf), &text, sizeof(text));
    memcpy((char *)blob + IMAGE_TEXT, &header, sizeof(header));
}
