/*
 * The list of usable memory while it is put together. SPDX-License-Identifier: MIT
 *
 * Firmware gives a map in pieces, in any order, some of which overlap (UEFI: dozens).
 */
#include "boot/boot.h"

#define PAGE 4096ull

static uint64_t range_end(uint64_t start, uint64_t bytes)
{
    return bytes > UINT64_MAX - start ? UINT64_MAX : start + bytes;
}

static void forget_smallest(struct boot_facts *facts)
{
    struct boot_range *list = facts->memory;
    unsigned smallest = 0;
    for (unsigned i = 1; i < facts->memory_count; i++)
        if (list[i].end - list[i].start < list[smallest].end - list[smallest].start)
            smallest = i;
    facts->memory_lost += list[smallest].end - list[smallest].start;
    facts->memory_count--;
    for (unsigned i = smallest; i < facts->memory_count; i++)
        list[i] = list[i + 1];
}

/* Entries from `at` to before `past` become `count` others: at most one more than they were. */
static void replace(struct boot_facts *facts, unsigned at, unsigned past,
                    const struct boot_range *others, unsigned count)
{
    struct boot_range *list = facts->memory;
    unsigned behind = facts->memory_count - past;
    if (at + count > past)
        for (unsigned i = behind; i-- > 0;)
            list[at + count + i] = list[past + i];
    else
        for (unsigned i = 0; i < behind; i++)
            list[at + count + i] = list[past + i];
    for (unsigned i = 0; i < count; i++)
        list[at + i] = others[i];
    facts->memory_count = at + count + behind;
    if (facts->memory_count > BOOT_RANGES_MAX)
        forget_smallest(facts);
}

void boot_memory_add(struct boot_facts *facts, uint64_t start, uint64_t bytes)
{
    struct boot_range new = {start, range_end(start, bytes) & ~(PAGE - 1)};
    if (new.end > BOOT_MEMORY_END)
        new.end = BOOT_MEMORY_END;
    if (start >= new.end)
        return;
    new.start = (start + PAGE - 1) & ~(PAGE - 1);
    if (new.start >= new.end)
        return;
    unsigned at = 0;
    while (at < facts->memory_count && facts->memory[at].end < new.start)
        at++;
    unsigned past = at;
    for (; past < facts->memory_count && facts->memory[past].start <= new.end; past++) {
        const struct boot_range *old = &facts->memory[past];
        new.start = old->start < new.start ? old->start : new.start;
        new.end = old->end > new.end ? old->end : new.end;
    }
    replace(facts, at, past, &new, 1);
}

void boot_memory_remove(struct boot_facts *facts, uint64_t start, uint64_t bytes)
{
    uint64_t end = range_end(start, bytes);
    if (start >= BOOT_MEMORY_END || start == end)
        return;
    if (end > BOOT_MEMORY_END)
        end = BOOT_MEMORY_END;
    start &= ~(PAGE - 1);
    end = (end + PAGE - 1) & ~(PAGE - 1);
    unsigned at = 0;
    while (at < facts->memory_count && facts->memory[at].end <= start)
        at++;
    struct boot_range left[2];
    unsigned past = at, count = 0;
    for (; past < facts->memory_count && facts->memory[past].start < end; past++) {
        const struct boot_range *old = &facts->memory[past];
        if (old->start < start)
            left[count++] = (struct boot_range){old->start, start};
        if (old->end > end)
            left[count++] = (struct boot_range){end, old->end};
    }
    replace(facts, at, past, left, count);
}

void boot_command_line(struct boot_facts *facts, const char *line, uint64_t most)
{
    for (uint64_t i = 0; i < most && i < BOOT_COMMAND_LINE - 1 && line[i]; i++)
        facts->command_line[i] = line[i];
}
