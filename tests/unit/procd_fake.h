/*
 * A machine for procd's core on the host: frames are host memory, threads are structures that a
 * test moves about. It asserts that procd keeps its books: nothing is mapped twice, freed while
 * mapped, or left behind. SPDX-License-Identifier: MIT
 */
#ifndef PROCD_FAKE_H
#define PROCD_FAKE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <ipc/memory.h>
#include <procd.h>
#include <proto/session.h>

#define FAKE_FRAMES 20000u
#define FAKE_MAPPINGS 60000u
#define FAKE_THREADS 4096u
#define FAKE_SPACES 4096u
#define FAKE_LOG 64u

struct fake_mapping { uint32_t space, frame; uint64_t address; unsigned rights; };
struct fake_thread {
    bool used, suspended;
    struct machine_thread_setup setup;
    struct ar_regs regs;
    enum ar_thread_state state;
    unsigned signals;
    uint64_t principal;
};
struct fake {
    uint8_t *frames[FAKE_FRAMES];
    uint32_t frame_free[FAKE_FRAMES], frame_limit, frames_used, frame_top, frame_free_count;
    struct fake_mapping mappings[FAKE_MAPPINGS];
    uint32_t mapping_hint, mappings_used, spaces_used, slots_in_use, threads_used;
    uint8_t *slots[FAKE_SPACES];
    bool spaces[FAKE_SPACES];
    struct fake_thread threads[FAKE_THREADS];
    uint64_t now;
    char log[FAKE_LOG][512];
    unsigned log_count;
};

static struct fake fake;
static struct ipc_effects fake_effects;
static struct credentials fake_table[CREDENTIALS_MAX];

