/*
 * One input, one world; libFuzzer's entry. SPDX-License-Identifier: MIT
 */
#include "fuzz.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static uint64_t steps_wanted;
static void (*fuzzers_own)(int); /* keeps the input */

static void aborted(int number)
{
    world_report();
    signal(SIGABRT, fuzzers_own);
    if (fuzzers_own != SIG_DFL && fuzzers_own != SIG_IGN)
        fuzzers_own(number);
}

static void prepare(void)
{
    const char *text = getenv("ARAMID_FUZZ_STEPS");
    steps_wanted = text ? strtoull(text, NULL, 0) : UINT64_MAX;
    fuzzers_own = signal(SIGABRT, aborted);
}

void fuzz_input(const uint8_t *bytes, uint64_t size)
{
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
    fuzz_input(bytes, size);
    if (world_steps >= steps_wanted) {
        printf("%lu steps, each checked\n", (unsigned long)world_steps);
        fflush(NULL);
        _Exit(0); /* the fuzzer takes exit() for a finding */
    }
    return 0;
}
