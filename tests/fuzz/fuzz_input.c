/*
 * One input, one world; libFuzzer's entry. SPDX-License-Identifier: MIT
 */
#include "fuzz.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static uint64_t steps_wanted, inputs, answers;
static int twice;
static void (*fuzzers_own)(int); /* keeps the input */

static void aborted(int number)
{
    world_report();
    signal(SIGABRT, fuzzers_own);
    if (fuzzers_own != SIG_DFL && fuzzers_own != SIG_IGN)
        fuzzers_own(number);
}

static void told(void)
{
    printf("%lu steps, each checked, in %lu runs: %.1f a run\n", (unsigned long)world_steps,
           (unsigned long)inputs, inputs ? (double)world_steps / (double)inputs : 0.0);
    fflush(NULL);
}

static void prepare(void)
{
    atexit(told);
    const char *text = getenv("ARAMID_FUZZ_STEPS");
    steps_wanted = text ? strtoull(text, NULL, 0) : UINT64_MAX;
    fuzzers_own = signal(SIGABRT, aborted);
    twice = getenv("ARAMID_FUZZ_TWICE") != NULL;
}

void fuzz_answer(uint64_t value)
{
    answers = (answers ^ value) * 0x100000001b3ull;
}

void fuzz_input(const uint8_t *bytes, uint64_t size)
{
    answers = 0;
    world_start();
    for (uint64_t at = 0; at + STEP_BYTES <= size; at += STEP_BYTES)
        step_run(bytes + at);
    world_end();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static int prepared;
    if (!prepared)
        prepare();
    prepared = 1;
    inputs++;
    fuzz_input(bytes, size);
    uint64_t before = answers;
    if (twice)
        fuzz_input(bytes, size);
    if (answers != before) {
        fprintf(stderr, "invariant broken: the same input was answered otherwise\n");
        abort();
    }
    if (world_steps >= steps_wanted) {
        told();
        _Exit(0); /* the fuzzer takes exit() for a finding */
    }
    return 0;
}