static uint32_t fake_frame_create(void *m)
{
    (void)m;
    if (fake.frames_used == fake.frame_limit)
        return 0;
    uint32_t frame =
        fake.frame_free_count ? fake.frame_free[--fake.frame_free_count] : ++fake.frame_top;
    assert_true(frame < FAKE_FRAMES);
    fake.frames[frame] = malloc(PAGE_SIZE);
    memset(fake.frames[frame], 0xa5, PAGE_SIZE); /* old bytes: forgetting to clear shows */
    fake.frames_used++;
    return frame;
}
static void fake_frame_destroy(void *m, uint32_t frame)
{
    (void)m;
    assert_non_null(fake.frames[frame]);
    free(fake.frames[frame]);
    fake.frames[frame] = NULL;
    fake.frame_free[fake.frame_free_count++] = frame;
    fake.frames_used--;
}
static void fake_frame_clear(void *m, uint32_t frame)
{
    (void)m;
    memset(fake.frames[frame], 0, PAGE_SIZE);
}
static void fake_frame_copy(void *m, uint32_t to, uint32_t from)
{
    (void)m;
    memcpy(fake.frames[to], fake.frames[from], PAGE_SIZE);
}
static void fake_frame_write(void *m, uint32_t frame, size_t offset, const void *data,
                             size_t length)
{
    (void)m;
    assert_true(offset % 8 == 0 && length % 8 == 0 && offset + length <= PAGE_SIZE);
    memcpy(fake.frames[frame] + offset, data, length);
}
static void fake_frame_read(void *m, uint32_t frame, size_t offset, void *data, size_t length)
{
    (void)m;
    assert_true(offset % 8 == 0 && length % 8 == 0 && offset + length <= PAGE_SIZE);
    memcpy(data, fake.frames[frame] + offset, length);
}
static uint32_t fake_space_create(void *m)
{
    (void)m;
    for (uint32_t i = 1; i < FAKE_SPACES; i++)
        if (!fake.spaces[i]) {
            fake.spaces[i] = true;
            fake.spaces_used++;
            return i;
        }
    return 0;
}
static void fake_space_destroy(void *m, uint32_t space)
{
    (void)m;
    assert_true(fake.spaces[space]);
    for (uint32_t i = 1; i < FAKE_MAPPINGS; i++)
        assert_false(fake.mappings[i].frame && fake.mappings[i].space == space);
    fake.spaces[space] = false;
    fake.spaces_used--;
}
static uint32_t fake_page_map(void *m, uint32_t space, uint64_t address, uint32_t frame,
                              unsigned rights)
{
    (void)m;
    assert_true(fake.spaces[space] && fake.frames[frame] && address % PAGE_SIZE == 0 &&
                rights & AR_READ);
    for (uint32_t i = fake.mapping_hint ? fake.mapping_hint : 1; i < FAKE_MAPPINGS; i++) {
        if (fake.mappings[i].frame)
            continue;
        fake.mappings[i] = (struct fake_mapping){space, frame, address, rights};
        fake.mapping_hint = i + 1;
        fake.mappings_used++;
        return i;
    }
    return 0;
}
static void fake_page_protect(void *m, uint32_t space, uint64_t address, uint32_t mapping,
                              unsigned rights)
{
    (void)m;
    assert_true(fake.mappings[mapping].space == space &&
                fake.mappings[mapping].address == address && rights & AR_READ);
    fake.mappings[mapping].rights = rights;
}
static void fake_page_unmap(void *m, uint32_t frame, uint32_t mapping)
{
    (void)m;
    assert_int_equal(fake.mappings[mapping].frame, frame);
    fake.mappings[mapping].frame = 0;
    if (mapping < fake.mapping_hint)
        fake.mapping_hint = mapping;
    fake.mappings_used--;
}
static uint32_t fake_slots_create(void *m)
{
    (void)m;
    for (uint32_t i = 1; i < FAKE_SPACES; i++)
        if (!fake.slots[i]) {
            fake.slots[i] = calloc(1, 65536);
            fake.slots_in_use++;
            return i;
        }
    return 0;
}
static void fake_slots_destroy(void *m, uint32_t slots)
{
    (void)m;
    assert_non_null(fake.slots[slots]);
    free(fake.slots[slots]);
    fake.slots[slots] = NULL;
    fake.slots_in_use--;
}
static bool fake_slots_grow(void *m, uint32_t slots, uint32_t slot)
{
    (void)m, (void)slots;
    return slot < 65536;
}
static bool fake_slots_copy(void *m, uint32_t to, uint32_t from, uint32_t first, uint32_t count)
{
    (void)m;
    for (uint32_t i = first; i < first + count; i++)
        if (fake.slots[from][i])
            fake.slots[to][i] = fake.slots[from][i];
    return true;
}
static bool fake_slots_place_gates(void *m, uint32_t slots, uint64_t badge)
{
    (void)m, (void)badge;
    memset(fake.slots[slots] + POSIX_SLOT_PROCD, 1, 4);
    return true;
}
static bool fake_slots_move_in(void *m, uint32_t slots, uint32_t slot, uint64_t own)
{
    (void)m, (void)own;
    fake.slots[slots][slot] = 1;
    return true;
}
static void fake_slots_empty(void *m, uint32_t slots, uint32_t first, uint32_t count)
{
    (void)m;
    memset(fake.slots[slots] + first, 0, count);
}
static bool fake_slots_used(void *m, uint32_t slots, uint32_t slot)
{
    (void)m;
    return fake.slots[slots][slot];
}
static uint32_t fake_thread_create(void *m, const struct machine_thread_setup *setup)
{
    (void)m;
    for (uint32_t i = 1; i < FAKE_THREADS; i++)
        if (!fake.threads[i].used) {
            fake.threads[i] = (struct fake_thread){.used = true,
                                                   .suspended = true,
                                                   .setup = *setup,
                                                   .regs = setup->regs,
                                                   .state = AR_THREAD_READY,
                                                   .principal = setup->principal};
            fake.threads_used++;
            assert_non_null(fake.frames[setup->ipc_frame]);
            return i;
        }
    return 0;
}
static void fake_thread_destroy(void *m, uint32_t thread)
{
    (void)m;
    assert_true(fake.threads[thread].used);
    fake.threads[thread].used = false;
    fake.threads_used--;
}
static void fake_thread_resume(void *m, uint32_t thread)
{
    (void)m;
    fake.threads[thread].suspended = false;
}
static void fake_thread_suspend(void *m, uint32_t thread)
{
    (void)m;
    fake.threads[thread].suspended = true;
}
static void fake_thread_read(void *m, uint32_t thread, struct ar_regs *regs)
{
    (void)m;
    *regs = fake.threads[thread].regs;
}
static void fake_thread_write(void *m, uint32_t thread, const struct ar_regs *regs)
{
    (void)m;
    assert_true(regs->rsp < USER_END && regs->fs_base < USER_END && regs->rip < USER_END);
    fake.threads[thread].regs = *regs;
}
static void fake_thread_info(void *m, uint32_t thread, enum ar_thread_state *state,
                             uint64_t *cpu_ns)
{
    (void)m;
    *state = fake.threads[thread].state;
    *cpu_ns = 10000000;
}
static void fake_thread_signal(void *m, uint32_t thread)
{
    (void)m;
    fake.threads[thread].signals++;
}
static void fake_thread_set_name(void *m, uint32_t thread, const char name[16])
{
    (void)m;
    (void)thread;
    (void)name;
}
static void fake_thread_set_principal(void *m, uint32_t thread, uint64_t p)
{
    (void)m;
    fake.threads[thread].principal = p;
}
static uint64_t fake_now_ns(void *m) { (void)m; return fake.now; }
static void fake_log(void *m, const char *line)
{
    (void)m;
    strncpy(fake.log[fake.log_count++ % FAKE_LOG], line, sizeof(fake.log[0]) - 1);
}
static void fake_counts(void *m, struct machine_counts *counts)
{
    (void)m;
    *counts = (struct machine_counts){.frames = fake.frames_used, .memory_total = fake.frame_limit,
                                      .memory_free = fake.frame_limit - fake.frames_used};
}

