/* procd: address spaces. Regions against a model, growth, moving, sharing.
 * SPDX-License-Identifier: MIT */
#include "procd_fake.h"

#define READ_WRITE 3u

static void mappings_are_lazy_zero_and_apart(void **state)
{
    (void)state;
    struct procd *procd = fake_boot(3000);
    uint32_t pid = fake_spawn(procd), frames = fake.frames_used;
    uint64_t a = fake_map(procd, pid, 0, 0x5000, READ_WRITE, 0),
             b = fake_map(procd, pid, 0, 0x1000, READ_WRITE, 0);
    assert_true(a && b && (b + 0x1000 <= a || a + 0x5000 <= b));
    assert_int_equal(fake.frames_used, frames);
    uint8_t *bytes = fake_touch(procd, pid, a + 0x4000, true);
    for (unsigned i = 0; i < PAGE_SIZE; i++)
        assert_int_equal(bytes[i], 0);
    assert_int_equal(fake.frames_used, frames + 1);
    fake_map(procd, pid, 0, 0x8000, READ_WRITE, PROC_MAP_POPULATE);
    assert_int_equal(fake.frames_used, frames + 9);
    fake_shutdown(procd);
}

static void addresses_are_checked(void **state)
{
    (void)state;
    struct procd *procd = fake_boot(3000);
    uint32_t pid = fake_spawn(procd);
    static const struct {
        uint64_t address, length;
        unsigned flags;
        enum status expected;
    } cases[] = {
        {0x400000, 0, PROC_MAP_FIXED, ST_INVAL},
        {0x400001, 0x1000, PROC_MAP_FIXED, ST_INVAL},
        {0, 0x1000, PROC_MAP_FIXED, ST_PERM},
        {0x400000, ~0ull, PROC_MAP_FIXED, ST_NOMEM},
        {0x400000, ~0xfffull, 0, ST_NOMEM},
        {USER_END - 0x1000, 0x2000, PROC_MAP_FIXED, ST_NOMEM},
        {~0xfffull, 0x1000, PROC_MAP_FIXED, ST_NOMEM},
        {~0xfffull, 0x2000, PROC_MAP_FIXED, ST_NOMEM},
        {POSIX_BASE, 0x1000, PROC_MAP_FIXED, ST_INVAL},
        {POSIX_BASE - 0x1000, 0x2000, PROC_MAP_FIXED, ST_INVAL},
        {POSIX_AREAS, 0x1000, PROC_MAP_FIXED, ST_INVAL},
        {POSIX_PRIVATE_END - 0x1000, 0x2000, PROC_MAP_FIXED, ST_INVAL},
        {0x10000, POSIX_END, PROC_MAP_FIXED, ST_INVAL},
        {POSIX_PRIVATE, 0x1000, PROC_MAP_FIXED, ST_OK},
        {0x400000, 0x1001, PROC_MAP_FIXED, ST_OK},
        {0x401000, 0x1000, PROC_MAP_FIXED_NOREPLACE, ST_EXIST},
        {0x402000, 0x1000, PROC_MAP_FIXED_NOREPLACE, ST_OK},
    };
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        enum status status =
            REQUEST(procd, pid, PROC_MAP, cases[i].address, cases[i].length, 3, cases[i].flags);
        if (status != cases[i].expected && !(cases[i].expected == ST_NOMEM && status == ST_INVAL))
            fail_msg("case %u: status %d", i, status);
    }
    assert_int_equal(REQUEST(procd, pid, PROC_UNMAP, POSIX_BASE, 0x1000), ST_INVAL);
    assert_int_equal(REQUEST(procd, pid, PROC_UNMAP, 0x400000, 0), ST_INVAL);
    assert_int_equal(REQUEST(procd, pid, PROC_PROTECT, POSIX_AREAS, 0x1000, 7), ST_INVAL);
    assert_int_equal(REQUEST(procd, pid, PROC_PROTECT, 0x700000, 0x1000, 1), ST_NOMEM);
    assert_int_equal(REQUEST(procd, pid, PROC_REMAP, POSIX_AREAS, 0x1000, 0x2000, 1, 0), ST_INVAL);
    assert_int_equal(REQUEST(procd, pid, PROC_DISCARD, POSIX_AREAS, 0x1000), ST_INVAL);
    assert_int_equal(REQUEST(procd, pid, PROC_MAP, 0x500000, 0x1000, 8, 1), ST_MESSAGE);
    fake_shutdown(procd);
}

