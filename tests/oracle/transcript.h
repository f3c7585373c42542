/*
 * What Linux answered, as bytes. SPDX-License-Identifier: MIT
 *
 * A recording is a line of text (what made it, from which generator) and programs: seed, uid,
 * length, steps. Numbers are 7 bits a byte, signed ones folded; xz does the rest.
 */
#ifndef ORACLE_TRANSCRIPT_H
#define ORACLE_TRANSCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "op.h"

struct bytes {
    uint8_t *data;
    size_t length, capacity, at;
    bool broken; /* a read beyond the end */
};

void bytes_put(struct bytes *bytes, uint64_t number);
uint64_t bytes_get(struct bytes *bytes);
void step_put(struct bytes *bytes, const struct op *op, const struct step *step);
void step_get(struct bytes *bytes, const struct op *op, struct step *step);

#endif
