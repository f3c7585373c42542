/* Executes names, options, ioctl and fcntl. SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "address.h"
#include "execute.h"

enum { VALUE_MAX = 64, PEERGROUPS = 59, COOKIE = 57, PEERPIDFD = 77, INCOMING_CPU = 49, INCOMING_NAPI = 56 };

static void execute_name(const struct op *op, struct result *result)
{
    uint8_t bytes[256];
    memset(bytes, 0xee, sizeof(bytes));
    uint32_t length = (uint32_t)op->address_length;
    long number = op->kind == OP_GETSOCKNAME ? SYS_getsockname : SYS_getpeername;
    result->ret = (int32_t)call(number, (uint64_t)(int64_t)op->fd, op->good == 0 ? 8 : pointer(bytes), pointer(&length),
                                0, 0, 0);
    if (result->ret != 0)
        return;
    out(result, length);
    out(result, address_token(bytes, (int)length < op->address_length ? (int)length : op->address_length));
    if (op->address_length >= 0 && op->address_length < 200)
        out(result, bytes[op->address_length]); /* nothing beyond what was offered */
}

/* What the option's bytes say, without what differs from run to run. */
static void report_option(const struct op *op, struct result *result, const uint8_t *value, uint32_t length)
{
    int32_t word;
    out(result, length);
    if (length > VALUE_MAX || op->value2 == COOKIE || op->value2 == INCOMING_CPU || op->value2 == INCOMING_NAPI)
        return;
    for (uint32_t at = 0; at < length; at += sizeof(word)) {
        word = 0;
        memcpy(&word, value + at, length - at < sizeof(word) ? length - at : sizeof(word));
        if (op->value2 == SO_PEERCRED && at == 0)
            word = length < sizeof(word) ? -7 : process_token(word);
        out(result, word);
    }
}

static void execute_getsockopt(const struct op *op, struct result *result)
{
    uint8_t value[256];
    memset(value, 0, sizeof(value));
    uint32_t length = (uint32_t)op->length0;
    result->ret = (int32_t)call(SYS_getsockopt, (uint64_t)(int64_t)op->fd, (uint64_t)op->value, (uint64_t)op->value2,
                                op->good == 0 ? 8 : pointer(value), op->broken ? 8 : pointer(&length), 0);
    if (result->ret == 0)
        report_option(op, result, value, length);
    else if (op->value2 == PEERGROUPS)
        out(result, length); /* ERANGE says how many bytes it wants */
}

/* A time when there is room for one: mask0 is in microseconds. */
static void execute_setsockopt(const struct op *op, struct result *result)
{
    int64_t value[8] = {0};
    int32_t word = op->mask0;
    if (op->length0 >= 16) {
        value[0] = op->mask0 / 1000000;
        value[1] = op->mask0 % 1000000;
    } else {
        memcpy(value, &word, sizeof(word));
        if (op->length0 == 8)
            memcpy((uint8_t *)value + 4, &op->mask1, sizeof(op->mask1)); /* struct linger */
    }
    result->ret = (int32_t)call(SYS_setsockopt, (uint64_t)(int64_t)op->fd, (uint64_t)op->value, (uint64_t)op->value2,
                                op->good == 0 ? 8 : pointer(value), (uint64_t)(int64_t)op->length0, 0);
}

static void execute_ioctl(const struct op *op, struct result *result)
{
    int32_t value = op->value2;
    uint64_t fd = (uint64_t)(int64_t)op->fd;
    result->ret = (int32_t)call(SYS_ioctl, fd, (uint64_t)(uint32_t)op->value, op->good == 0 ? 8 : pointer(&value), 0, 0, 0);
    if (result->ret == 0)
        out(result, value);
}

static void execute_fcntl(const struct op *op, struct result *result)
{
    uint64_t argument = (uint64_t)(int64_t)op->value2;
    if (op->value == F_SETOWN && op->value2 > 0) /* a process of this program */
        argument = (uint64_t)board->pid[op->value2 % WORKERS_MAX];
    long ret = call(SYS_fcntl, (uint64_t)(int64_t)op->fd, (uint64_t)op->value, argument, 0, 0, 0);
    result->ret = op->value == F_GETOWN && ret > 0 ? process_token((int32_t)ret) : (int32_t)ret;
}

void execute_option(int worker, const struct op *op, struct result *result)
{
    (void)worker;
    switch (op->kind) {
    case OP_GETSOCKNAME:
    case OP_GETPEERNAME:
        execute_name(op, result);
        break;
    case OP_GETSOCKOPT:
        execute_getsockopt(op, result);
        break;
    case OP_SETSOCKOPT:
        execute_setsockopt(op, result);
        break;
    case OP_IOCTL:
        execute_ioctl(op, result);
        break;
    default:
        execute_fcntl(op, result);
        break;
    }
}