/* Random map, unmap, protect, discard and touch over 64 pages, against an array. */
static void regions_follow_a_model(void **state)
{
    (void)state;
    const uint64_t base = 0x10000000;
    for (unsigned seed = 1; seed <= 30; seed++) {
        struct { bool mapped; unsigned protection; uint8_t value; } model[64] = {0};
        struct procd *procd = fake_boot(3000);
        uint32_t pid = fake_spawn(procd);
        srand(seed);
        for (unsigned step = 0; step < 400; step++) {
            unsigned first = (unsigned)rand() % 64, count = 1 + (unsigned)rand() % (64 - first),
                     p = (unsigned)rand() % 4;
            uint64_t at = base + first * PAGE_SIZE, length = count * PAGE_SIZE;
            bool whole = true;
            for (unsigned i = first; i < first + count; i++)
                whole = whole && model[i].mapped;
            enum status status;
            switch (rand() % 8) {
            case 0:
            case 1:
                assert_int_equal(REQUEST(procd, pid, PROC_MAP, at, length, p, PROC_MAP_FIXED),
                                 ST_OK);
                for (unsigned i = first; i < first + count; i++)
                    model[i].mapped = true, model[i].protection = p, model[i].value = 0;
                break;
            case 2:
                assert_int_equal(REQUEST(procd, pid, PROC_UNMAP, at, length), ST_OK);
                for (unsigned i = first; i < first + count; i++)
                    model[i].mapped = false;
                break;
            case 3:
                status = REQUEST(procd, pid, PROC_PROTECT, at, length, p);
                assert_int_equal(status, whole ? ST_OK : ST_NOMEM);
                for (unsigned i = first; whole && i < first + count; i++)
                    model[i].protection = p;
                break;
            case 4:
                status = REQUEST(procd, pid, PROC_DISCARD, at, length);
                assert_int_equal(status, whole ? ST_OK : ST_NOMEM);
                /* Linux too discards what there is beside a hole */
                for (unsigned i = first; i < first + count; i++)
                    model[i].value = 0;
                break;
            default: {
                bool write = rand() % 2;
                struct thread *thread = procd->thread_of[pid];
                uint8_t *bytes = fake_touch(procd, pid, at, write);
                assert_int_equal(bytes != NULL,
                                 model[first].mapped && model[first].protection & (write ? 2 : 3));
                if (!bytes) { /* libposix takes the signal */
                    uint64_t zero = 0;
                    fake_frame_write(NULL, fake.threads[thread->handle].setup.ipc_frame,
                                     offsetof(struct ar_ipc_buffer, async_rip), &zero, 8);
                    REQUEST(procd, pid, PROC_SIGNAL_TAKE, 0, 0);
                    assert_int_equal(REPLY(0), SIG_SEGV);
                } else {
                    assert_int_equal(*bytes, model[first].value);
                    if (write)
                        *bytes = model[first].value = (uint8_t)step;
                }
            }
            }
            uint64_t charged = 0, resident = 0;
            const struct space *space = &procd->process_of[pid]->space;
            for (unsigned i = 0; i < 64; i++)
                charged += model[i].mapped && model[i].protection;
            for (unsigned i = 0; i < space->chunk_count; i++)
                for (unsigned j = 0; j < CHUNK_PAGES; j++)
                    resident += space->chunks[i]->pages[j].frame != 0;
            assert_int_equal(space->charged, charged);
            assert_int_equal(space->resident, resident);
            for (unsigned i = 0; i + 1 < space->region_count; i++)
                assert_true(space->regions[i].start < space->regions[i].end
                            && space->regions[i].end <= space->regions[i + 1].start);
        }
        fake_shutdown(procd);
    }
}

