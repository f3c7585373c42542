/* Executes what sends and receives. SPDX-License-Identifier: MIT */
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "address.h"
#include "execute.h"

enum { CONTROL_MAX = 2048, BATCH_MAX = 4, PATTERN = 251 };

/* Byte i of what operation `id` sends; the period is prime, so no chunk's size hides a shift. */
static void pattern_fill(uint8_t *bytes, int64_t length, int32_t id)
{
    int64_t done = length < PATTERN ? length : PATTERN;
    for (int64_t i = 0; i < done; i++)
        bytes[i] = (uint8_t)(id * 31 + i * 7 + (i >> 5));
    while (done < length) {
        int64_t part = done < length - done ? done : length - done;
        memcpy(bytes + done, bytes, (size_t)part);
        done += part;
    }
}

/* ---- control data that is sent ---- */

static size_t control_add(uint8_t *at, int level, int type, const void *data, size_t size)
{
    struct cmsghdr head = {.cmsg_len = CMSG_LEN(size), .cmsg_level = level, .cmsg_type = type};
    memcpy(at, &head, sizeof(head));
    memcpy(at + CMSG_ALIGN(sizeof(head)), data, size);
    return CMSG_SPACE(size);
}

static size_t control_rights(const struct op *op, uint8_t *at)
{
    int32_t fds[300], count = 0;
    const int32_t named[FDS_MAX] = {op->fd0, op->fd1, op->fd2, op->fd3};
    for (; count < op->count && count < FDS_MAX; count++)
        fds[count] = named[count];
    for (int32_t i = 0; i < op->repeat && count < 300; i++)
        fds[count++] = op->fd0;
    return control_add(at, SOL_SOCKET, SCM_RIGHTS, fds, (size_t)count * sizeof(int32_t));
}

static size_t control_credentials(const struct op *op, uint8_t *at)
{
    struct ucred ucred = {.pid = op->pid, .uid = (uid_t)op->uid, .gid = (gid_t)op->gid};
    if (op->pid == PID_SELF)
        ucred.pid = (pid_t)call(SYS_getpid, 0, 0, 0, 0, 0, 0);
    else if (op->pid == PID_DEAD)
        ucred.pid = 4190000;
    else if (op->pid < WORKERS_MAX)
        ucred.pid = board->pid[op->pid];
    return control_add(at, SOL_SOCKET, SCM_CREDENTIALS, &ucred, sizeof(ucred));
}

static size_t control_broken(const struct op *op, uint8_t *at)
{
    static const uint8_t zero[64];
    int32_t fds[2] = {op->fd0, op->fd0};
    struct cmsghdr *head = (struct cmsghdr *)at;
    size_t size = 0;
    switch (op->broken) {
    case BROKEN_ZERO:
        size = control_add(at, SOL_SOCKET, SCM_RIGHTS, fds, sizeof(fds));
        head->cmsg_len = 0;
        break;
    case BROKEN_LONG:
        size = control_add(at, SOL_SOCKET, SCM_RIGHTS, fds, sizeof(fds));
        head->cmsg_len += 64;
        break;
    case BROKEN_TYPE:
        return control_add(at, SOL_SOCKET, 77, zero, 8);
    case BROKEN_LEVEL:
        return control_add(at, 41, 50, zero, 20);
    case BROKEN_ODD:
        return control_add(at, SOL_SOCKET, SCM_RIGHTS, fds, 6);
    case BROKEN_SHORT:
        return control_add(at, SOL_SOCKET, SCM_CREDENTIALS, zero, 8);
    case BROKEN_HEADER:
        memset(at, 0, 16);
        return 12;
    default:
        break;
    }
    return size;
}

static size_t control_make(const struct op *op, uint8_t *bytes)
{
    size_t size = 0;
    if (op->control & C_CREDENTIALS)
        size += control_credentials(op, bytes + size);
    if (op->control & C_RIGHTS)
        size += control_rights(op, bytes + size);
    if (op->control & C_BROKEN)
        size += control_broken(op, bytes + size);
    return size;
}

/* ---- sending ---- */

