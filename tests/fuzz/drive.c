/*
 * The fuzzer without libFuzzer: replay files, then steps from a seed. SPDX-License-Identifier: MIT
 *
 *   drive [--steps N] [--seed N] [FILE|FOLDER...]
 *   drive --write FILE --seed N   the input that comes from one seed, to be made smaller
 *   drive --plain FILE...         rewrite inputs that are to be kept (step_plain)
 */
#include "fuzz.h"
#include <dirent.h>
#include <sanitizer/common_interface_defs.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INPUT_STEPS = 1000, FILE_BYTES = 1 << 20 };

static uint64_t seed = 1, input_seed;
static const char *file;
static uint8_t input[FILE_BYTES];

static uint64_t next(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static void report(void)
{
    world_report();
    if (file)
        fprintf(stderr, "again by: drive %s\n", file);
    else
        fprintf(stderr, "again by: drive --steps 1 --seed %lu\n", (unsigned long)input_seed);
}

static void aborted(int number)
{
    (void)number;
    report();
    signal(SIGABRT, SIG_DFL);
}

static uint64_t read_file(const char *name)
{
    FILE *stream = fopen(name, "rb");
    if (!stream) {
        fprintf(stderr, "drive: cannot open '%s'\n", name);
        exit(2);
    }
    uint64_t size = fread(input, 1, sizeof(input), stream);
    fclose(stream);
    return size;
}

static void replay(const char *name)
{
    file = name;
    fuzz_input(input, read_file(name));
    file = NULL;
}

static int is_input(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* A file, or all files of a folder, in order. */
static void replay_all(const char *name)
{
    struct dirent **entries;
    int count = scandir(name, &entries, is_input, alphasort);
    if (count < 0)
        replay(name);
    for (int i = 0; i < count; i++) {
        char path[4096];
        snprintf(path, sizeof(path), "%s/%s", name, entries[i]->d_name);
        replay(path);
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
}

/* One input's bytes follow from its seed alone, so that a failure is found again at once. */
static void random_bytes(uint64_t number, uint8_t bytes[INPUT_STEPS * STEP_BYTES])
{
    seed = input_seed = number;
    seed = seed * 0x9e3779b97f4a7c15ull | 1;
    for (unsigned i = 0; i < INPUT_STEPS; i++) {
        uint64_t word = next();
        memcpy(bytes + i * STEP_BYTES, &word, sizeof(word));
    }
}

static int write_file(const char *name, uint8_t *bytes, uint64_t size)
{
    FILE *stream = fopen(name, "wb");
    for (uint64_t at = 0; at + STEP_BYTES <= size; at += STEP_BYTES)
        step_plain(bytes + at);
    bool written = stream && fwrite(bytes, 1, size, stream) == size;
    if (!written || fclose(stream)) {
        fprintf(stderr, "drive: cannot write '%s'\n", name);
        return 2;
    }
    return 0;
}

static int write_input(const char *name, uint64_t number)
{
    uint8_t bytes[INPUT_STEPS * STEP_BYTES];
    random_bytes(number, bytes);
    return write_file(name, bytes, sizeof(bytes));
}

static int plain(const char *name)
{
    uint64_t size = read_file(name);
    return write_file(name, input, size - size % STEP_BYTES);
}

int main(int count, char **arguments)
{
    uint8_t bytes[INPUT_STEPS * STEP_BYTES];
    uint64_t steps = 0, first = 1;
    const char *write_to = NULL;
    signal(SIGABRT, aborted);
    __sanitizer_set_death_callback(report);
    if (count > 1 && !strcmp(arguments[1], "--plain")) {
        for (int i = 2; i < count; i++)
            if (plain(arguments[i]))
                return 2;
        return 0;
    }
    for (int i = 1; i < count; i++) {
        if (!strcmp(arguments[i], "--steps") && i + 1 < count)
            steps = strtoull(arguments[++i], NULL, 0);
        else if (!strcmp(arguments[i], "--seed") && i + 1 < count)
            first = strtoull(arguments[++i], NULL, 0);
        else if (!strcmp(arguments[i], "--write") && i + 1 < count)
            write_to = arguments[++i];
        else
            replay_all(arguments[i]);
    }
    if (write_to)
        return write_input(write_to, first);
    printf("%lu steps replayed, each checked\n", (unsigned long)world_steps);
    for (; world_steps < steps; first++) {
        random_bytes(first, bytes);
        fuzz_input(bytes, sizeof(bytes));
    }
    printf("%lu steps, each checked\n", (unsigned long)world_steps);
    return 0;
}
