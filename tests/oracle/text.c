/* Programs and answers as text. SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "drive.h"

static const struct field {
    const char *name;
    size_t offset;
} fields[] = {
#define X(name) {#name, offsetof(struct op, name)},
    OP_FIELDS(X)
#undef X
};
enum { FIELDS = sizeof(fields) / sizeof(fields[0]) };

const char *errno_name(int error)
{
    static const struct {
        int error;
        const char *name;
    } names[] = {
#define E(name) {name, #name},
    E(EPERM) E(ENOENT) E(ESRCH) E(EINTR) E(EIO) E(ENXIO) E(E2BIG) E(EBADF) E(EAGAIN) E(ENOMEM)
    E(EACCES) E(EFAULT) E(EBUSY) E(EEXIST) E(EXDEV) E(ENODEV) E(ENOTDIR) E(EISDIR) E(EINVAL)
    E(ENFILE) E(EMFILE) E(ENOTTY) E(ENOSPC) E(ESPIPE) E(EROFS) E(EMLINK) E(EPIPE) E(EDOM)
    E(ERANGE) E(ENAMETOOLONG) E(ENOSYS) E(ENOTEMPTY) E(ELOOP) E(ENOTSOCK) E(EDESTADDRREQ)
    E(EMSGSIZE) E(EPROTOTYPE) E(ENOPROTOOPT) E(EPROTONOSUPPORT) E(ESOCKTNOSUPPORT) E(EOPNOTSUPP)
    E(EAFNOSUPPORT) E(EADDRINUSE) E(EADDRNOTAVAIL) E(ECONNABORTED) E(ECONNRESET) E(ENOBUFS)
    E(EISCONN) E(ENOTCONN) E(ETOOMANYREFS) E(ETIMEDOUT) E(ECONNREFUSED) E(EALREADY) E(EINPROGRESS)
#undef E
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (names[i].error == error)
            return names[i].name;
    return "another error";
}

static int32_t *field_of(const struct op *op, int field)
{
    return (int32_t *)((char *)op + fields[field].offset);
}

/* SEND id=3 worker=0 …: what differs from an empty operation. */
void text_op(FILE *file, const struct op *op)
{
    struct op empty;
    memset(&empty, 0, sizeof(empty));
    op_clear(&empty, op->kind);
    fprintf(file, "%s", op_names[op->kind]);
    for (int i = 0; i < FIELDS; i++)
        if (strcmp(fields[i].name, "kind") != 0 && (*field_of(op, i) != *field_of(&empty, i) || i == 0))
            fprintf(file, " %s=%d", fields[i].name, *field_of(op, i));
    fputc('\n', file);
}

bool text_read(FILE *file, struct op *op)
{
    char line[1024];
    if (!fgets(line, sizeof(line), file))
        return false;
    char *word = strtok(line, " \n");
    memset(op, 0, sizeof(*op));
    op_clear(op, 0);
    for (int kind = 0; word && kind < OP_COUNT; kind++)
        if (strcmp(word, op_names[kind]) == 0) {
            op->kind = kind;
            while ((word = strtok(0, " \n"))) {
                char *value = strchr(word, '=');
                for (int i = 0; value && i < FIELDS; i++)
                    if (strncmp(word, fields[i].name, (size_t)(value - word)) == 0 && !fields[i].name[value - word])
                        *field_of(op, i) = (int32_t)strtol(value + 1, 0, 10);
            }
            return true;
        }
    return false;
}

static void text_result(FILE *file, const struct result *result)
{
    if (result->ret < 0 && result->ret > -200)
        fprintf(file, "%s", errno_name(-result->ret));
    else
        fprintf(file, "%d", result->ret);
    for (int i = 0; i < result->count; i++)
        fprintf(file, "%s%d", i ? " " : " [", result->out[i]);
    fprintf(file, "%s", result->count ? "]" : "");
}

void text_step(FILE *file, const struct step *step)
{
    if (!step->events)
        fprintf(file, "blocked");
    for (int i = 0; i < step->events; i++) {
        int32_t worker = step->event[i].worker;
        fprintf(file, worker >= SIGNALS ? "%ssignals to %d: " : "%s%d: ", i ? "; " : "",
                worker >= SIGNALS ? worker - SIGNALS : worker);
        text_result(file, &step->event[i].result);
    }
    fputc('\n', file);
}

bool step_equal(const struct step *a, const struct step *b)
{
    if (a->events != b->events)
        return false;
    for (int i = 0; i < a->events; i++) {
        const struct event *x = &a->event[i], *y = &b->event[i];
        if (x->worker != y->worker || x->result.ret != y->result.ret || x->result.count != y->result.count ||
            memcmp(x->result.out, y->result.out, (size_t)x->result.count * sizeof(int32_t)) != 0)
            return false;
    }
    return true;
}
