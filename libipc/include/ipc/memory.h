/*
 * The only allocator that a server's core may call. On the host it is malloc with the
 * Nth-allocation failure hook; in the guest it is the server's fixed heap from the manifest.
 * SPDX-License-Identifier: MIT
 */
#ifndef IPC_MEMORY_H
#define IPC_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

void *mem_alloc(size_t bytes);  /* zeroed, 16-byte aligned; NULL when the heap is full */
void *mem_alloc_unset(size_t bytes); /* the same with whatever lay there: the caller fills it */
/* as realloc; new bytes are not zeroed; NULL leaves the old one */
void *mem_resize(void *memory, size_t bytes);
void mem_free(void *memory);    /* NULL is fine */
size_t mem_in_use(void);        /* bytes handed out and not freed: tests compare before and after */

size_t mem_taken(void);         /* all that is taken of the heap, the server runtime's part too */

/* Host only: make allocation number `n` from now on fail, once (0: never). */
void mem_fail_at(unsigned n);
/* Host only: each allocation fails of which `fails` says so (NULL: none), and each that would bring
 * more than `limit` bytes in use (0: no limit). */
void mem_fail_when(bool (*fails)(void), size_t limit);
size_t mem_blocks(void); /* host only: how many are in use */

#endif
