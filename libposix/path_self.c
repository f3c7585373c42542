/*
 * The names of a process's own things: /proc/self/fd/N, /proc/self/cwd, /proc/self/exe,
 * /dev/stdin. proc(5). /proc/self/fdinfo/N is made in fdinfo.c.
 *
 * procd has these links but cannot follow them: what is behind a descriptor is another server's,
 * and only its holder may ask. So the holder resolves them before the path is sent. They are
 * known by their absolute text; seen from a descriptor of a directory in /proc they are not.
 * Unlike on Linux, opening what no path leads to (a pipe, the terminal, a removed file) gives a
 * duplicate, with the same offset, flags and direction. SPDX-License-Identifier: MIT
 */
#include "files.h"

#include <ipc/kernel.h>

enum own_kind { OWN_NONE, OWN_FD, OWN_FD_INFO, OWN_CWD, OWN_EXE };
struct own_name {
    enum own_kind kind;
    int fd;           /* OWN_FD, OWN_FD_INFO */
    const char *rest; /* what follows the link and its slashes; may be empty */
    bool slash;       /* something, if only a slash, follows */
};

/* If the text begins with this word as a whole component: past it and the slashes after; else
 * NULL. */
static const char *component(const char *at, const char *end, const char *word, size_t length)
{
    if ((size_t)(end - at) < length || memcmp(at, word, length) != 0 ||
        (at + length < end && at[length] != '/'))
        return NULL;
    at += length;
    while (at < end && *at == '/')
        at++;
    return at;
}
#define COMPONENT(at, end, word) component(at, end, word, sizeof(word) - 1)

static const char *component_number(const char *at, const char *end, uint32_t *number)
{
    const char *start = at;
    *number = 0;
    while (at < end && at - start < 6 && *at >= '0' && *at <= '9')
        *number = *number * 10 + (uint32_t)(*at++ - '0');
    if (at == start || (*start == '0' && at - start > 1))
        return NULL;
    return component(at, end, "", 0);
}

static struct own_name own_find(const struct path *path)
{
    struct own_name own = {.kind = OWN_NONE};
    const char *at = path->text, *end = path->text + path->length, *next;
    uint32_t number;
    if (path->server != ISSUER_FILED || path->length == 0 || *at != '/')
        return own;
    while (at < end && *at == '/')
        at++;
    if (!(at = COMPONENT(at, end, "proc")))
        return own;
    if (!(next = COMPONENT(at, end, "self")) && !(next = COMPONENT(at, end, "thread-self"))) {
        next = component_number(at, end, &number);
        if (!next || number != process.pid)
            return own;
    }
    const char *self = next;
    if ((own.rest = COMPONENT(next, end, "cwd"))) {
        own.kind = OWN_CWD;
    } else if ((own.rest = COMPONENT(next, end, "exe"))) {
        own.kind = OWN_EXE;
    } else if ((next = COMPONENT(next, end, "fd")) &&
               (own.rest = component_number(next, end, &number))) {
        own.kind = OWN_FD;
        own.fd = (int)number;
    } else if ((next = COMPONENT(self, end, "fdinfo")) &&
               (own.rest = component_number(next, end, &number))) {
        own.kind = OWN_FD_INFO;
        own.fd = (int)number;
    }
    if (own.kind != OWN_NONE)
        own.slash = own.rest > path->text && own.rest[-1] == '/';
    return own;
}

/* The path becomes `length` bytes of text followed by what is in own->rest, asked of filed. */
static long path_replace(struct path *path, const char *text, uint64_t length,
                         const struct own_name *own)
{
    uint64_t rest = (uint64_t)(path->text + path->length - own->rest), slash = own->slash ? 1 : 0;
    if (length + slash + rest > sizeof(path->buffer))
        return ERR(NAMETOOLONG);
    memmove(path->buffer + length + slash, own->rest, rest);
    memcpy(path->buffer, text, length);
    if (slash)
        path->buffer[length] = '/';
    path->text = path->buffer;
    path->length = length + slash + rest;
    path->target = POSIX_SLOT_FILED;
    path->server = ISSUER_FILED;
    return 0;
}

/* io.path of what is behind a gate: its length or -errno. */
static long gate_path(ar_cap gate, unsigned server, char *text, uint64_t size)
{
    struct ar_segment out = {(uint64_t)text, size};
    struct ipc_transfer transfer = {.out = &out, .out_count = 1};
    struct posix_retry retry = {.server = server, .transfer = &transfer};
    struct io_path_reply reply = {0};
    long error = POSIX_CALL(&retry, io_path(gate, &reply, &transfer));
    return error ? error : reply.length > size ? ERR(NAMETOOLONG) : (long)reply.length;
}