static const struct procd_machine_ops fake_machine = {
    .frame_create = fake_frame_create, .frame_destroy = fake_frame_destroy,
    .frame_clear = fake_frame_clear,
    .frame_copy = fake_frame_copy, .frame_write = fake_frame_write, .frame_read = fake_frame_read,
    .space_create = fake_space_create, .space_destroy = fake_space_destroy,
    .page_map = fake_page_map,
    .page_protect = fake_page_protect, .page_unmap = fake_page_unmap,
    .slots_create = fake_slots_create,
    .slots_destroy = fake_slots_destroy, .slots_grow = fake_slots_grow,
    .slots_copy = fake_slots_copy,
    .slots_place_gates = fake_slots_place_gates, .slots_move_in = fake_slots_move_in,
    .slots_empty = fake_slots_empty,
    .slots_used = fake_slots_used, .thread_create = fake_thread_create,
    .thread_destroy = fake_thread_destroy,
    .thread_resume = fake_thread_resume, .thread_suspend = fake_thread_suspend,
    .thread_read = fake_thread_read,
    .thread_write = fake_thread_write, .thread_info = fake_thread_info,
    .thread_signal = fake_thread_signal,
    .thread_set_principal = fake_thread_set_principal, .thread_set_name = fake_thread_set_name,
    .now_ns = fake_now_ns, .log = fake_log, .counts = fake_counts,
};

/* ---- a libposix of two segments: text with the header, data with one page of bytes and one of
 * zeros ---- */

#define FAKE_TEXT_SIZE 0x3000u
#define FAKE_DATA (POSIX_BASE + 0x4000)
#define FAKE_START (POSIX_BASE + 0x1000)
#define FAKE_ASYNC (POSIX_BASE + 0x1100)
#define FAKE_EXIT_LOW (POSIX_BASE + 0x1200)
#define FAKE_EXIT_REDO (POSIX_BASE + 0x1300)
#define FAKE_COPY_LOW (POSIX_BASE + 0x1400)
#define FAKE_COPY_FIXUP (POSIX_BASE + 0x1500)
#define FAKE_FORK_ENTRY (POSIX_BASE + 0x1600)