static void execute_send(int worker, const struct op *op, struct result *result)
{
    static uint8_t controls[WORKERS_MAX][CONTROL_MAX];
    uint8_t name[ADDRESS_MAX], *control = controls[worker];
    int messages = op->kind == OP_SENDMMSG ? op->value : 1;
    int64_t each = (int64_t)op->length0 + op->length1, total = each * messages;
    uint8_t *data = buffer_place(worker, op, total);
    pattern_fill(data, op->good >= 0 && op->good < total ? op->good : total, op->id);
    if (op->kind == OP_WRITE && op->value && each == 8) /* a count for an eventfd */
        memcpy(data, &(uint64_t){(uint64_t)(int64_t)op->value}, 8);
    int natural = address_make(op->address, name);
    uint64_t fd = (uint64_t)(int64_t)op->fd, flags = (uint32_t)op->flags;
    uint32_t name_length = (uint32_t)(op->address_length >= 0 ? op->address_length : op->address ? natural : 0);
    void *name_pointer = op->address == A_NONE ? 0 : op->address == A_POINTER ? (void *)8 : (void *)name;
    struct iovec iov[BATCH_MAX][2];
    struct mmsghdr batch[BATCH_MAX];
    memset(batch, 0, sizeof(batch));
    for (int i = 0; i < messages; i++) {
        iov[i][0] = (struct iovec){data + i * each, (size_t)op->length0};
        iov[i][1] = (struct iovec){data + i * each + op->length0, (size_t)op->length1};
        batch[i].msg_hdr = (struct msghdr){.msg_name = name_pointer, .msg_namelen = name_length, .msg_iov = iov[i],
                                           .msg_iovlen = op->length1 ? 2 : 1};
    }
    size_t size = control_make(op, control);
    batch[0].msg_hdr.msg_control = !size ? 0 : op->broken == BROKEN_POINTER ? (void *)8 : control;
    batch[0].msg_hdr.msg_controllen = size;
    if (op->control & C_BROKEN && op->broken == BROKEN_POINTER) {
        batch[0].msg_hdr.msg_control = (void *)8;
        batch[0].msg_hdr.msg_controllen = 24;
    }
    switch (op->kind) {
    case OP_WRITE:
        result->ret = (int32_t)call(SYS_write, fd, pointer(data), (uint64_t)each, 0, 0, 0);
        break;
    case OP_WRITEV:
        result->ret = (int32_t)call(SYS_writev, fd, pointer(iov), 2, 0, 0, 0);
        break;
    case OP_SENDTO:
        result->ret = (int32_t)call(SYS_sendto, fd, pointer(data), (uint64_t)each, flags, pointer(name_pointer),
                                    name_length);
        break;
    case OP_SENDMSG:
        result->ret = (int32_t)call(SYS_sendmsg, fd, pointer(&batch[0].msg_hdr), flags, 0, 0, 0);
        break;
    default:
        result->ret = (int32_t)call(SYS_sendmmsg, fd, pointer(batch), (uint64_t)messages, flags, 0, 0);
        for (int i = 0; i < result->ret && i < messages; i++)
            out(result, batch[i].msg_len);
        break;
    }
}

/* ---- receiving ---- */

static void report_rights(struct result *result, const uint8_t *data, size_t size)
{
    int32_t fd, count = (int32_t)(size / sizeof(fd));
    out(result, count);
    for (int32_t i = 0; i < count; i++) {
        memcpy(&fd, data + (size_t)i * sizeof(fd), sizeof(fd));
        if (i < 8 || i == count - 1)
            out(result, fd);
    }
}

static void report_control(struct result *result, const struct msghdr *message, const uint8_t *control)
{
    out(result, (int64_t)message->msg_controllen);
    size_t at = 0, end = message->msg_controllen;
    while (end <= CONTROL_MAX && at + sizeof(struct cmsghdr) <= end) {
        struct cmsghdr head;
        memcpy(&head, control + at, sizeof(head));
        if (head.cmsg_len < sizeof(head) || head.cmsg_len > end - at)
            break;
        const uint8_t *data = control + at + CMSG_ALIGN(sizeof(head));
        size_t size = head.cmsg_len - CMSG_ALIGN(sizeof(head));
        out(result, head.cmsg_level * 1000 + head.cmsg_type);
        out(result, (int64_t)size);
        if (head.cmsg_type == SCM_RIGHTS) {
            report_rights(result, data, size);
        } else if (head.cmsg_type == SCM_CREDENTIALS && size == sizeof(struct ucred)) {
            struct ucred ucred;
            memcpy(&ucred, data, sizeof(ucred));
            out(result, process_token(ucred.pid));
            out(result, ucred.uid);
            out(result, ucred.gid);
        } else if (head.cmsg_type == 4 && size == sizeof(int32_t)) { /* SCM_PIDFD */
            int32_t fd;
            memcpy(&fd, data, sizeof(fd));
            out(result, fd);
        }
        at += CMSG_ALIGN(head.cmsg_len);
    }
}

static void report_data(struct result *result, const uint8_t *data, int64_t got, int64_t size)
{
    if (got > size)
        got = size;
    if (got > 0)
        out(result, bytes_hash(data, (uint64_t)got));
}

