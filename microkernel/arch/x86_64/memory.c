/*
 * Clearing and copying. SPDX-License-Identifier: MIT
 */
#include "arch/arch.h"

void memory_clear(void *memory, uint64_t bytes)
{
    uint64_t words = bytes / 8, rest = bytes & 7;
    __asm__ volatile("rep stosq" : "+D"(memory), "+c"(words) : "a"(0) : "memory");
    __asm__ volatile("rep stosb" : "+D"(memory), "+c"(rest) : "a"(0) : "memory");
}

void memory_copy(void *to, const void *from, uint64_t bytes)
{
    uint64_t words = bytes / 8, rest = bytes & 7;
    __asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(rest) : : "memory");
}

/* gcc may call these for structure copies. */
void *memcpy(void *to, const void *from, uint64_t bytes)
{
    memory_copy(to, from, bytes);
    return to;
}

void *memset(void *memory, int value, uint64_t bytes)
{
    void *at = memory;
    __asm__ volatile("rep stosb" : "+D"(at), "+c"(bytes) : "a"(value) : "memory");
    return memory;
}
