/* The shell: what filed needs of the machine, and the receive loop. SPDX-License-Identifier: MIT */
#include "filed.h"
#include <ipc/kernel.h>
#include <ipc/server.h>

static struct filed filed;

static int64_t now_ns(void *context)
{
    const struct server_info *info = context;
    return (int64_t)(info->boot_seconds * 1000000000ull + server_clock_ns());
}

static bool has_rdrand(void)
{
    uint32_t eax = 1, ebx, ecx, edx;
    __asm__("cpuid" : "+a"(eax), "=b"(ebx), "=c"(ecx), "=d"(edx));
    return ecx & 1u << 30;
}

/* One word of seed. Without rdrand it is only the time of the boot, to the cycle: not secret,
 * but never twice the same. */
static uint64_t seed_word(bool rdrand)
{
    uint64_t word = 0;
    uint32_t low, high;
    bool good = false;
    for (int tries = 0; rdrand && !good && tries < 10; tries++)
        __asm__ volatile("rdrand %0; setc %1" : "=r"(word), "=qm"(good) : : "cc");
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return word ^ (((uint64_t)high << 32 | low) * 0x9e3779b97f4a7c15ull) ^ server_clock_ns();
}

_Noreturn void server_main(const struct server_info *info)
{
    struct filed_config config = {
        .credentials = (const struct credentials *)CREDENTIALS_ADDRESS,
        .now_ns = now_ns,
        .now_context = (void *)(uintptr_t)info,
        .procd_slot = SERVER_SLOT_ROOT_PROCD,
        .consoled_slot = SERVER_SLOT_ROOT_CONSOLED,
        .heap_size = info->heap_size,
    };
    bool rdrand = has_rdrand();
    for (int i = 0; i < 4; i++)
        config.seed[i] = seed_word(rdrand);
    if (filed_init(&filed, &config))
        server_panic("heap of %lu bytes is too small to start", (unsigned long)info->heap_size);
    size_t bad = 0;
    enum status status = ST_OK;
    if (info->blob_address)
        status = filed_add_archive(&filed, (const void *)info->blob_address, info->blob_size, &bad);
    if (status == ST_NOMEM)
        server_panic(
            "out of memory at byte %lu of the archive: give filed a larger heap in the manifest",
            (unsigned long)bad);
    if (status)
        server_panic(
            "the archive is not newc cpio, or names an impossible file, at byte %lu of %lu",
            (unsigned long)bad, (unsigned long)info->blob_size);
    if (filed_add_defaults(&filed))
        server_panic("out of memory for /dev: give filed a larger heap in the manifest");
    server_log("%u nodes from %lu bytes of archive, heap %lu of %lu bytes", filed.node_count,
               (unsigned long)info->blob_size, (unsigned long)mem_in_use(),
               (unsigned long)info->heap_size);
    static const struct server server = {
        .state = &filed, .handle = filed_handle, .closed = filed_closed};
    server_run(&server);
}
