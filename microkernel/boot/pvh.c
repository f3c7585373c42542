/*
 * The PVH boot protocol (xen/include/public/arch-x86/hvm/start_info.h documents the layout).
 * SPDX-License-Identifier: MIT
 */
#include "arch/arch.h"
#include "boot/boot.h"

enum { PVH_MAGIC = 0x336ec578, MEMORY_RAM = 1 };

struct pvh_start_info {
    uint32_t magic, version, flags, module_count;
    uint64_t modules, command_line, rsdp, memory_map;
    uint32_t memory_map_entries, reserved;
};
struct pvh_module {
    uint64_t start, size, command_line, reserved;
};
struct pvh_memory {
    uint64_t start, size;
    uint32_t type, reserved;
};

void boot_read_pvh(uint64_t start_info, struct boot_facts *facts)
{
    const struct pvh_start_info *info = arch_pointer(start_info);
    if (info->magic != PVH_MAGIC || info->version < 1)
        kernel_stop("PVH start info has magic %x version %u, expected %x and at least 1",
                    info->magic, info->version, (unsigned)PVH_MAGIC);
    const struct pvh_memory *map = arch_pointer(info->memory_map);
    for (unsigned i = 0; i < info->memory_map_entries; i++)
        if (map[i].type == MEMORY_RAM)
            boot_memory_add(facts, map[i].start, map[i].size);
    for (unsigned i = 0; i < info->memory_map_entries; i++)
        if (map[i].type != MEMORY_RAM)
            boot_memory_remove(facts, map[i].start, map[i].size);
    if (info->module_count) {
        const struct pvh_module *module = arch_pointer(info->modules);
        facts->bundle_start = module->start;
        facts->bundle_end = module->start + module->size;
    }
    if (info->command_line)
        boot_command_line(facts, arch_pointer(info->command_line), BOOT_COMMAND_LINE);
}
