/* Random bytes: rdrand where there is one, else a generator seeded by the clock.
 * SPDX-License-Identifier: MIT */
#include "private.h"

static bool hardware_random(uint64_t *value)
{
    static int present; /* 0 not asked, 1 yes, 2 no */
    if (!present) {
        uint32_t eax = 1, ebx, ecx, edx;
        __asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "=c"(ecx), "=d"(edx));
        present = ecx & 1u << 30 ? 1 : 2;
    }
    if (present == 2)
        return false;
    for (unsigned tries = 0; tries < 10; tries++) {
        uint8_t good;
        __asm__ volatile("rdrand %0\n\tsetc %1" : "=r"(*value), "=qm"(good) : : "cc");
        if (good)
            return true;
    }
    return false;
}

/* splitmix64 over a counter mixed with the time stamp counter: not for secrets, which is why
 * rdrand comes first. */
static uint64_t random_next(void)
{
    static uint64_t state;
    uint64_t value;
    uint32_t low, high;
    if (hardware_random(&value))
        return value;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    state +=
        0x9e3779b97f4a7c15ull ^ ((uint64_t)high << 32 | low) ^ (uint64_t)thread_self()->tid << 48;
    value = state;
    value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9ull;
    value = (value ^ value >> 27) * 0x94d049bb133111ebull;
    return value ^ value >> 31;
}

void random_fill(void *to, size_t length)
{
    char *at = to;
    while (length) {
        uint64_t value = random_next();
        size_t n = length < 8 ? length : 8;
        memcpy(at, &value, n);
        at += n;
        length -= n;
    }
}
