/*
 * libposix's own memory and string functions: no vector registers, no libc.
 * SPDX-License-Identifier: MIT
 */
#include "internal.h"

void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
    void *result = to;
    size_t words = n >> 3;
    __asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
    n &= 7;
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
    return result;
}

void *memmove(void *to, const void *from, size_t n)
{
    if ((uintptr_t)to - (uintptr_t)from >= n)
        return memcpy(to, from, n);
    char *last = (char *)to + n - 1;
    const char *source = (const char *)from + n - 1;
    __asm__ volatile("std\n\trep movsb\n\tcld" : "+D"(last), "+S"(source), "+c"(n) : : "memory");
    return to;
}

void *memset(void *to, int byte, size_t n)
{
    void *cursor = to;
    uint64_t pattern = 0x0101010101010101ull * (uint8_t)byte;
    size_t words = n >> 3;
    __asm__ volatile("rep stosq" : "+D"(cursor), "+c"(words) : "a"(pattern) : "memory");
    n &= 7;
    __asm__ volatile("rep stosb" : "+D"(cursor), "+c"(n) : "a"(pattern) : "memory");
    return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
    const uint8_t *x = a, *y = b;
    for (size_t i = 0; i < n; i++)
        if (x[i] != y[i])
            return x[i] - y[i];
    return 0;
}

void *memchr(const void *s, int byte, size_t n)
{
    const uint8_t *x = s;
    for (size_t i = 0; i < n; i++)
        if (x[i] == (uint8_t)byte)
            return (void *)(x + i);
    return NULL;
}

size_t strlen(const char *s)
{
    size_t n = 0;
    while (s[n]) {
        __asm__ volatile(""); /* or the compiler makes a call to strlen of it */
        n++;
    }
    return n;
}

size_t strnlen(const char *s, size_t n)
{
    size_t i = 0;
    while (i < n && s[i])
        i++;
    return i;
}

int strcmp(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return (uint8_t)*a - (uint8_t)*b;
}

int strncmp(const char *a, const char *b, size_t n)
{
    for (; n; n--, a++, b++)
        if (*a != *b || !*a)
            return (uint8_t)*a - (uint8_t)*b;
    return 0;
}

char *strchr(const char *s, int c)
{
    for (;; s++) {
        if (*s == (char)c)
            return (char *)s;
        if (!*s)
            return NULL;
    }
}