static void remap_moves_and_keeps_content(void **state)
{
    (void)state;
    struct procd *procd = fake_boot(3000);
    uint32_t pid = fake_spawn(procd);
    uint64_t at = fake_map(procd, pid, 0x20000000, 0x3000, READ_WRITE, PROC_MAP_FIXED);
    *fake_touch(procd, pid, at + 0x2000, true) = 5;
    assert_int_equal(REQUEST(procd, pid, PROC_REMAP, at, 0x3000, 0x6000, 0, 0), ST_OK);
    assert_int_equal(REPLY(0), at);
    fake_map(procd, pid, at + 0x6000, 0x1000, 1, PROC_MAP_FIXED);
    assert_int_equal(REQUEST(procd, pid, PROC_REMAP, at, 0x6000, 0x9000, 0, 0), ST_NOMEM);
    assert_int_equal(REQUEST(procd, pid, PROC_REMAP, at, 0x6000, 0x9000, 1, 0), ST_OK);
    uint64_t moved = REPLY(0);
    assert_int_not_equal(moved, at);
    assert_int_equal(*fake_touch(procd, pid, moved + 0x2000, false), 5);
    assert_null(fake_touch(procd, pid, at, false));
    fake_shutdown(procd);

    procd = fake_boot(3000);
    pid = fake_spawn(procd);
    at = fake_map(procd, pid, 0, 0x4000, READ_WRITE, 0);
    *fake_touch(procd, pid, at, true) = 6;
    assert_int_equal(REQUEST(procd, pid, PROC_REMAP, at, 0x4000, 0x1000, 0, 0), ST_OK);
    assert_int_equal(REQUEST(procd, pid, PROC_REMAP, at, 0x1000, 0x2000, 3, 0x30000000), ST_OK);
    assert_int_equal(*fake_touch(procd, pid, 0x30000000, false), 6);
    assert_int_equal(REQUEST(procd, pid, PROC_REMAP, 0x30000000, 0x2000, 0x2000, 3, 0x30001000),
                     ST_INVAL);
    assert_int_equal(REQUEST(procd, pid, PROC_REMAP, 0x50000000, 0x1000, 0x2000, 1, 0), ST_FAULT);
    assert_int_equal(REQUEST(procd, pid, PROC_REMAP, 0x30000000, 0x1000, 0, 1, 0), ST_INVAL);
    fake_shutdown(procd);

    /* shared memory whose protection was changed in the middle and back is one mapping again */
    procd = fake_boot(3000);
    pid = fake_spawn(procd);
    at = fake_map(procd, pid, 0, 0x4000, READ_WRITE, PROC_MAP_SHARED);
    *fake_touch(procd, pid, at + 0x3000, true) = 8;
    assert_int_equal(REQUEST(procd, pid, PROC_PROTECT, at + 0x1000, 0x1000, 1), ST_OK);
    assert_int_equal(REQUEST(procd, pid, PROC_REMAP, at, 0x4000, 0x4000, 3, 0x30000000), ST_FAULT);
    assert_int_equal(REQUEST(procd, pid, PROC_PROTECT, at + 0x1000, 0x1000, READ_WRITE), ST_OK);
    assert_int_equal(REQUEST(procd, pid, PROC_REMAP, at, 0x4000, 0x4000, 3, 0x30000000), ST_OK);
    assert_int_equal(*fake_touch(procd, pid, 0x30003000, false), 8);
    fake_shutdown(procd);
}

static void the_stack_grows_to_its_limit(void **state)
{
    (void)state;
    struct procd *procd = fake_boot(6000);
    uint32_t pid = fake_spawn(procd);
    uint64_t low = fake_map(procd, pid, USER_STACK_TOP - 0x4000, 0x4000, READ_WRITE,
                            PROC_MAP_FIXED | PROC_MAP_STACK);
    assert_int_equal(low, USER_STACK_TOP - 0x4000);
    assert_non_null(fake_touch(procd, pid, low - 8, true));
    assert_non_null(fake_touch(procd, pid, USER_STACK_TOP - USER_STACK_SIZE, true));
    assert_null(fake_touch(procd, pid, USER_STACK_TOP - USER_STACK_SIZE - 0x3000, true));
    const char *text = procd->process_of[pid]->last_fault;
    assert_non_null(strstr(text, "stack overflow: 12288 bytes below the limit"));
    uint32_t child = fake_fork(procd, pid); /* the core bit is there only when a core file may be */
    assert_int_equal(REQUEST(procd, child, PROC_EXIT, 0, SIG_SEGV, 1), ST_OK);
    assert_int_equal(procd->process_of[child]->exit_status, SIG_SEGV);
    assert_int_equal(REQUEST(procd, pid, PROC_LIMIT, 0, LIMIT_CORE, 1, 4096, 4096), ST_OK);
    assert_int_equal(REQUEST(procd, pid, PROC_EXIT, 0, SIG_SEGV, 1), ST_OK);
    assert_non_null(strstr(fake.log[fake.log_count - 1],
                           "pid 2 (spawn): thread 2: SIGSEGV at address 0x7fffff7fc000"));
    assert_int_equal(procd->process_of[pid]->exit_status, SIG_SEGV | 0x80);
    fake_shutdown(procd);
}

