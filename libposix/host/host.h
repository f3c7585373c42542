/* Between libposix on the host and the simulator (tests/sim). SPDX-License-Identifier: MIT */
#ifndef LIBPOSIX_HOST_H
#define LIBPOSIX_HOST_H

#include "internal.h"

/* ---- what the simulator calls, as the running thread ---- */

/* The value in rax; signals are taken and calls restarted. */
long posix_host_call(long number, const uint64_t a[6]);
/* A process that procd has just started: it ends with 125 when it cannot start. */
void posix_host_begin(uint64_t pid, uint64_t tid, uint64_t boot_seconds);
_Noreturn void posix_host_exit(unsigned status);
/* In the child, first of all. */
void posix_fork_child(uint64_t pid, uint64_t tid);
struct thread_start;
void posix_thread_start(uint64_t tid, uint64_t area, struct thread_start *start);
/* Signals that came meanwhile. */
void posix_leave(void);
/* One past the highest descriptor: so much of the table is in use. */
uint32_t posix_host_descriptors(void);

/* All variables of libposix, one process's: the linker's. */
extern char __start_posix_state[], __stop_posix_state[];
extern const char posix_copy_low[], posix_copy_high[], posix_copy_fixup[];

/* ---- what it provides, beside machine.h, private_alloc and private_free ---- */

/* mmap, munmap, mprotect of the host: the address, 0, or -errno. */
long posix_host_map(uint64_t length, uint64_t protection);
long posix_host_unmap(uint64_t address, uint64_t length);
long posix_host_protect(uint64_t address, uint64_t length, uint64_t protection);

#endif