static size_t fake_image(uint8_t *blob)
{
    struct {
        uint8_t ident[16];
        uint16_t type, machine;
        uint32_t version;
        uint64_t entry, phoff, shoff;
        uint32_t flags;
        uint16_t size, phsize, phnum, shsize, shnum, shstr;
    } elf = {.ident = "\177ELF\2\1\1",
             .type = 2,
             .machine = 62,
             .version = 1,
             .phoff = 64,
             .size = 64,
             .phsize = 56,
             .phnum = 2};
    struct {
        uint32_t type, flags;
        uint64_t offset, address, physical, file, memory, align;
    } ph[2] = {{1, 5, 0x1000, POSIX_BASE, POSIX_BASE, FAKE_TEXT_SIZE, FAKE_TEXT_SIZE, 4096},
               {1, 6, 0x1000 + FAKE_TEXT_SIZE, FAKE_DATA, FAKE_DATA, 0x800, 0x2000, 4096}};
    struct posix_header header = {
        .magic = POSIX_MAGIC, .version = 1, .start = FAKE_START, .foreign_entry = FAKE_START + 8,
        .async_entry = FAKE_ASYNC,
        .fork_entry = FAKE_FORK_ENTRY, .thread_entry = FAKE_FORK_ENTRY + 8,
        .native_low = POSIX_BASE,
        .native_high = POSIX_BASE + FAKE_TEXT_SIZE, .exit_low = FAKE_EXIT_LOW,
        .exit_high = FAKE_EXIT_LOW + 16,
        .exit_redo = FAKE_EXIT_REDO, .copy_low = FAKE_COPY_LOW, .copy_high = FAKE_COPY_LOW + 64,
        .copy_fixup = FAKE_COPY_FIXUP};
    memset(blob, 0, 0x6000);
    memcpy(blob, &elf, sizeof(elf));
    memcpy(blob + 64, ph, sizeof(ph));
    memcpy(blob + 0x1000, &header, sizeof(header));
    memset(blob + 0x1000 + FAKE_TEXT_SIZE, 0x77, 0x800);
    return 0x1000 + FAKE_TEXT_SIZE + 0x800;
}

/* ---- requests ---- */

static uint8_t fake_in[200000], fake_out[200000];
static size_t fake_in_length, fake_out_length;
static struct ipc_call fake_call;

static enum status fake_get(void *c, uint64_t offset, void *to, size_t length)
{
    (void)c;
    if (offset + length > fake_in_length)
        return ST_FAULT;
    memcpy(to, fake_in + offset, length);
    return ST_OK;
}
static enum status fake_put(void *c, uint64_t offset, const void *from, size_t length)
{
    (void)c;
    if (offset + length > fake_out_length)
        return ST_FAULT;
    memcpy(fake_out + offset, from, length);
    return ST_OK;
}
static const struct ipc_data_ops fake_data = {fake_get, fake_put};

static enum status fake_send(struct procd *procd, uint64_t badge, uint64_t principal,
                             uint32_t label, unsigned count, const uint64_t *words)
{
    unsigned caps = fake_call.cap_count;
    fake_call.label = label;
    fake_call.badge = badge;
    fake_call.principal = principal;
    fake_call.word_count = count;
    if (count)
        memcpy(fake_call.words, words, count * 8);
    fake_call.status = ST_NOSYS;
    fake_call.reply_word_count = fake_call.reply_cap_count = 0;
    fake_effects.count = 0;
    fake_call.effects = &fake_effects;
    fake_call.data = &fake_data;
    procd_handle(procd, &fake_call);
    fake_call.cap_count = 0;
    (void)caps;
    return fake_call.status;
}

#define WORDS(...) (const uint64_t[]){__VA_ARGS__}
#define COUNT(...) (sizeof((const uint64_t[]){__VA_ARGS__}) / 8)
/* A request by the main thread of `pid`. */
#define REQUEST(procd, pid, label, ...) \
    fake_request(procd, pid, label, COUNT(__VA_ARGS__), WORDS(__VA_ARGS__))
#define REPLY(index) (fake_call.reply_words[index])

static inline enum status fake_request(struct procd *procd, uint32_t pid, uint32_t label,
                                       unsigned count, const uint64_t *words)
{
    struct thread *thread = procd->thread_of[pid];
    assert_non_null(thread);
    return fake_send(procd, BADGE_OBJECTS + thread->process->index,
                     PRINCIPAL(thread->process->credential_index, pid), label, count, words);
}

static inline enum status fake_open_session(struct procd *procd, uint32_t tid)
{
    struct thread *thread = procd->thread_of[tid];
    fake_call.cap_count = 1;
    fake_call.caps[0] =
        (struct ipc_cap){.kind = AR_RECEIVED_CAP, .type = AR_NOTIFICATION, .value = 10000 + tid};
    uint64_t badge = thread ? BADGE_OBJECTS + thread->process->index : BADGE_PRIVILEGED;
    return fake_send(procd, badge, PRINCIPAL(0, tid), SESSION_OPEN, 0, NULL);
}

