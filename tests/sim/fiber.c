/* See fiber.h. SPDX-License-Identifier: MIT */
#include "fiber.h"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define STACK_SIZE (512u << 10)
#define POOL 64u

static void *pool[POOL];
static unsigned pool_count;

/* void stack_switch(void **save, void *load): everything that a call keeps, then the other's. */
void stack_switch(void **save, void *load);
__asm__(".text\n"
        ".globl stack_switch\n"
        "stack_switch:\n"
        "    pushq %rbp\n"
        "    pushq %rbx\n"
        "    pushq %r12\n"
        "    pushq %r13\n"
        "    pushq %r14\n"
        "    pushq %r15\n"
        "    movq %rsp, (%rdi)\n"
        "    movq %rsi, %rsp\n"
        "    popq %r15\n"
        "    popq %r14\n"
        "    popq %r13\n"
        "    popq %r12\n"
        "    popq %rbx\n"
        "    popq %rbp\n"
        "    ret\n");

static void *stack_new(void)
{
    void *stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (stack == MAP_FAILED || mprotect(stack, 4096, PROT_NONE)) {
        perror("a fiber's stack");
        abort();
    }
    return stack;
}

void fiber_reserve(void)
{
    while (pool_count < POOL)
        pool[pool_count++] = stack_new();
}

void fiber_init(struct fiber *fiber, void (*entry)(void))
{
    fiber->stack_size = STACK_SIZE;
    fiber->stack = pool_count ? pool[--pool_count] : stack_new();
    uint64_t *top = (uint64_t *)((char *)fiber->stack + STACK_SIZE);
    *--top = 0;                /* the entry's return address: none; keeps the alignment of a call */
    *--top = (uint64_t)entry;
    for (int i = 0; i < 6; i++)
        *--top = 0;
    fiber->stack_pointer = top;
    fiber->sanitizer = NULL;
}

void fiber_free(struct fiber *fiber)
{
    if (!fiber->stack)
        return;
    if (pool_count < POOL)
        pool[pool_count++] = fiber->stack;
    else
        munmap(fiber->stack, fiber->stack_size);
    fiber->stack = NULL;
}

void fiber_switch(struct fiber *from, struct fiber *to, int last)
{
    fiber_switch_begin(from, to, last);
    stack_switch(&from->stack_pointer, to->stack_pointer);
    fiber_switch_end(from);
}
