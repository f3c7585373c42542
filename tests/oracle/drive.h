/* Runs programs and compares. SPDX-License-Identifier: MIT */
#ifndef ORACLE_DRIVE_H
#define ORACLE_DRIVE_H

#include <stdio.h>

#include "generate.h"
#include "platform.h"
#include "transcript.h"

/* Gives the operation to its worker and collects what happened. */
void drive_step(const struct op *op, struct step *step);
void drive_begin(const struct setting *setting);
void drive_end(void);

/* text.c */
void text_op(FILE *file, const struct op *op);
bool text_read(FILE *file, struct op *op); /* false at an empty line or the end */
void text_step(FILE *file, const struct step *step);
const char *errno_name(int error);
bool step_equal(const struct step *a, const struct step *b);

/* table.c: what was reached */
void table_count(const struct model *model, const struct op *op, const struct step *step);
void table_print(FILE *file);

/* allowed.c: differences that are known */
enum verdict { VERDICT_DIFFERENT, VERDICT_ALLOWED, VERDICT_ALLOWED_END };
enum verdict allowed_judge(const struct model *model, const struct op *op, const struct step *expected,
                           const struct step *found, const char **name);
int allowed_report(FILE *file, uint64_t operations); /* how many are above their ceilings */

#endif
