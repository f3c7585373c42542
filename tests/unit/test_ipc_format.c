/* The formatter of log lines: what it knows it writes as printf does.
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "format.h"

static size_t line(char *buffer, size_t size, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    size_t length = format_line(buffer, size, format, arguments);
    va_end(arguments);
    return length;
}

#define SAME(...)                                                                                  \
    do {                                                                                           \
        char ours[200], theirs[200];                                                               \
        snprintf(theirs, sizeof(theirs), __VA_ARGS__);                                             \
        assert_int_equal(line(ours, sizeof(ours), __VA_ARGS__), strlen(theirs));                   \
        assert_string_equal(ours, theirs);                                                         \
    } while (0)

static void known_directives_are_printfs(void **state)
{
    (void)state;
    SAME("plain");
    SAME("%d %d %i", 0, -17, 2147483647);
    SAME("%d", -2147483647 - 1);
    SAME("%u %x %lx %lu", 4000000000u, 0xbeefu, 0xfffffffffffffffful, 18446744073709551615ul);
    SAME("%ld %zu", -9223372036854775807L - 1, (size_t)7);
    SAME("%5d|%05d|%016lx|%3u", -42, -42, 0xabcul, 12345u);
    SAME("%s|%.3s|%.*s|%8s|%c|%%", "text", "longer", 2, "cut", "right", 'x');
    SAME("%p", (void *)0x1234);
}

static void lines_are_cut_never_overrun(void **state)
{
    (void)state;
    char buffer[8];
    memset(buffer, 'z', sizeof(buffer));
    assert_int_equal(line(buffer, 5, "%s %d", "abcdefgh", 7), 4);
    assert_memory_equal(buffer, "abcd\0zzz", 8);
    assert_int_equal(line(buffer, 1, "%d", 7), 0);
    assert_int_equal(line(buffer, 0, "%d", 7), 0);
}

static void odd_formats_do_no_harm(void **state)
{
    (void)state;
    char buffer[32];
    line(buffer, sizeof(buffer), "%s", NULL);
    assert_string_equal(buffer, "(null)");
    const char *lone = "100%";
    line(buffer, sizeof(buffer), lone);
    assert_string_equal(buffer, "100");
    const char *unknown = "a%qb";
    line(buffer, sizeof(buffer), unknown);
    assert_string_equal(buffer, "a%qb");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_directives_are_printfs),
        cmocka_unit_test(lines_are_cut_never_overrun),
        cmocka_unit_test(odd_formats_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
