/* Loading programs: what exec.c, exec_file.c, exec_elf.c, exec_stack.c and start.c share.
 * SPDX-License-Identifier: MIT */
#ifndef LIBPOSIX_EXEC_H
#define LIBPOSIX_EXEC_H

#include "private.h"

/* ELF-64, as the System V ABI has it. */
struct elf_header {
    uint8_t ident[16];
    uint16_t type, machine;
    uint32_t version;
    uint64_t entry, phoff, shoff;
    uint32_t flags;
    uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};
_Static_assert(sizeof(struct elf_header) == 64, "Elf64_Ehdr");
struct elf_segment {
    uint32_t type, flags;
    uint64_t offset, vaddr, paddr, filesz, memsz, align;
};
_Static_assert(sizeof(struct elf_segment) == 56, "Elf64_Phdr");
enum {
    ELF_EXEC = 2,
    ELF_DYN = 3,
    ELF_X86_64 = 62,
    ELF_PT_LOAD = 1,
    ELF_PT_INTERP = 3,
    ELF_PF_X = 1,
    ELF_PF_W = 2,
    ELF_PF_R = 4
};
#define ELF_SEGMENTS_MAX 64u

#define EXEC_PATH_MAX 4096u
#define EXEC_HEAD 256u             /* what is looked at for "#!", as Linux does */
#define EXEC_SCRIPTS_MAX 5u        /* scripts that interpret scripts */
#define EXEC_STRING_MAX 131072u    /* one argument, MAX_ARG_STRLEN */
#define EXEC_STRINGS_MAX 0x200000u /* all of them with their pointers: a quarter of the stack */

/* One ELF file, open and checked. */
struct exec_file {
    ar_cap slot;              /* of its description */
    unsigned server;
    uint64_t size, bias;      /* file size; added to its addresses */
    uint64_t kept_end;        /* loaded addresses below are in place already */
    struct posix_text text;   /* what exec may keep of it next time */
    uint64_t low, high;       /* its addresses before the bias, page-aligned */
    uint64_t entry, phdr;     /* with the bias once loaded; phdr 0: the headers are in no segment */
    unsigned segment_count;
    struct elf_header header;
    struct elf_segment segments[ELF_SEGMENTS_MAX];
    char interpreter[EXEC_PATH_MAX]; /* PT_INTERP, or empty */
};

/* Argument strings while libposix carries them: argc + envc strings one after the other in
 * `strings`. */
struct exec_strings {
    char *at;
    uint64_t length, argc, envc;
};

/* Everything of one execve under way: one at a time in a process, at PRIVATE_EXEC. */
struct exec_state {
    char path[EXEC_PATH_MAX];     /* as given: AT_EXECFN */
    char real_path[EXEC_PATH_MAX]; /* as its server names it */
    char script[EXEC_PATH_MAX];
    struct exec_file program, interpreter;
    struct exec_strings arguments;
    struct proc_ids_reply ids;
    uint64_t brk;
    uint64_t stack_pointer;
    char strings[EXEC_STRINGS_MAX];
};
_Static_assert(sizeof(struct exec_state) <= PRIVATE_EXEC_SIZE, "fits its place");

/* ---- exec_file.c: 0 or -errno ---- */
/* Open for execution into `slot`: regular, permitted. `user_path` not 0: relative to dirfd, read
 * from the program. */
long exec_open(struct exec_state *state, const char *path, int dirfd, uint64_t user_path,
               bool nofollow, struct exec_file *file, ar_cap slot);
/* The checks of the file behind file->slot alone (fexecve). */
long exec_permitted(struct exec_state *state, struct exec_file *file);
void exec_close(struct exec_file *file);

/* ---- exec_elf.c ---- */
/* Read and check headers: -ENOEXEC with the reason in the log. */
long exec_elf_check(struct exec_file *file, const char *path);
/* Find what of the file is text of its own pages; file->bias is set. */
void exec_elf_text(struct exec_file *file);
/* Map and read the segments; file->bias is set. */
long exec_elf_load(struct exec_file *file);

/* ---- exec_stack.c ---- */
/* Map the stack, write arguments and auxiliary vector; sets state->stack_pointer. */
long exec_stack_build(struct exec_state *state);

/* ---- exec.c ---- */
/* From state->path (see exec_open for dirfd, user_path) and state->arguments. Does not return to
 * the old program on success: the frame is the new one's. */
long exec_run(struct exec_state *state, int dirfd, uint64_t user_path, bool nofollow, bool opened);
/* Begin and end: the state's memory. NULL: none. */
struct exec_state *exec_state_begin(void);
void exec_state_end(void);

#endif
