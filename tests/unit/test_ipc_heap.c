/*
 * The servers' heap: whatever is allocated, freed and resized in whatever order, blocks never
 * overlap, the books are right, and in the end the heap is one free block again.
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "heap.h"

#define MEMORY (1u << 20)
#define BLOCKS 300u
#define ROUNDS 40000u

static _Alignas(16) unsigned char memory[MEMORY];

struct block {
    unsigned char *start;
    size_t size;
    unsigned char mark;
};

static uint64_t seed = 88172645463325252ull;

static unsigned dice(unsigned sides)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (unsigned)(seed % sides);
}

static void block_check(const struct block *block)
{
    for (size_t i = 0; i < block->size; i++)
        assert_int_equal(block->start[i], block->mark);
}

static void block_make(struct heap *heap, struct block *block)
{
    block->size = dice(10) ? dice(500) : dice(60000);
    block->start = heap_alloc(heap, block->size);
    block->mark = (unsigned char)dice(256);
    if (!block->start)
        return;
    assert_int_equal((uintptr_t)block->start % HEAP_ALIGNMENT, 0);
    assert_true(block->start >= memory && block->start + block->size <= memory + MEMORY);
    assert_true(heap_usable(block->start) >= block->size);
    memset(block->start, block->mark, block->size);
}

static void random_use_keeps_the_books(void **state)
{
    (void)state;
    static struct block blocks[BLOCKS];
    struct heap heap;
    heap_init(&heap, memory, MEMORY);
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct block *block = &blocks[dice(BLOCKS)];
        if (!block->start) {
            block_make(&heap, block);
        } else if (dice(4) == 0) {
            size_t size = dice(1000);
            if (heap_resize(&heap, block->start, size)) {
                block->size = size < block->size ? size : block->size;
                block_check(block);
                memset(block->start, block->mark, size);
                block->size = size;
            }
        } else {
            block_check(block);
            heap_free(&heap, block->start);
            block->start = NULL;
        }
        if (round % 64 == 0)
            assert_null(heap_check(&heap));
    }
    for (unsigned i = 0; i < BLOCKS; i++)
        if (blocks[i].start)
            heap_free(&heap, blocks[i].start);
    assert_null(heap_check(&heap));
    assert_int_equal(heap.in_use, 0);
    assert_non_null(heap_alloc(&heap, MEMORY - 64)); /* everything has merged again */
}

static void a_full_heap_says_so(void **state)
{
    (void)state;
    struct heap heap;
    heap_init(&heap, memory, 4096);
    unsigned count = 0;
    while (heap_alloc(&heap, 100))
        count++;
    assert_in_range(count, 30, 40);
    assert_null(heap_alloc(&heap, 4096));
    assert_null(heap_alloc(&heap, SIZE_MAX));
    assert_null(heap_alloc(&heap, SIZE_MAX - 8));
    assert_null(heap_check(&heap));
}

/* Blocks that are too large for a bin. */
static void growing_uses_the_free_block_behind(void **state)
{
    (void)state;
    struct heap heap;
    heap_init(&heap, memory, 4096);
    void *first = heap_alloc(&heap, 600), *second = heap_alloc(&heap, 600),
         *third = heap_alloc(&heap, 600);
    assert_false(heap_resize(&heap, first, 1000));
    heap_free(&heap, second);
    assert_true(heap_resize(&heap, first, 1000));
    assert_false(heap_resize(&heap, first, 1300)); /* the third is in the way */
    assert_true(heap_resize(&heap, first, 10));
    assert_null(heap_check(&heap));
    heap_free(&heap, first);
    heap_free(&heap, third);
    assert_int_equal(heap.in_use, 0);
}

static void a_small_block_comes_back_and_is_not_lost(void **state)
{
    (void)state;
    struct heap heap;
    void *blocks[20];
    heap_init(&heap, memory, 4096);
    for (unsigned i = 0; i < 20; i++)
        assert_non_null(blocks[i] = heap_alloc(&heap, 100));
    size_t all = heap.in_use;
    for (unsigned i = 0; i < 20; i++)
        heap_free(&heap, blocks[i]);
    assert_int_equal(heap.in_use, 0); /* what waits in a bin is not handed out */
    assert_int_equal(heap.bins[100 / 16].count + heap.bins[112 / 16].count, HEAP_BIN_MOST);
    assert_null(heap_check(&heap));
    assert_ptr_equal(heap_alloc(&heap, 100), blocks[HEAP_BIN_MOST - 1]); /* the last one put in */
    assert_int_equal(heap.in_use, all / 20);
    heap_free(&heap, blocks[HEAP_BIN_MOST - 1]);
    assert_non_null(heap_alloc(&heap, 3900)); /* more than any list has: the bins are emptied */
    assert_null(heap_check(&heap));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_use_keeps_the_books),
        cmocka_unit_test(a_full_heap_says_so),
        cmocka_unit_test(growing_uses_the_free_block_behind),
        cmocka_unit_test(a_small_block_comes_back_and_is_not_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
