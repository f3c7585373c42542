/*
 * Frames: 4 KiB and 2 MiB, mapped, unmapped, mapped again with other rights, shared by many spaces;
 * every change holds from the next access on. SPDX-License-Identifier: MIT
 */
#include "native.h"

enum { SMALL = 12, LARGE = 21, SPACES = 24, ACCESS = AR_READ | AR_WRITE };
#define LARGE_BYTES (1ull << LARGE)
#define AT (NATIVE_FREE + 16 * LARGE_BYTES)
#define ABSENT(access) (NATIVE_PROBE_PAGE | AR_PF_USER | (access))
#define DENIED(access) (ABSENT(access) | AR_PF_PRESENT)

static void try(const char *what, struct native_subject *subject, enum native_probe kind,
                uint64_t address, uint64_t *value, uint64_t expected)
{
    native_equal(what, native_probe(subject, kind, address, value), expected);
}

static uint64_t frame_word(ar_cap frame, uint64_t offset)
{
    struct ar_message m;
    native_ok("read a frame", ar_invoke(frame, AR_FRAME_READ, offset, 1, 0, 0, 2, &m));
    return native_buffer()->words[4];
}

static void map(ar_cap frame, ar_cap space, uint64_t address, unsigned rights)
{
    native_ok("map", ar_invoke4(frame, AR_FRAME_MAP, space, address, rights, 0));
}

/* What a frame of this size at `address` allows after each change; the access before the change has
 * brought the old translation into the processor. */
static void rights_change(struct native_subject *subject, ar_cap frame, uint64_t address,
                          uint64_t last)
{
    ar_cap space = subject->thread.space;
    uint64_t value = 0x1234567;
    struct ar_message m;
    native_map(space, address, frame, ACCESS); /* with tables */
    try("write the first word", subject, NATIVE_WRITE, address, &value, 0);
    value++;
    try("write the last word", subject, NATIVE_WRITE, address + last, &value, 0);
    native_equal("the first word", frame_word(frame, 0), 0x1234567);
    native_equal("the last word", frame_word(frame, last), 0x1234568);
    try("jump without EXEC", subject, NATIVE_JUMP, address, &value, DENIED(AR_PF_FETCH));

    map(frame, space, address, AR_READ);
    try("write without WRITE", subject, NATIVE_WRITE, address, &value, DENIED(AR_PF_WRITE));
    try("write without WRITE", subject, NATIVE_WRITE, address + last, &value, DENIED(AR_PF_WRITE));
    try("read", subject, NATIVE_READ, address + last, &value, 0);
    native_equal("the last word", value, 0x1234568);
    native_equal("the frame after the refused write", frame_word(frame, 0), 0x1234567);

    map(frame, space, address, ACCESS);
    try("write again", subject, NATIVE_WRITE, address, &value, 0);

    /* In the first 4 KiB: QEMU 7.2 keeps translated code of the rest of a large page that INVLPG
     * named, and jumps to it without a look at the page tables. */
    native_buffer()->words[4] = 0xc3c3c3c3c3c3c3c3ull; /* ret */
    native_ok("write a frame", ar_invoke(frame, AR_FRAME_WRITE, 8, 1, 0, 0, 5, &m));
    map(frame, space, address, AR_READ | AR_EXEC);
    try("jump with EXEC", subject, NATIVE_JUMP, address + 8, &value, 0);
    map(frame, space, address, AR_READ);
    try("jump without EXEC again", subject, NATIVE_JUMP, address + 8, &value,
        DENIED(AR_PF_FETCH));

    native_ok("unmap", ar_invoke4(frame, AR_FRAME_UNMAP, 0, 0, 0, 0));
    try("read the unmapped", subject, NATIVE_READ, address, &value, ABSENT(0));
    try("read the unmapped", subject, NATIVE_READ, address + last, &value, ABSENT(0));
    native_ok("unmap what is not mapped", ar_invoke4(frame, AR_FRAME_UNMAP, 0, 0, 0, 0));
    map(frame, space, address, AR_READ);
    try("read the mapped again", subject, NATIVE_READ, address, &value, 0);
    native_equal("the first word", value, 0x1234568);
}

static void refused(const char *what, ar_cap frame, ar_cap space, uint64_t address, unsigned rights)
{
    native_refused(what, ar_invoke4(frame, AR_FRAME_MAP, space, address, rights, 0));
}