static inline bool fake_woken(uint32_t tid)
{
    for (unsigned i = 0; i < fake_effects.count; i++)
        if (fake_effects.list[i].kind == IPC_EFFECT_WAKE &&
            fake_effects.list[i].value == 10000 + tid)
            return true;
    return false;
}

static inline struct procd *fake_boot(uint32_t frames)
{
    static uint8_t blob[0x6000];
    const char *reason;
    memset(&fake, 0, sizeof(fake));
    fake.frame_limit = frames;
    fake.now = 5000000000ull;
    size_t size = fake_image(blob);
    struct procd *procd =
        procd_create(&fake_machine, NULL, fake_table, 1700000000, blob, size, &reason);
    if (!procd)
        fail_msg("procd_create: %s", reason);
    return procd;
}

/* init's spawn; the pid. */
static inline uint32_t fake_spawn(struct procd *procd)
{
    static const char strings[] = "/bin/sh\0-c\0PATH=/bin";
    memcpy(fake_in, strings, sizeof(strings));
    fake_in_length = sizeof(strings);
    fake_call.cap_count = 3;
    for (unsigned i = 0; i < 3; i++)
        fake_call.caps[i] =
            (struct ipc_cap){.kind = AR_RECEIVED_CAP, .type = AR_GATE, .value = 500 + i};
    assert_int_equal(
        fake_send(procd, BADGE_PRIVILEGED, 0, PROC_SPAWN, 4, WORDS(2, 1, sizeof(strings), 1)),
        ST_OK);
    return (uint32_t)REPLY(0);
}

static inline uint32_t fake_fork(struct procd *procd, uint32_t pid)
{
    enum status status = REQUEST(procd, pid, PROC_FORK, 0, 0x5000, POSIX_SLOT_FD + 16, SIG_CHLD);
    return status == ST_OK ? (uint32_t)REPLY(0) : 0;
}

static inline void fake_exit(struct procd *procd, uint32_t pid, uint64_t status)
{
    REQUEST(procd, pid, PROC_EXIT, status, 0, 0);
}

static inline uint64_t fake_map(struct procd *procd, uint32_t pid, uint64_t address,
                                uint64_t length, unsigned protection, unsigned flags)
{
    return REQUEST(procd, pid, PROC_MAP, address, length, protection, flags) == ST_OK ? REPLY(0)
                                                                                      : 0;
}

/* The program touches memory: a page fault if need be. What a load would see, or NULL when the
 * thread got a signal. */
static inline uint8_t *fake_touch(struct procd *procd, uint32_t pid, uint64_t address, bool write)
{
    for (unsigned tries = 0; tries < 3; tries++) {
        struct process *process = procd->process_of[pid];
        if (!process || process->state == PROCESS_ZOMBIE)
            return NULL;
        struct page *page = page_find(&process->space, address);
        if (page && page->mapping && (!write || fake.mappings[page->mapping].rights & AR_WRITE))
            return fake.frames[page->frame] + address % PAGE_SIZE;
        const uint64_t words[6] = {AR_FAULT_PAGE, address, AR_PF_USER | (write ? AR_PF_WRITE : 0),
                                   0x401000,      0x7000,  0x202};
        struct thread *thread = procd->thread_of[pid];
        fake.threads[thread->handle].state = AR_THREAD_BLOCKED_FAULT;
        fake.threads[thread->handle].regs.rip = 0x401000;
        fake_effects.count = 0;
        bool go_on = procd_fault(procd, PRINCIPAL(0, pid), words, &fake_effects);
        if (go_on)
            fake.threads[thread->handle].state = AR_THREAD_READY;
        if (!go_on || fake.threads[thread->handle].regs.rip != 0x401000)
            return NULL;
    }
    return NULL;
}

/* Everything ends; nothing of the machine's and no heap is left. */
static inline void fake_shutdown(struct procd *procd)
{
    procd_destroy(procd);
    assert_int_equal(fake.frames_used, 0);
    assert_int_equal(fake.mappings_used, 0);
    assert_int_equal(fake.spaces_used, 0);
    assert_int_equal(fake.slots_in_use, 0);
    assert_int_equal(fake.threads_used, 0);
    assert_int_equal(mem_in_use(), 0);
}

#endif
