/*
 * The list of usable memory against a model that is one flag a page. SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "boot/boot.h"

enum { PAGES = 400, ROUNDS = 400, STEPS = 60 };
#define PAGE 4096ull

static struct boot_facts facts;
static uint64_t seed = 88172645463325252ull;

static uint64_t below(uint64_t limit)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (seed >> 11) % limit;
}

static int start(void **state)
{
    (void)state;
    memset(&facts, 0, sizeof(facts));
    return 0;
}

static void well_formed(void)
{
    assert_in_range(facts.memory_count, 0, BOOT_RANGES_MAX);
    for (unsigned i = 0; i < facts.memory_count; i++) {
        assert_true(facts.memory[i].start < facts.memory[i].end);
        assert_int_equal((facts.memory[i].start | facts.memory[i].end) % PAGE, 0);
        if (i)
            assert_true(facts.memory[i - 1].end < facts.memory[i].start); /* and not touching */
    }
}

static void one(unsigned index, uint64_t from, uint64_t to)
{
    assert_int_equal(facts.memory[index].start, from);
    assert_int_equal(facts.memory[index].end, to);
}

static void parts_of_pages_are_not_usable(void **state)
{
    (void)state;
    boot_memory_add(&facts, 1, 2 * PAGE);
    assert_int_equal(facts.memory_count, 1);
    one(0, PAGE, 2 * PAGE);
    boot_memory_add(&facts, 3 * PAGE + 8, PAGE);
    boot_memory_add(&facts, 5 * PAGE, 0);
    assert_int_equal(facts.memory_count, 1);
    boot_memory_add(&facts, 8 * PAGE, 8 * PAGE);
    boot_memory_remove(&facts, 10 * PAGE - 1, 2);
    assert_int_equal(facts.memory_count, 3);
    one(1, 8 * PAGE, 9 * PAGE);
    one(2, 11 * PAGE, 16 * PAGE);
    boot_memory_remove(&facts, 12 * PAGE, 0);
    assert_int_equal(facts.memory_count, 3);
}

static void ends_of_the_address_space(void **state)
{
    (void)state;
    boot_memory_add(&facts, UINT64_MAX - 10, 5);
    boot_memory_add(&facts, BOOT_MEMORY_END, PAGE);
    assert_int_equal(facts.memory_count, 0);
    boot_memory_add(&facts, BOOT_MEMORY_END - PAGE, UINT64_MAX); /* the sum wraps */
    assert_int_equal(facts.memory_count, 1);
    one(0, BOOT_MEMORY_END - PAGE, BOOT_MEMORY_END);
    boot_memory_remove(&facts, UINT64_MAX - PAGE, UINT64_MAX);
    assert_int_equal(facts.memory_count, 1);
    boot_memory_remove(&facts, 0, UINT64_MAX);
    assert_int_equal(facts.memory_count, 0);
}

static void the_smallest_is_forgotten(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < BOOT_RANGES_MAX; i++)
        boot_memory_add(&facts, i * 16 * PAGE, (i == 7 ? 2 : 4) * PAGE);
    assert_int_equal(facts.memory_count, BOOT_RANGES_MAX);
    assert_int_equal(facts.memory_lost, 0);
    boot_memory_add(&facts, 5000 * PAGE, 3 * PAGE);
    assert_int_equal(facts.memory_count, BOOT_RANGES_MAX);
    assert_int_equal(facts.memory_lost, 2 * PAGE);
    well_formed();
    boot_memory_remove(&facts, PAGE, PAGE); /* makes two of one, of one page and of two */
    assert_int_equal(facts.memory_lost, 3 * PAGE);
    one(0, 2 * PAGE, 4 * PAGE);
    well_formed();
}

static void as_the_model_says(void **state)
{
    static uint8_t model[PAGES];
    (void)state;
    for (unsigned round = 0; round < ROUNDS; round++) {
        memset(&facts, 0, sizeof(facts));
        memset(model, 0, sizeof(model));
        for (unsigned step = 0; step < STEPS; step++) {
            uint64_t from = below(PAGES), pages = below(PAGES - from < 40 ? PAGES - from : 40);
            int add = below(5) < 3;
            (add ? boot_memory_add : boot_memory_remove)(&facts, from * PAGE, pages * PAGE);
            memset(model + from, add, pages);
            well_formed();
        }
        assert_int_equal(facts.memory_lost, 0);
        for (unsigned i = 0; i < facts.memory_count; i++)
            for (uint64_t at = facts.memory[i].start; at < facts.memory[i].end; at += PAGE)
                model[at / PAGE] ^= 1;
        for (unsigned i = 0; i < PAGES; i++)
            assert_int_equal(model[i], 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(parts_of_pages_are_not_usable, start),
        cmocka_unit_test_setup(ends_of_the_address_space, start),
        cmocka_unit_test_setup(the_smallest_is_forgotten, start),
        cmocka_unit_test_setup(as_the_model_says, start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