static void refusals(struct native_subject *subject, ar_cap small, ar_cap large)
{
    ar_cap space = subject->thread.space;
    ar_cap reads = native_copy(small, AR_READ), other = native_space();
    ar_cap free = native_copy(small, AR_ALL), free_large = native_copy(large, AR_ALL);
    uint64_t page = AT + 4 * LARGE_BYTES;
    uint64_t value = 0;
    native_map(space, page, reads, ACCESS); /* not more than the capability's rights */
    try("write without the right", subject, NATIVE_WRITE, page, &value, DENIED(AR_PF_WRITE));
    refused("map a second place", reads, space, page + 0x1000, AR_READ);
    refused("map over it", free, space, page, AR_READ);
    refused("map a large frame over a table", free_large, space, page, AR_READ);
    refused("map a small frame in a large one", free, space, AT + 0x1000, AR_READ);
    refused("map without a table", free, other, page, AR_READ);
    refused("map between pages", free, space, page + 0x1008, AR_READ);
    refused("map a large frame between", free_large, space, AT + 0x1000, AR_READ);
    refused("map at the end of user space", free, space, 0x7ffffffff000, AR_READ);
    refused("map in the kernel's half", free, space, 0xffff800000000000, AR_READ);
    refused("map without READ", free, space, page + 0x1000, AR_WRITE);
    native_refused("clear without WRITE", ar_invoke4(reads, AR_FRAME_CLEAR, 0, 0, 0, 0));
    native_refused("write without WRITE", ar_invoke4(reads, AR_FRAME_WRITE, 0, 1, 0, 0));
    native_refused("read beyond the end", ar_invoke4(small, AR_FRAME_READ, 4096, 1, 0, 0));
}

/* One frame in many spaces, each at its own address and with its own rights; the revoke takes it
 * from all of them. */
static void shared(void)
{
    static struct native_subject subjects[SPACES];
    ar_cap frame = native_retype(AR_FRAME, SMALL);
    uint64_t value;
    for (unsigned i = 0; i < SPACES; i++) {
        ar_cap space = native_space();
        native_load(space);
        subjects[i] = native_subject_make(space);
        native_map(space, AT + i * 0x3000ull, native_copy(frame, AR_ALL), i & 1 ? AR_READ : ACCESS);
    }
    for (unsigned i = 0; i < SPACES; i++) {
        uint64_t wrote = value = i + 1000;
        try("write the shared frame", &subjects[i], NATIVE_WRITE, AT + i * 0x3000ull, &value,
            i & 1 ? DENIED(AR_PF_WRITE) : 0);
        for (unsigned j = 0; j < SPACES; j++) {
            try("read the shared frame", &subjects[j], NATIVE_READ, AT + j * 0x3000ull, &value, 0);
            native_equal("the shared word", value, i & 1 ? wrote - 1 : wrote);
        }
        try("read the neighbour's address", &subjects[i], NATIVE_READ, AT + (i + 1) * 0x3000ull,
            &value, ABSENT(0));
    }
    native_ok("revoke", ar_invoke4(AR_CAP_SELF, AR_CNODE_REVOKE, frame, 0, 0, 0));
    for (unsigned i = 0; i < SPACES; i++)
        try("read after the revoke", &subjects[i], NATIVE_READ, AT + i * 0x3000ull, &value,
            ABSENT(0));
    native_equal("the frame itself", frame_word(frame, 0), 1000 + SPACES - 2);
}

/* A table that goes takes its pages with it, at once. */
static void table_deleted(struct native_subject *subject)
{
    uint64_t address = AT + 64 * LARGE_BYTES, value = 5;
    ar_cap table = native_retype(AR_TABLE, 0), frame = native_retype(AR_FRAME, SMALL);
    native_ok("map a table", ar_invoke4(subject->thread.space, AR_VSPACE_MAP_TABLE, table, address,
                                          0, 0));
    map(frame, subject->thread.space, address, ACCESS);
    try("write", subject, NATIVE_WRITE, address, &value, 0);
    native_ok("delete the table", ar_cap_delete(table));
    try("read without a table", subject, NATIVE_READ, address, &value, ABSENT(0));
    native_ok("unmap", ar_invoke4(frame, AR_FRAME_UNMAP, 0, 0, 0, 0));
}

void native_main(const struct ar_boot_info *boot)
{
    ar_cap space = native_space(), small[2], large[2];
    (void)boot;
    native_load(space);
    for (unsigned i = 0; i < 2; i++) { /* in the space that is in the processor, and in another */
        struct native_subject subject = native_subject_make(i ? space : 0);
        small[i] = native_retype(AR_FRAME, SMALL);
        large[i] = native_retype(AR_FRAME, LARGE);
        rights_change(&subject, large[i], AT, LARGE_BYTES - 8);
        rights_change(&subject, small[i], AT - 0x1000, 4096 - 8);
        table_deleted(&subject);
        refusals(&subject, small[i], large[i]);
    }
    native_equal("a large frame is aligned", frame_word(large[0], 0), 0x1234568);
    shared();
}