static void report_message(struct result *result, const struct msghdr *message, const uint8_t *data, int64_t got,
                           int64_t size, int name_size, const uint8_t *control)
{
    report_data(result, data, got, size);
    out(result, message->msg_flags & ~MSG_CMSG_CLOEXEC);
    if (message->msg_name) {
        int length = (int)message->msg_namelen;
        out(result, length);
        out(result, address_token(message->msg_name, length < name_size ? length : name_size));
    }
    if (message->msg_control)
        report_control(result, message, control);
}

static void execute_receive_messages(int worker, const struct op *op, struct result *result, uint8_t *data)
{
    static uint8_t controls[WORKERS_MAX][BATCH_MAX][CONTROL_MAX];
    uint8_t(*control)[CONTROL_MAX] = controls[worker], name[BATCH_MAX][ADDRESS_MAX];
    int messages = op->kind == OP_RECVMMSG ? op->value : 1;
    int64_t each = (int64_t)op->length0 + op->length1;
    struct iovec iov[BATCH_MAX][2];
    struct mmsghdr batch[BATCH_MAX];
    memset(batch, 0, sizeof(batch));
    memset(name, 0, sizeof(name));
    for (int i = 0; i < messages; i++) {
        iov[i][0] = (struct iovec){data + i * each, (size_t)op->length0};
        iov[i][1] = (struct iovec){data + i * each + op->length0, (size_t)op->length1};
        batch[i].msg_hdr = (struct msghdr){.msg_name = op->address_length >= 0 ? name[i] : 0,
                                           .msg_namelen = op->address_length >= 0 ? (uint32_t)op->address_length : 0,
                                           .msg_iov = iov[i], .msg_iovlen = op->length1 ? 2 : 1};
        if (op->control_length >= 0) {
            batch[i].msg_hdr.msg_control = control[i];
            batch[i].msg_hdr.msg_controllen = (size_t)op->control_length;
        }
    }
    uint64_t fd = (uint64_t)(int64_t)op->fd, flags = (uint32_t)op->flags;
    if (op->kind == OP_RECVMSG) {
        result->ret = (int32_t)call(SYS_recvmsg, fd, pointer(&batch[0].msg_hdr), flags, 0, 0, 0);
        if (result->ret >= 0)
            report_message(result, &batch[0].msg_hdr, data, result->ret, each, op->address_length, control[0]);
        return;
    }
    result->ret = (int32_t)call(SYS_recvmmsg, fd, pointer(batch), (uint64_t)messages, flags, 0, 0);
    for (int i = 0; i < result->ret && i < messages; i++) {
        out(result, batch[i].msg_len);
        report_message(result, &batch[i].msg_hdr, data + i * each, batch[i].msg_len, each, op->address_length,
                       control[i]);
    }
}

static void execute_receive(int worker, const struct op *op, struct result *result)
{
    int64_t each = (int64_t)op->length0 + op->length1;
    uint8_t *data = buffer_place(worker, op, op->kind == OP_RECVMMSG ? each * op->value : each);
    uint64_t fd = (uint64_t)(int64_t)op->fd, flags = (uint32_t)op->flags;
    uint8_t name[ADDRESS_MAX] = {0};
    uint32_t length = (uint32_t)op->address_length;
    struct iovec iov[2] = {{data, (size_t)op->length0}, {data + op->length0, (size_t)op->length1}};
    switch (op->kind) {
    case OP_READ:
        result->ret = (int32_t)call(SYS_read, fd, pointer(data), (uint64_t)each, 0, 0, 0);
        report_data(result, data, result->ret, each);
        break;
    case OP_READV:
        result->ret = (int32_t)call(SYS_readv, fd, pointer(iov), 2, 0, 0, 0);
        report_data(result, data, result->ret, each);
        break;
    case OP_RECVFROM:
        result->ret = (int32_t)call(SYS_recvfrom, fd, pointer(data), (uint64_t)each, flags,
                                    op->address_length >= 0 ? pointer(name) : 0,
                                    op->address_length >= 0 ? pointer(&length) : 0);
        report_data(result, data, result->ret, each);
        if (result->ret >= 0 && op->address_length >= 0) {
            out(result, length);
            out(result, address_token(name, (int)length < op->address_length ? (int)length : op->address_length));
        }
        break;
    default:
        execute_receive_messages(worker, op, result, data);
        break;
    }
}

void execute_message(int worker, const struct op *op, struct result *result)
{
    if (op->kind <= OP_SENDMMSG)
        execute_send(worker, op, result);
    else
        execute_receive(worker, op, result);
}
