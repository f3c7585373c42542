/*
 * The kernel's verdict on processors. SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "arch/x86_64/cpu_features.h"

#define BASIC_NEEDED (1u << 4 | 1u << 9 | 1u << 13 | 1u << 24 | 1u << 25 | 1u << 26)
#define TOP_NEEDED (1u << 11 | 1u << 20)

static struct cpu_report report_of(const char *vendor)
{
    struct cpu_report report = {
        .basic_edx = BASIC_NEEDED, .top_edx = TOP_NEEDED, .extended_ebx = 1};
    memcpy(report.vendor, vendor, sizeof(report.vendor));
    return report;
}

static void each_needed_feature_is_missed(void **state)
{
    (void)state;
    struct cpu_report whole = report_of("AuthenticAMD");
    unsigned missed = 0;
    assert_null(features_missing(&whole));
    for (unsigned bit = 0; bit < 96; bit++) {
        struct cpu_report less = whole;
        uint32_t *word = bit < 32   ? &less.basic_edx
                         : bit < 64 ? &less.top_edx
                                    : &less.extended_ebx;
        if (!(*word & 1u << bit % 32))
            continue;
        *word &= ~(1u << bit % 32);
        assert_non_null(features_missing(&less));
        missed++;
    }
    assert_int_equal(missed, 9);
    struct cpu_report old = whole;
    old.extended_ebx = 0;
    assert_memory_equal(features_missing(&old), "FSGSBASE", 8);
}

static void meltdown_by_maker_and_by_report(void **state)
{
    (void)state;
    static const char *const never[] = {"AuthenticAMD", "HygonGenuine"};
    static const char *const must_say[] = {"GenuineIntel", "CentaurHauls", "  Shanghai  "};
    for (unsigned i = 0; i < 2; i++) {
        struct cpu_report report = report_of(never[i]);
        assert_false(features_open_to_meltdown(&report));
    }
    for (unsigned i = 0; i < 3; i++) {
        struct cpu_report report = report_of(must_say[i]);
        assert_true(features_open_to_meltdown(&report));
        report.capabilities = ~1ull; /* everything but RDCL_NO */
        assert_true(features_open_to_meltdown(&report));
        report.capabilities = 1;
        assert_false(features_open_to_meltdown(&report));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_needed_feature_is_missed),
        cmocka_unit_test(meltdown_by_maker_and_by_report),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
