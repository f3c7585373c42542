/* What libposix has no use for on the host, or finds there in another way: vector state, random
 * bytes. SPDX-License-Identifier: MIT */
#include "private.h"

struct posix_lock exec_lock, private_lock;

void fpu_keep(void)
{
}

void fpu_load(void)
{
}

uint32_t fpu_state_size(void)
{
    return 64;
}

void *fpu_buffer(void)
{
    static uint8_t state[64];
    return state;
}

uint64_t fs_base_read(void)
{
    return 0;
}

void fs_base_write(uint64_t base)
{
    (void)base;
}

/* splitmix64, seeded by the simulator: the same run twice. */
void random_fill(void *to, size_t length)
{
    for (uint8_t *at = to; length--; at++) {
        uint64_t value = posix_host_random += 0x9e3779b97f4a7c15ull;
        value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9ull;
        value = (value ^ value >> 27) * 0x94d049bb133111ebull;
        *at = (uint8_t)(value >> 56);
    }
}

bool cpu_has_fsgsbase(void)
{
    return true;
}
