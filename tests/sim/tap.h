/* Tests on the simulator: a table of functions, each with a system of its own, reported as TAP.
 * SPDX-License-Identifier: MIT */
#ifndef SIM_TAP_H
#define SIM_TAP_H

#include "sim.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *tap_test;
static unsigned tap_failures;

/* May be used by fibers. The test goes on. */
#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            tap_failures++;                                                                        \
            printf("# %s, %s:%d: %s\n", tap_test, __FILE__, __LINE__, #condition);                 \
        }                                                                                          \
    } while (0)
#define CHECK_EQUAL(value, expected)                                                               \
    do {                                                                                           \
        long tap_value_ = (long)(value), tap_expected_ = (long)(expected);                         \
        if (tap_value_ != tap_expected_) {                                                         \
            tap_failures++;                                                                        \
            printf("# %s, %s:%d: %s is %ld, not %ld\n", tap_test, __FILE__, __LINE__, #value,      \
                   tap_value_, tap_expected_);                                                     \
        }                                                                                          \
    } while (0)

struct tap_case {
    const char *name;
    void (*run)(void);
};
#define TAP_CASE(function) {#function, function}

/* Each case between sim_begin and sim_end; nothing may be left. For main: the exit status. */
static inline int tap_run(const struct tap_case *cases, unsigned count,
                          const struct sim_options *options)
{
    unsigned failed = 0;
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("1..%u\n", count);
    for (unsigned i = 0; i < count; i++) {
        tap_test = cases[i].name;
        tap_failures = 0;
        sim_begin(options);
        cases[i].run();
        CHECK(sim_end());
        printf("%sok %u - %s\n", tap_failures ? "not " : "", i + 1, cases[i].name);
        failed += tap_failures != 0;
    }
    return failed != 0;
}
#define TAP_RUN(cases, ...)                                                                        \
    tap_run(cases, sizeof(cases) / sizeof(*(cases)), &(const struct sim_options){__VA_ARGS__})

#endif
