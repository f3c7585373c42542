/* Say to AddressSanitizer what stack runs: see fiber.h. SPDX-License-Identifier: MIT */
#include "fiber.h"
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <string.h>

static const void *program_stack;
static size_t program_stack_size;

void fiber_switch_begin(struct fiber *from, const struct fiber *to, int last)
{
    const void *stack = to->stack ? to->stack : program_stack;
    size_t size = to->stack ? to->stack_size : program_stack_size;
    if (to->stack && !to->sanitizer) /* a fresh one, perhaps another's before */
        __asan_unpoison_memory_region((char *)to->stack + 4096, to->stack_size - 4096);
    __sanitizer_start_switch_fiber(last ? NULL : &from->sanitizer, stack, size);
}

/* For a new fiber its entry calls this. The first to switch is the program's own stack. */
void fiber_switch_end(struct fiber *now)
{
    const void *stack;
    size_t size;
    __sanitizer_finish_switch_fiber(now->sanitizer, &stack, &size);
    if (!program_stack) {
        program_stack = stack;
        program_stack_size = size;
    }
}

int memory_poisoned(const void *memory, size_t length)
{
    return __asan_region_is_poisoned((void *)memory, length) != NULL;
}

int memory_hidden(const void *memory, size_t length)
{
    char name[1];
    void *start;
    size_t size;
    void *first = __asan_region_is_poisoned((void *)memory, length);
    return first && strstr(__asan_locate_address(first, name, sizeof(name), &start, &size), "shadow");
}
