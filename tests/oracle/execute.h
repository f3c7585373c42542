/* What the executor's files share. SPDX-License-Identifier: MIT */
#ifndef ORACLE_EXECUTE_H
#define ORACLE_EXECUTE_H

#include "op.h"
#include "platform.h"

/* Adds a number to what was seen. */
static inline void out(struct result *result, int64_t value)
{
    if (result->count < OUT_MAX)
        result->out[result->count++] = (int32_t)value;
}

/* `length` bytes of buffer, of which the first op->good are usable (all when negative). */
uint8_t *buffer_place(int worker, const struct op *op, int64_t length);
int32_t process_token(int32_t pid); /* the number of a process's first worker */
uint64_t pointer(const void *p);

void execute_message(int worker, const struct op *op, struct result *result); /* OP_WRITE … OP_RECVMMSG */
void execute_wait(int worker, const struct op *op, struct result *result);    /* OP_POLL … OP_EPOLL_WAIT */
void execute_option(int worker, const struct op *op, struct result *result);  /* names, options, ioctl, fcntl */
void execute_file(int worker, const struct op *op, struct result *result);    /* paths, pipes, splice */

#endif
