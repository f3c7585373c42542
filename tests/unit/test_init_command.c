/* init's command line. SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "init.h"

static struct command command;

static const char *parse(const char *text)
{
    memset(&command, 0, sizeof(command));
    const char *wrong = command_parse(&command, text, strlen(text));
    return wrong ? wrong : command_complete(&command);
}

#define STRINGS(field, literal)                                                                    \
    do {                                                                                           \
        assert_int_equal(command.field##_length, sizeof(literal));                                 \
        assert_memory_equal(command.field, literal, sizeof(literal));                              \
    } while (0)

static void nothing_given_is_a_login_shell(void **state)
{
    (void)state;
    assert_null(parse("quiet log=1 =  "));
    assert_false(command.stream);
    assert_int_equal(command.argc, 2);
    STRINGS(argv, "/bin/sh\0-l");
    assert_int_equal(command.envc, 3);
}

static void items_are_percent_encoded_and_may_be_empty(void **state)
{
    (void)state;
    assert_null(
        parse("mode=run argv=/bin/sh,-c,echo%20%2c%25,, env=A=1,B=x%3Dy leakcheck=1 capdump=0"));
    assert_true(command.stream);
    assert_true(command.leakcheck);
    assert_false(command.capdump);
    assert_int_equal(command.argc, 5);
    STRINGS(argv, "/bin/sh\0-c\0echo ,%\0\0");
    assert_int_equal(command.envc, 2);
    STRINGS(env, "A=1\0B=x=y");
}

static void a_size_is_two_numbers(void **state)
{
    (void)state;
    assert_null(parse("size=50x132"));
    assert_int_equal(command.rows, 50);
    assert_int_equal(command.columns, 132);
    assert_null(parse("size=0x65535"));
    static const char *const wrong[] = {"size=",      "size=24",      "size=x80",
                                        "size=24x",   "size=24x80x1", "size=24x65536",
                                        "size=24,80", "size=-1x80",   "size=000024x80"};
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_non_null(parse(wrong[i]));
}

static void an_empty_environment_is_none(void **state)
{
    (void)state;
    assert_null(parse("mode=run argv=/x env="));
    assert_int_equal(command.envc, 0);
    assert_int_equal(command.env_length, 0);
}

static void later_words_count(void **state)
{
    (void)state;
    memset(&command, 0, sizeof(command));
    assert_null(command_parse(&command, "mode=shell argv=/a,b", 20));
    assert_null(command_parse(&command, "mode=run\nargv=/c\n", 17));
    assert_null(command_complete(&command));
    assert_true(command.stream);
    assert_int_equal(command.argc, 1);
    STRINGS(argv, "/c");
}

static void mistakes_are_named(void **state)
{
    (void)state;
    assert_non_null(strstr(parse("mode=walk"), "mode"));
    assert_non_null(strstr(parse("mode=run"), "argv"));
    assert_non_null(strstr(parse("argv="), "program"));
    assert_non_null(strstr(parse("argv=a%2"), "%"));
    assert_non_null(strstr(parse("argv=a%"), "%"));
    assert_non_null(strstr(parse("argv=a%zz"), "%"));
    assert_non_null(strstr(parse("argv=a%00b"), "%00"));
}

static void too_much_is_refused(void **state)
{
    (void)state;
    static char text[COMMAND_STRINGS_MAX + 100];
    memset(text, 'x', sizeof(text) - 1);
    memcpy(text, "argv=", 5);
    assert_non_null(strstr(parse(text), "65536"));
    memset(text, ',', sizeof(text) - 1);
    memcpy(text, "argv=", 5);
    text[3000] = '\0';
    assert_non_null(strstr(parse(text), "1024"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_given_is_a_login_shell),
        cmocka_unit_test(items_are_percent_encoded_and_may_be_empty),
        cmocka_unit_test(a_size_is_two_numbers),
        cmocka_unit_test(an_empty_environment_is_none),
        cmocka_unit_test(later_words_count),
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(too_much_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