static void forked_pages_are_private(void **state)
{
    (void)state;
    struct procd *procd = fake_boot(6000);
    uint32_t pid = fake_spawn(procd);
    uint64_t at = fake_map(procd, pid, 0, 64 * PAGE_SIZE, READ_WRITE, 0);
    srand(7);
    uint32_t family[6] = {pid};
    uint8_t value[6][64] = {0};
    unsigned count = 1;
    for (unsigned step = 0; step < 3000; step++) {
        unsigned who = (unsigned)rand() % count, page = (unsigned)rand() % 64;
        if (step % 100 == 99 && count < 6) {
            family[count] = fake_fork(procd, family[who]);
            memcpy(value[count], value[who], 64);
            count++;
        } else if (rand() % 4 == 0) {
            unsigned protection = rand() % 2 ? 1 : 3;
            assert_int_equal(REQUEST(procd, family[who], PROC_PROTECT, at + page * PAGE_SIZE,
                                     PAGE_SIZE, protection),
                             ST_OK);
        } else if (region_find(&procd->process_of[family[who]]->space, at + page * PAGE_SIZE)
                       ->protection &
                   2) {
            *fake_touch(procd, family[who], at + page * PAGE_SIZE, true) = value[who][page] = (uint8_t)rand();
        } else {
            assert_int_equal(*fake_touch(procd, family[who], at + page * PAGE_SIZE, false),
                             value[who][page]);
        }
    }
    fake_shutdown(procd);
}

static uint32_t vfork_shared(struct procd *procd, uint32_t pid)
{
    const unsigned flags = PROC_FORK_VFORK | PROC_FORK_SHARE;
    assert_int_equal(REQUEST(procd, pid, PROC_FORK, flags, 0x5000, POSIX_SLOT_FD + 16, SIG_CHLD),
                     ST_OK);
    return (uint32_t)REPLY(0);
}

/* Pages 0-15 are written before, 16-31 in one of the two after; then loans end and nothing of
 * them is left. */
static void vforked_pages_are_the_same(void **state)
{
    (void)state;
    struct procd *procd = fake_boot(6000);
    uint32_t pid = fake_spawn(procd);
    uint64_t at = fake_map(procd, pid, 0, 64 * PAGE_SIZE, READ_WRITE, 0);
    for (unsigned i = 0; i < 16; i++)
        *fake_touch(procd, pid, at + i * PAGE_SIZE, true) = (uint8_t)i;
    uint64_t area = POSIX_AREA(0) + POSIX_AREA_STACK_TOP - PAGE_SIZE;
    *fake_touch(procd, pid, area, true) = 1;
    uint32_t frames = fake.frames_used;
    uint32_t child = vfork_shared(procd, pid);
    *fake_touch(procd, child, area, true) = 2; /* libposix's own */
    assert_int_equal(*fake_touch(procd, pid, area, false), 1);
    uint32_t own = fake.frames_used - frames;
    for (unsigned i = 0; i < 32; i++) {
        uint32_t writer = i % 2 ? pid : child, reader = i % 2 ? child : pid;
        *fake_touch(procd, writer, at + i * PAGE_SIZE, true) = (uint8_t)(100 + i);
        assert_int_equal(*fake_touch(procd, reader, at + i * PAGE_SIZE, false), 100 + i);
    }
    assert_int_equal(fake.frames_used, frames + own + 16);
    uint64_t mine = fake_map(procd, child, 0, PAGE_SIZE, READ_WRITE, 0);
    *fake_touch(procd, child, mine, true) = 9;
    assert_null(region_find(&procd->process_of[pid]->space, mine));
    /* A fork from either is a copy, of what cannot be written now as well. */
    assert_int_equal(REQUEST(procd, pid, PROC_PROTECT, at, PAGE_SIZE, 1), ST_OK);
    uint32_t copy = fake_fork(procd, pid);
    assert_int_equal(REQUEST(procd, pid, PROC_PROTECT, at, PAGE_SIZE, 3), ST_OK);
    *fake_touch(procd, pid, at, true) = 77;
    assert_int_equal(*fake_touch(procd, child, at, false), 77);
    assert_int_equal(*fake_touch(procd, copy, at, false), 100);
    fake_exit(procd, copy, 0);
    assert_int_equal(REQUEST(procd, child, PROC_EXEC_BEGIN, 0, 0), ST_OK);
    assert_null(procd->process_of[child]->space.lender);
    fake_exit(procd, child, 0);
    assert_int_equal(fake.frames_used, frames + 16);
    for (unsigned i = 1; i < 32; i++)
        assert_int_equal(*fake_touch(procd, pid, at + i * PAGE_SIZE, true), 100 + i);
    fake_shutdown(procd);
}

