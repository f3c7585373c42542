/*
 * What a target of the fuzzer gives to its two drivers, fuzz_input.c (libFuzzer) and drive.c.
 * SPDX-License-Identifier: MIT
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stdint.h>

/* Eight bytes of input are one step. */
enum { STEP_BYTES = 8 };

/* Steps so far, each of them checked. */
extern uint64_t world_steps;
void world_start(void);
void step_run(const uint8_t bytes[STEP_BYTES]);
/* Everything is given back: nothing may be left. */
void world_end(void);
/* The last steps, for the report of a crash. */
void world_report(void);
/* The same step as it will be written when there are more operations. */
void step_plain(uint8_t bytes[STEP_BYTES]);

/* fuzz_input.c: one input, one world. */
void fuzz_input(const uint8_t *bytes, uint64_t size);
/* What the code under test answered. With ARAMID_FUZZ_TWICE set each input runs twice, and must be
 * answered as before: nothing of another run is left in the world. */
void fuzz_answer(uint64_t value);

#endif
