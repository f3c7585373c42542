/* Fibers: stacks that take turns. SPDX-License-Identifier: MIT */
#ifndef SIM_FIBER_H
#define SIM_FIBER_H

#include <stddef.h>

struct fiber {
    void *stack_pointer;
    void *stack; /* NULL: the program's own */
    size_t stack_size;
    void *sanitizer;
};

/* The first switch to it calls `entry`, which never returns. */
void fiber_init(struct fiber *fiber, void (*entry)(void));
/* From now on there are stacks for 64: while that is enough, none is mapped and none given back. */
void fiber_reserve(void);
/* The fiber does not run and never will. */
void fiber_free(struct fiber *fiber);
/* `last`: `from` will not run again. */
void fiber_switch(struct fiber *from, struct fiber *to, int last);

/* fiber_plain.c or fiber_sanitizer.c: around a switch. */
void fiber_switch_begin(struct fiber *from, const struct fiber *to, int last);
void fiber_switch_end(struct fiber *now);
/* Is `length` bytes of memory a server's or a program's to use? */
int memory_poisoned(const void *memory, size_t length);
/* If it is not: is it the sanitizer's own? A program has nothing there. */
int memory_hidden(const void *memory, size_t length);

#endif
