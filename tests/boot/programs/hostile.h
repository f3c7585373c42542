/*
 * Native system calls from a program, which is not meant to make any: see hostile_ipc.c.
 * SPDX-License-Identifier: MIT
 */
#ifndef HOSTILE_H
#define HOSTILE_H

#include "check.h"
#include <aramid/abi.h>
#include <posix_abi.h>

/* Registers of a native call, both ways; offsets are used by the assembly in hostile_ipc.c. */
struct native {
    uint64_t rax, rdi, rsi, rdx, r10, r8, r9, rbx, r12, r13;
};

/* The IPC buffer of this process's first thread. */
#define HOSTILE_BUFFER ((struct ar_ipc_buffer *)POSIX_AREA(0))

/* Find a `syscall` in libposix's text from which we get back: 0, or -1 with nothing found. Tries
 * each in a child. */
int native_find(void);

/* One native call. Only after native_find has answered 0. */
void native_call(struct native *registers);

/* Invoke with up to four words; the kernel's answer. */
uint64_t native_invoke(uint64_t slot, uint64_t label, uint64_t w0, uint64_t w1, uint64_t w2,
                       uint64_t w3, struct native *back);

#endif
