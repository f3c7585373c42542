/* The command line, and a recording's file. SPDX-License-Identifier: MIT */
#include "options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FEATURES_DEFAULT = 0x1ff & ~16 /* without FEATURE_SPLICE */ };

static void complain(const char *what, const char *word)
{
    fprintf(stderr, "oracle: %s%s: expected record, replay, dump or list; see tests/oracle/README.md\n", what, word);
    exit(2);
}

void options_read(struct options *options, int argc, char **argv)
{
    *options = (struct options){.programs = UINT64_MAX, .show = 20, .features = FEATURES_DEFAULT};
    if (argc < 2)
        complain("no mode", "");
    options->mode = argv[1];
    for (int i = 2; i < argc; i++) {
        const char *word = argv[i], *value = i + 1 < argc ? argv[i + 1] : "";
        uint64_t number = strtoull(value, 0, 0);
        if (word[0] != '-' || !word[1]) {
            options->file = word;
            continue;
        }
        if (strcmp(word, "--table") == 0) {
            options->table = true;
            continue;
        }
        if (strcmp(word, "--allowed") == 0) {
            options->allowed = true;
            continue;
        }
        if (strcmp(word, "--patient") == 0) {
            platform_option(word);
            continue;
        }
        i++;
        if (strcmp(word, "--seed") == 0)
            options->seed = number;
        else if (strcmp(word, "--programs") == 0)
            options->programs = number;
        else if (strcmp(word, "--show") == 0)
            options->show = number;
        else if (strcmp(word, "--uid") == 0)
            options->uid = (uint32_t)number;
        else if (strcmp(word, "--features") == 0)
            options->features = (uint32_t)number;
        else
            complain("unknown option ", word);
    }
}

void options_load(struct options *options, struct bytes *bytes)
{
    FILE *file = options->file && strcmp(options->file, "-") ? fopen(options->file, "rb") : stdin;
    if (!file)
        complain("cannot read ", options->file);
    char line[256];
    if (!fgets(line, sizeof(line), file) || sscanf(line, "oracle features=%u", &options->features) != 1)
        complain("no recording: ", options->file);
    for (;;) {
        if (bytes->capacity - bytes->length < 65536) {
            bytes->capacity = bytes->capacity ? bytes->capacity * 2 : 1 << 20;
            bytes->data = realloc(bytes->data, bytes->capacity);
            if (!bytes->data)
                abort();
        }
        size_t got = fread(bytes->data + bytes->length, 1, bytes->capacity - bytes->length, file);
        if (got == 0)
            break;
        bytes->length += got;
    }
}