static void exec_keeps_only_what_nobody_can_write(void **state)
{
    (void)state;
    struct procd *procd = fake_boot(6000);
    uint32_t pid = fake_spawn(procd);
    const uint64_t text = 0x400000, end = 0x404000, data = 0x404000;
    assert_int_equal(
        fake_map(procd, pid, text, end - text, READ_WRITE, PROC_MAP_FIXED | PROC_MAP_POPULATE),
        text);
    *fake_touch(procd, pid, text, true) = 42;
    uint32_t child = fake_fork(procd, pid);
    assert_int_equal(REQUEST(procd, child, PROC_EXEC_BEGIN, text, end), ST_OK); /* still writable */
    assert_int_equal(REPLY(0), 0);
    assert_null(region_find(&procd->process_of[child]->space, text));
    assert_int_equal(REQUEST(procd, pid, PROC_PROTECT, text, end - text, 5), ST_OK);
    fake_map(procd, pid, data, PAGE_SIZE, READ_WRITE, PROC_MAP_FIXED | PROC_MAP_POPULATE);
    for (unsigned vfork = 0; vfork < 2; vfork++) {
        child = vfork ? vfork_shared(procd, pid) : fake_fork(procd, pid);
        assert_int_equal(REQUEST(procd, child, PROC_EXEC_BEGIN, text, data + PAGE_SIZE), ST_OK);
        assert_int_equal(REPLY(0), 0);
        child = vfork ? vfork_shared(procd, pid) : fake_fork(procd, pid);
        uint32_t frames = fake.frames_used;
        assert_int_equal(REQUEST(procd, child, PROC_EXEC_BEGIN, text, end), ST_OK);
        assert_int_equal(REPLY(0), 1);
        assert_true(fake.frames_used <= frames);
        assert_null(region_find(&procd->process_of[child]->space, data));
        /* The parent changes its text now: the child's is as it was. */
        assert_int_equal(REQUEST(procd, pid, PROC_PROTECT, text, PAGE_SIZE, 7), ST_OK);
        *fake_touch(procd, pid, text, true) = 43;
        assert_int_equal(*fake_touch(procd, child, text, false), 42);
        *fake_touch(procd, pid, text, true) = 42;
        assert_int_equal(REQUEST(procd, pid, PROC_PROTECT, text, PAGE_SIZE, 5), ST_OK);
    }
    fake_shutdown(procd);
}

static void a_borrower_outlives_its_lender(void **state)
{
    (void)state;
    struct procd *procd = fake_boot(9000);
    uint32_t pid = fake_spawn(procd);
    uint64_t at = fake_map(procd, pid, 0, 4 * PAGE_SIZE, READ_WRITE, 0);
    uint32_t line[12] = {pid};
    *fake_touch(procd, pid, at, true) = 5;
    for (unsigned i = 1; i < 12; i++)
        line[i] = vfork_shared(procd, line[i - 1]);
    *fake_touch(procd, line[LENDERS_MAX], at + PAGE_SIZE, true) = 6;
    assert_int_equal(*fake_touch(procd, pid, at + PAGE_SIZE, false), 6);
    *fake_touch(procd, line[LENDERS_MAX + 1], at, true) = 7; /* too deep: a copy, and its own borrowers share that */
    assert_int_equal(*fake_touch(procd, line[LENDERS_MAX], at, false), 5);
    fake_exit(procd, pid, 0);
    assert_int_equal(*fake_touch(procd, line[1], at, true), 5);
    assert_non_null(fake_touch(procd, line[1], at + 2 * PAGE_SIZE, true));
    fake_shutdown(procd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mappings_are_lazy_zero_and_apart),
        cmocka_unit_test(addresses_are_checked),
        cmocka_unit_test(regions_follow_a_model),
        cmocka_unit_test(remap_moves_and_keeps_content),
        cmocka_unit_test(the_stack_grows_to_its_limit),
        cmocka_unit_test(forked_pages_are_private),
        cmocka_unit_test(vforked_pages_are_the_same),
        cmocka_unit_test(a_borrower_outlives_its_lender),
        cmocka_unit_test(exec_keeps_only_what_nobody_can_write),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
