/*
 * Can Linux have garbage to collect? SPDX-License-Identifier: MIT
 *
 * Since 6.10 its collector does nothing while unix_graph_maybe_cyclic is false: no socket in flight
 * is on its way to one that is in flight itself, and it stays true while any make a circle. To
 * sleep for a collector that has nothing to do takes a third of a recording's time, so we look.
 */
#include "garbage_linux.h"

#include <elf.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int kernel = -1; /* its memory: /proc/kcore */
static off_t flag;      /* where that has the variable */

static uint64_t symbol_find(const char *wanted)
{
    char line[256], name[128];
    unsigned long long address, found = 0;
    FILE *file = fopen("/proc/kallsyms", "r");
    while (!found && file && fgets(line, sizeof(line), file))
        if (sscanf(line, "%llx %*c %127s", &address, name) == 2 && strcmp(name, wanted) == 0)
            found = address;
    if (file)
        fclose(file);
    return found;
}

static off_t core_offset(uint64_t address)
{
    Elf64_Ehdr head;
    Elf64_Phdr part;
    if (pread(kernel, &head, sizeof(head), 0) != sizeof(head))
        return 0;
    for (int i = 0; i < head.e_phnum; i++) {
        if (pread(kernel, &part, sizeof(part), (off_t)(head.e_phoff + (uint64_t)i * sizeof(part))) != sizeof(part))
            return 0;
        if (part.p_type == PT_LOAD && address >= part.p_vaddr && address - part.p_vaddr < part.p_memsz)
            return (off_t)(part.p_offset + (address - part.p_vaddr));
    }
    return 0;
}

void garbage_begin(void)
{
    uint64_t address = symbol_find("unix_graph_maybe_cyclic");
    kernel = address ? open("/proc/kcore", O_RDONLY | O_CLOEXEC) : -1;
    flag = kernel < 0 ? 0 : core_offset(address);
}

bool garbage_possible(void)
{
    bool maybe = true;
    if (flag && pread(kernel, &maybe, sizeof(maybe), flag) != sizeof(maybe))
        return true;
    return maybe;
}
