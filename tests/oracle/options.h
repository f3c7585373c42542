/* SPDX-License-Identifier: MIT */
#ifndef ORACLE_OPTIONS_H
#define ORACLE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "transcript.h"

struct options {
    const char *mode, *file;
    uint64_t seed, programs, show;
    uint32_t uid, features;
    bool table, allowed; /* allowed: show allowed differences, too */
};

void options_read(struct options *options, int argc, char **argv);
/* The whole recording; its first line says which features were on. */
void options_load(struct options *options, struct bytes *bytes);
void platform_option(const char *word); /* one that is the platform's own */

#endif
