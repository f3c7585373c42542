/*
 * A new program's stack: strings, auxiliary vector, environment, arguments; System V ABI x86-64,
 * 3.4.1. SPDX-License-Identifier: MIT
 */
#include "exec.h"

#define POPULATED 0x8000ull
#define AUXV_PAIRS 24u

struct writer {
    uint64_t at;  /* everything below is free */
    long error;
};

static void put(struct writer *w, uint64_t address, const void *bytes, uint64_t length)
{
    if (!w->error)
        w->error = user_write((void *)address, bytes, length);
}

static uint64_t push(struct writer *w, const void *bytes, uint64_t length)
{
    w->at -= length;
    put(w, w->at, bytes, length);
    return w->at;
}

/* procd lets it grow on faults below, down to RLIMIT_STACK. */
static long stack_map(uint64_t needed)
{
    uint64_t length = PAGE_UP(needed + POPULATED), mapped;
    return memory_map(USER_STACK_TOP - length, length, LINUX_PROT_READ | LINUX_PROT_WRITE,
                      PROC_MAP_FIXED | PROC_MAP_STACK | PROC_MAP_POPULATE, &mapped);
}

static unsigned auxv_fill(const struct exec_state *state, uint64_t random, uint64_t execfn,
                          uint64_t platform, uint64_t auxv[][2])
{
    uint32_t eax = 1, ebx, ecx, edx;
    unsigned n = 0;
    __asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "=c"(ecx), "=d"(edx));
#define AUX(type, value) (auxv[n][0] = LINUX_AT_##type, auxv[n++][1] = (value))
    AUX(HWCAP, edx);
    AUX(PAGESZ, PAGE_SIZE);
    AUX(CLKTCK, 100);
    AUX(PHDR, state->program.phdr);
    AUX(PHENT, sizeof(struct elf_segment));
    AUX(PHNUM, state->program.header.phnum);
    AUX(BASE, state->interpreter.slot ? state->interpreter.bias : 0);
    AUX(FLAGS, 0);
    AUX(ENTRY, state->program.entry);
    AUX(UID, state->ids.ruid);
    AUX(EUID, state->ids.euid);
    AUX(GID, state->ids.rgid);
    AUX(EGID, state->ids.egid);
    AUX(SECURE, 0);
    AUX(RANDOM, random);
    AUX(HWCAP2, 2); /* FSGSBASE may be used */
    AUX(EXECFN, execfn);
    AUX(PLATFORM, platform);
    AUX(MINSIGSTKSZ, fpu_state_size() + sizeof(struct linux_sigframe) + 256);
    AUX(NULL, 0);
#undef AUX
    return n;
}

/* Pointers to `count` strings, the first of which is at `string`; a null pointer after them. The
 * next string's address. */
static uint64_t put_pointers(struct writer *w, uint64_t *slot, const char *text, uint64_t count,
                             uint64_t string)
{
    for (uint64_t i = 0; i < count; i++) {
        put(w, *slot, &string, 8);
        uint64_t length = strlen(text) + 1;
        text += length;
        string += length;
        *slot += 8;
    }
    uint64_t null = 0;
    put(w, *slot, &null, 8);
    *slot += 8;
    return string;
}

long exec_stack_build(struct exec_state *state)
{
    struct exec_strings *arguments = &state->arguments;
    struct writer w = {.at = USER_STACK_TOP - 8};
    uint64_t auxv[AUXV_PAIRS][2], random_bytes[2];
    uint64_t pointers = 8 * (arguments->argc + arguments->envc + 3);
    long error = stack_map(arguments->length + pointers);
    if (error)
        return error;
    random_fill(random_bytes, sizeof(random_bytes));
    uint64_t execfn = push(&w, state->path, strlen(state->path) + 1);
    uint64_t strings = push(&w, arguments->at, arguments->length);
    uint64_t platform = push(&w, "x86_64", 7);
    uint64_t random = push(&w, random_bytes, sizeof(random_bytes));
    unsigned pairs = auxv_fill(state, random, execfn, platform, auxv);

    uint64_t base = (w.at - pointers - pairs * 16ull) & ~15ull, slot = base;
    put(&w, slot, &arguments->argc, 8);
    slot += 8;
    uint64_t environment = put_pointers(&w, &slot, arguments->at, arguments->argc, strings);
    put_pointers(&w, &slot, arguments->at + (environment - strings), arguments->envc, environment);
    put(&w, slot, auxv, pairs * 16ull);
    state->stack_pointer = base;
    return w.error;
}
