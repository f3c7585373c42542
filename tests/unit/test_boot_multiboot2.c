/*
 * What a Multiboot2 boot loader hands over, good and bad. SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "boot/boot.h"
#include "boot_host.h"

#define PAGE 4096ull

static struct boot_facts facts;
static uint32_t information[1024]; /* bytes, reserved, tags */
static unsigned used;              /* words */

static int start(void **state)
{
    (void)state;
    memset(&facts, 0, sizeof(facts));
    memset(information, 0, sizeof(information));
    used = 2;
    return 0;
}

/* A tag of `bytes` in all; its contents, and room for them up to the next multiple of 8. */
static uint32_t *tag(uint32_t type, uint32_t bytes)
{
    uint32_t *at = &information[used];
    at[0] = type;
    at[1] = bytes;
    used += (bytes + 7) / 8 * 2;
    return at + 2;
}

static void put_word(uint32_t *at, uint64_t value)
{
    memcpy(at, &value, sizeof(value));
}

static void map_entry(uint32_t *at, uint64_t from, uint64_t bytes, uint32_t type)
{
    put_word(at, from);
    put_word(at + 2, bytes);
    at[4] = type;
}

static void map(uint32_t entry_bytes, unsigned count)
{
    uint32_t *at = tag(6, 16 + entry_bytes * count);
    at[0] = entry_bytes;
    for (unsigned i = 0; i < count; i++)
        map_entry(at + 2 + i * entry_bytes / 4, 0x100000 + i * 0x200000, 0x100000, 1);
}

static void module(uint32_t from, uint32_t to)
{
    uint32_t *at = tag(3, 16 + 7);
    at[0] = from;
    at[1] = to;
    memcpy(at + 2, "bundle", 7);
}

static void read_it(void)
{
    tag(0, 8);
    information[0] = used * 4;
    boot_read_multiboot2((uint64_t)information, &facts);
}

static void everything_is_found(void **state)
{
    (void)state;
    tag(21, 12); /* not of interest, and 4 bytes of padding after it */
    memcpy(tag(1, 8 + 10), "mode=run x", 10); /* not ended by a NUL: the tag's size ends it */
    module(0x700000, 0x712345);
    module(0x800000, 0x900000); /* only the first is the bundle */
    map(24, 3);
    read_it();
    assert_string_equal(facts.command_line, "mode=run x");
    assert_int_equal(facts.bundle_start, 0x700000);
    assert_int_equal(facts.bundle_end, 0x712345);
    assert_int_equal(facts.memory_count, 3);
    assert_int_equal(facts.memory[2].start, 0x500000);
    assert_int_equal(facts.memory[2].end, 0x600000);
}

/* Firmware's maps need not be in order, and what is reserved counts wherever it stands. */
static void reserved_wins(void **state)
{
    (void)state;
    uint32_t *at = tag(6, 16 + 3 * 24);
    at[0] = 24;
    map_entry(at + 2, 0x200000, 0x1000, 2);
    map_entry(at + 8, 0x180000, 0x100000, 1);
    map_entry(at + 14, 0x100000, 0x100000, 1);
    read_it();
    assert_int_equal(facts.memory_count, 2);
    assert_int_equal(facts.memory[0].start, 0x100000);
    assert_int_equal(facts.memory[0].end, 0x200000);
    assert_int_equal(facts.memory[1].start, 0x201000);
    assert_int_equal(facts.memory[1].end, 0x280000);
}

static void larger_entries_are_stepped_over(void **state)
{
    (void)state;
    map(40, 5);
    read_it();
    assert_int_equal(facts.memory_count, 5);
    assert_int_equal(facts.bundle_end, 0); /* and no bundle is not this reader's business */
}

static void what_follows_the_end_tag_is_not_read(void **state)
{
    (void)state;
    map(24, 1);
    tag(0, 8);
    module(0x700000, 0x712345);
    read_it();
    assert_int_equal(facts.bundle_end, 0);
}

static void long_command_line_is_cut(void **state)
{
    (void)state;
    memset(tag(1, 8 + 2000), 'x', 2000);
    map(24, 1);
    read_it();
    assert_int_equal(strlen(facts.command_line), BOOT_COMMAND_LINE - 1);
}

static void nonsense_stops(void **state)
{
    (void)state;
    assert_true(STOPS(read_it()));
    assert_non_null(strstr(host_stop_words, "no memory map"));
    start(NULL);
    map(16, 1);
    assert_true(STOPS(read_it()));
    assert_non_null(strstr(host_stop_words, "entries of 16 bytes"));
    start(NULL);
    tag(6, 8); /* no room for its own fields */
    assert_true(STOPS(read_it()));
    assert_non_null(strstr(host_stop_words, "type 6 at 8 has 8 bytes"));
    start(NULL);
    tag(1, 8)[-1] = 0; /* a size of 0 would go on for ever */
    assert_true(STOPS(read_it()));
    start(NULL);
    map(24, 1);
    tag(1, 8)[-1] = 4000; /* beyond the whole */
    assert_true(STOPS(read_it()));
    assert_non_null(strstr(host_stop_words, "has 4000 bytes, 16 are left"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(everything_is_found, start),
        cmocka_unit_test_setup(reserved_wins, start),
        cmocka_unit_test_setup(larger_entries_are_stepped_over, start),
        cmocka_unit_test_setup(what_follows_the_end_tag_is_not_read, start),
        cmocka_unit_test_setup(long_command_line_is_cut, start),
        cmocka_unit_test_setup(nonsense_stops, start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
