/* Executes one operation and notes all that can be seen of it. SPDX-License-Identifier: MIT */
#include "execute.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>

#include "address.h"

uint64_t pointer(const void *p)
{
    return (uint64_t)(uintptr_t)p;
}

uint8_t *buffer_place(int worker, const struct op *op, int64_t length)
{
    uint8_t *guard = platform_guard(worker);
    int64_t good = op->good < 0 || op->good > length ? length : op->good;
    return guard - (good > DATA_MAX ? DATA_MAX : good);
}

int32_t process_token(int32_t pid)
{
    if (pid <= 0)
        return pid;
    for (int i = 0; i < WORKERS_MAX; i++)
        if (board->pid[i] == pid)
            return 100 + i;
    return 99;
}

/* An address in `bytes` as op says; its length. NULL for none, an unmapped one for A_POINTER. */
static uint64_t address_argument(const struct op *op, uint8_t bytes[ADDRESS_MAX], uint64_t *length)
{
    int natural = address_make(op->address, bytes);
    *length = op->address_length >= 0 ? (uint64_t)op->address_length : (uint64_t)natural;
    if (op->address == A_NONE)
        *length = op->address_length >= 0 ? (uint64_t)op->address_length : 0;
    return op->address == A_NONE ? 0 : op->address == A_POINTER ? 8 : pointer(bytes);
}

static void execute_accept(const struct op *op, struct result *result)
{
    uint8_t bytes[ADDRESS_MAX];
    memset(bytes, 0xee, sizeof(bytes));
    uint32_t length = (uint32_t)op->address_length;
    if (op->address_length < 0) {
        result->ret = (int32_t)call(SYS_accept4, (uint64_t)op->fd, 0, 0, (uint64_t)op->flags, 0, 0);
        return;
    }
    result->ret = (int32_t)call(SYS_accept4, (uint64_t)op->fd, op->good == 0 ? 8 : pointer(bytes), pointer(&length),
                                (uint64_t)op->flags, 0, 0);
    if (result->ret >= 0) {
        out(result, length);
        out(result, address_token(bytes, (int)length < op->address_length ? (int)length : op->address_length));
    }
}

static void execute_pair(const struct op *op, struct result *result)
{
    int32_t fds[2] = {-1, -1};
    result->ret = (int32_t)call(SYS_socketpair, (uint64_t)op->value, (uint64_t)op->flags, (uint64_t)op->value2,
                                op->good == 0 ? 8 : pointer(fds), 0, 0);
    if (result->ret == 0) {
        out(result, fds[0]);
        out(result, fds[1]);
    }
}

static void execute_life(int worker, const struct op *op, struct result *result)
{
    switch (op->kind) {
    case OP_FORK:
        result->ret = platform_fork(op->value);
        break;
    case OP_THREAD:
        result->ret = platform_thread(op->value);
        break;
    case OP_EXIT:
        platform_exit();
        break;
    default:
        break;
    }
    (void)worker;
}

static void execute_socket(int worker, const struct op *op, struct result *result)
{
    uint8_t bytes[ADDRESS_MAX];
    uint64_t fd = (uint64_t)(int64_t)op->fd, length, address = address_argument(op, bytes, &length);
    (void)worker;
    switch (op->kind) {
    case OP_SOCKET:
        result->ret = (int32_t)call(SYS_socket, (uint64_t)op->value, (uint64_t)op->flags, (uint64_t)op->value2, 0, 0, 0);
        break;
    case OP_SOCKETPAIR:
        execute_pair(op, result);
        break;
    case OP_BIND:
        result->ret = (int32_t)call(SYS_bind, fd, address, length, 0, 0, 0);
        break;
    case OP_LISTEN:
        result->ret = (int32_t)call(SYS_listen, fd, (uint64_t)(int64_t)op->value, 0, 0, 0, 0);
        break;
    case OP_CONNECT:
        result->ret = (int32_t)call(SYS_connect, fd, address, length, 0, 0, 0);
        break;
    case OP_ACCEPT:
        execute_accept(op, result);
        break;
    case OP_SHUTDOWN:
        result->ret = (int32_t)call(SYS_shutdown, fd, (uint64_t)(int64_t)op->value, 0, 0, 0, 0);
        break;
    case OP_CLOSE:
        result->ret = (int32_t)call(SYS_close, fd, 0, 0, 0, 0, 0);
        break;
    default:
        break;
    }
}

void op_execute(int worker, const struct op *op, struct result *result)
{
    memset(result, 0, sizeof(*result));
    if (op->kind <= OP_CLOSE)
        execute_socket(worker, op, result);
    else if (op->kind <= OP_SETSOCKOPT || op->kind == OP_FCNTL || op->kind == OP_IOCTL)
        execute_option(worker, op, result);
    else if (op->kind <= OP_RECVMMSG)
        execute_message(worker, op, result);
    else if (op->kind <= OP_EPOLL_WAIT)
        execute_wait(worker, op, result);
    else if (op->kind >= OP_FORK && op->kind <= OP_EXIT)
        execute_life(worker, op, result);
    else
        execute_file(worker, op, result);
}