static long descriptor_path(int fd, char *text, uint64_t size)
{
    struct fd_info info;
    if (fd_begin(fd, NULL, &info))
        return ERR(NOENT);
    unsigned kind = fd_kind(fd, &info);
    long length;
    if (kind == FILES_KIND_TIMER || kind == FILES_KIND_SIGNAL)
        length = (long)format_text(text, size, "anon_inode:%s",
                                   kind == FILES_KIND_TIMER ? "[timerfd]" : "[signalfd]");
    else
        length = gate_path(info.slot, info.server, text, size);
    fd_end(&info);
    return length;
}

static bool path_is_deleted(const char *text, uint64_t length)
{
    static const char mark[] = " (deleted)";
    return length >= sizeof(mark) - 1 &&
           memcmp(text + length - (sizeof(mark) - 1), mark, sizeof(mark) - 1) == 0;
}

/* Does a path lead to what is behind the descriptor? Then the path is that one from now on. */
static bool descriptor_reopens(struct path *path, const struct own_name *own)
{
    struct fd_info info;
    char text[LX_PATH_MAX];
    if (fd_look(own->fd, &info) || (info.server != ISSUER_FILED && info.server != ISSUER_PROCD))
        return false;
    unsigned kind = fd_kind(own->fd, &info);
    if (kind == FILES_KIND_TIMER || kind == FILES_KIND_SIGNAL)
        return false;
    long length = descriptor_path(own->fd, text, sizeof(text));
    return length > 0 && text[0] == '/' && !path_is_deleted(text, (uint64_t)length) &&
           path_replace(path, text, (uint64_t)length, own) == 0;
}

long path_own_follow(struct path *path, bool last, int *fd)
{
    struct own_name own = own_find(path);
    *fd = -1;
    if (!last && !own.slash)
        return 0;
    switch (own.kind) {
    case OWN_EXE:
        return process.exe[0] ? path_replace(path, process.exe, strlen(process.exe), &own)
                              : ERR(NOENT);
    case OWN_CWD: {
        char text[LX_PATH_MAX];
        long length = gate_path(POSIX_SLOT_CWD, ISSUER_FILED, text, sizeof(text));
        return length < 0 ? length : path_replace(path, text, (uint64_t)length, &own);
    }
    case OWN_FD: {
        struct fd_info info;
        if (fd_look(own.fd, &info))
            return ERR(NOENT);
        if (descriptor_reopens(path, &own))
            return 0;
        if (own.slash)
            return ERR(NOTDIR);
        *fd = own.fd;
        return 0;
    }
    default:
        return 0;
    }
}

int path_own_fd_info(const struct path *path)
{
    struct own_name own = own_find(path);
    return own.kind == OWN_FD_INFO && !own.slash ? own.fd : -1;
}

bool path_own_alias(struct path *path)
{
    static const struct { const char *name; const char *target;
    } aliases[] = {
        {"stdin", "/proc/self/fd/0"},
        {"stdout", "/proc/self/fd/1"},
        {"stderr", "/proc/self/fd/2"},
        {"fd", "/proc/self/fd"},
    };
    const char *at = path->text, *end = path->text + path->length;
    if (path->server != ISSUER_FILED || path->length == 0 || *at != '/')
        return false;
    while (at < end && *at == '/')
        at++;
    if (!(at = COMPONENT(at, end, "dev")))
        return false;
    for (unsigned i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++) {
        struct own_name own = {.rest =
                                   component(at, end, aliases[i].name, strlen(aliases[i].name))};
        if (!own.rest)
            continue;
        own.slash = own.rest[-1] == '/';
        return path_replace(path, aliases[i].target, strlen(aliases[i].target), &own) == 0;
    }
    return false;
}

long path_own_read(const struct path *path, char *target, uint64_t size)
{
    struct own_name own = own_find(path);
    if (own.slash)
        return 0;
    if (own.kind == OWN_FD)
        return descriptor_path(own.fd, target, size);
    return own.kind == OWN_CWD ? gate_path(POSIX_SLOT_CWD, ISSUER_FILED, target, size) : 0;
}

/* The gate of a duplicate, into receive slot 0. */
long path_own_duplicate(int fd, unsigned *kind, unsigned *server)
{
    struct fd_info info;
    if (fd_begin(fd, NULL, &info))
        return ERR(NOENT);
    *kind = fd_kind(fd, &info);
    *server = info.server;
    long error = 0;
    if (*kind == IO_KIND_SOCKET)
        error = ERR(NXIO);
    else if (ar_cap_copy(AR_CAP_SELF, receive_slots()[0], AR_CAP_SELF, info.slot, AR_ALL))
        error = ERR(NOMEM);
    fd_end(&info);
    return error;
}
