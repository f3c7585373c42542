/*
 * libposix between hostile servers and a hostile program, in the simulator.
 * SPDX-License-Identifier: MIT
 *
 * Three processes share descriptors of all kinds. A step is one system call of one of them, with
 * pointers that may be anything; while it runs, replies of filed and sockd may be changed in any
 * way that a server could. (procd makes the process and may do all with it: it is believed.)
 */
#ifndef FUZZ_POSIX_WORLD_H
#define FUZZ_POSIX_WORLD_H

#include "fuzz.h"
#include <stddef.h>

enum { PAGE = 4096, ARENA_PAGES = 12, CANARY = 10 };
/* Two good areas, one read-only page, the rest is not there; the canary is nobody's to touch. */
extern uint8_t *arena;

/* calls.c: what the bytes say. The answer is checked. */
void call_run(const uint8_t bytes[STEP_BYTES]);
/* A pointer, good or not. */
uint64_t pointer_of(uint8_t byte);
uint64_t length_of(uint8_t byte);
uint64_t value_of(uint8_t byte);

/* replies.c: from now on, for one call: what becomes of replies. */
void replies_begin(uint8_t how, uint8_t seed);
void replies_end(void);

_Noreturn void posix_failed(const char *text, long number, long result);

#endif
