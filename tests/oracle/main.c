/*
 * oracle record|replay|dump|list: see README.md. SPDX-License-Identifier: MIT
 *
 *   record --seed A --programs N --uid U --features F     a recording on stdout
 *   replay [--show N] [--seed A] [--programs N] [--table] [--allowed] FILE
 *   dump --seed A FILE      one program of a recording, as text, with the answers
 *   list FILE               programs as text, separated by empty lines: the answers as text
 */
#include <stdlib.h>
#include <string.h>

#include "drive.h"
#include "options.h"

static struct options options;
static uint64_t operations, programs, differences;

/* ---- recording ---- */

static void program_record(struct bytes *bytes, const struct setting *setting)
{
    static struct generator g;
    struct op op;
    struct step step;
    struct bytes steps = {0};
    generate_begin(&g, setting->seed, (int)setting->uid, options.features);
    drive_begin(setting);
    while (generate_next(&g, &op)) {
        drive_step(&op, &step);
        step_put(&steps, &op, &step);
        generate_learn(&g, &op, &step);
        operations++;
    }
    drive_end();
    bytes_put(bytes, setting->seed);
    bytes_put(bytes, setting->uid);
    bytes_put(bytes, steps.length);
    fwrite(bytes->data, 1, bytes->length, stdout);
    fwrite(steps.data, 1, steps.length, stdout);
    bytes->length = 0;
    free(steps.data);
}

static int record(void)
{
    struct bytes bytes = {0};
    printf("oracle features=%u release=%s\n", options.features, platform_name());
    for (uint64_t i = 0; i < options.programs; i++) {
        struct setting setting = {.seed = options.seed + i, .uid = options.uid};
        program_record(&bytes, &setting);
        programs++;
        /* What Linux loses counts against its user, whose ETOOMANYREFS then comes early. */
        if (!platform_clean())
            break;
    }
    fflush(stdout);
    fprintf(stderr, "oracle: %llu operations in %llu programs\n", (unsigned long long)operations,
            (unsigned long long)programs);
    return 0;
}

/* ---- replaying ---- */

/* `name`: of what allows it, or NULL. */
static void difference_show(const struct setting *setting, const char *name, const struct op *op,
                            const struct step *expected, const struct step *found)
{
    if (!name && differences++ >= options.show)
        return;
    printf("%s%sseed %llu uid %u: ", name ? name : "", name ? ": " : "", (unsigned long long)setting->seed, setting->uid);
    text_op(stdout, op);
    printf("   Linux: ");
    text_step(stdout, expected);
    printf("   here:  ");
    text_step(stdout, found);
    fflush(stdout);
}

static void program_replay(struct bytes *steps, const struct setting *setting)
{
    static struct generator g;
    struct op op;
    struct step expected, found;
    generate_begin(&g, setting->seed, (int)setting->uid, options.features);
    drive_begin(setting);
    while (generate_next(&g, &op)) {
        step_get(steps, &op, &expected);
        if (steps->broken) {
            printf("seed %llu: the recording is of another generator: tests/oracle/run record\n",
                   (unsigned long long)setting->seed);
            differences++;
            break;
        }
        drive_step(&op, &found);
        operations++;
        table_count(&g.model, &op, &expected);
        if (!step_equal(&expected, &found)) {
            const char *name = NULL;
            enum verdict verdict = allowed_judge(&g.model, &op, &expected, &found, &name);
            if (verdict == VERDICT_DIFFERENT || options.allowed)
                difference_show(setting, name, &op, &expected, &found);
            if (verdict != VERDICT_ALLOWED)
                break;
        }
        generate_learn(&g, &op, &expected);
    }
    drive_end();
    programs++;
}

static void program_dump(struct bytes *steps, const struct setting *setting)
{
    static struct generator g;
    struct op op;
    struct step expected;
    generate_begin(&g, setting->seed, (int)setting->uid, options.features);
    printf("# seed %llu uid %u profile %d\n", (unsigned long long)setting->seed, setting->uid, g.profile);
    while (generate_next(&g, &op)) {
        step_get(steps, &op, &expected);
        text_op(stdout, &op);
        printf("# %d ", op.id);
        text_step(stdout, &expected);
        generate_learn(&g, &op, &expected);
    }
}

static int replay(void (*program)(struct bytes *, const struct setting *))
{
    struct bytes file = {0};
    options_load(&options, &file);
    while (file.at < file.length) {
        struct setting setting = {.seed = bytes_get(&file)};
        setting.uid = (uint32_t)bytes_get(&file);
        struct bytes steps = {.data = file.data + file.at + 0};
        steps.length = (size_t)bytes_get(&file);
        steps.data = file.data + file.at;
        if (file.broken || steps.length > file.length - file.at)
            break;
        file.at += steps.length;
        if (setting.seed >= options.seed && setting.seed - options.seed < options.programs)
            program(&steps, &setting);
    }
    return 0;
}

static int replay_all(void)
{
    replay(program_replay);
    int above = allowed_report(stdout, operations);
    if (options.table)
        table_print(stdout);
    printf("oracle: %s: %llu operations in %llu programs, %llu differences, %d allowed ones above their ceilings\n",
           platform_name(), (unsigned long long)operations, (unsigned long long)programs,
           (unsigned long long)differences, above);
    return differences || above;
}

/* ---- lists ---- */

/* Descriptors follow their origins: a shortened program has other numbers. */
static void resolve(struct op *op, int32_t numbers[][8], int32_t known)
{
    int32_t *const fds[] = {&op->fd, &op->fd0, &op->fd1, &op->fd2, &op->fd3};
    const int32_t from[] = {op->fd_from, op->from0, op->from1, op->from2, op->from3};
    for (int i = 0; i < 5; i++)
        if (from[i] >= 0)
            *fds[i] = from[i] / 256 < known && from[i] % 256 < 8 ? numbers[from[i] / 256][from[i] % 256] : -1;
}

static int list(void)
{
    enum { KNOWN = 1024 };
    static int32_t numbers[KNOWN][8];
    struct op op, running[WORKERS_MAX];
    struct step step;
    FILE *file = fopen(options.file, "r");
    if (!file)
        return 2;
    while (!feof(file)) {
        struct setting setting = {.uid = options.uid};
        memset(numbers, -1, sizeof(numbers));
        memset(running, 0, sizeof(running));
        drive_begin(&setting);
        while (text_read(file, &op)) {
            resolve(&op, numbers, KNOWN);
            running[op.worker] = op;
            drive_step(&op, &step);
            for (int i = 0; i < step.events; i++)
                if (step.event[i].worker < WORKERS_MAX)
                    result_fds(&running[step.event[i].worker], &step.event[i].result,
                               numbers[running[step.event[i].worker].id % KNOWN], 8);
            printf("%d ", op.id);
            text_step(stdout, &step);
        }
        drive_end();
        printf("\n");
        fflush(stdout);
    }
    return 0;
}

int main(int argc, char **argv)
{
    options_read(&options, argc, argv);
    if (strcmp(options.mode, "dump") == 0)
        return replay(program_dump);
    platform_start();
    int status = strcmp(options.mode, "record") == 0   ? record()
                 : strcmp(options.mode, "replay") == 0 ? replay_all()
                 : strcmp(options.mode, "list") == 0   ? list()
                                                       : 2;
    platform_stop();
    return status;
}
