/*
 * /proc/net/unix: one line a socket, in Linux's form (proc(5)). SPDX-License-Identifier: MIT
 *
 * No snapshot: 100,000 sockets would be six megabytes and a long request. The description is itself
 * a member of the list of all objects and walks down it, so whatever else comes and goes, its place
 * stays good. A reader sees each socket that is there all the time exactly once.
 */
#include "core.h"
#include <string.h>

#define STEPS_MAX 256u /* objects looked at in one request */

enum { S_IFREG_READABLE = 0100444, O_ACCESS = 3, O_PATH_ONLY = 010000000 };
/* enum socket_state of Linux, as the column St has it */
enum { SHOWN_UNCONNECTED = 1, SHOWN_CONNECTING = 2, SHOWN_CONNECTED = 3 };

static const char heading[] = "Num       RefCount Protocol Flags    Type St Inode Path\n";

enum status op_table(void *state, struct ipc_call *call, const struct sock_table_request *request)
{
    struct sockd *sockd = state;
    struct table *table;
    if ((request->flags & O_ACCESS) != LX_O_RDONLY)
        return ST_ACCES;
    enum status status =
        object_create(sockd, OBJECT_TABLE, sizeof(*table), call->principal, &table);
    if (status != ST_OK)
        return status;
    status = object_name_badge(sockd, &table->object);
    if (status != ST_OK) {
        object_discard(sockd, &table->object);
        return status;
    }
    table->object.flags = (uint32_t)request->flags & (LX_O_NONBLOCK | O_PATH_ONLY);
    table->object.mode = S_IFREG_READABLE;
    table->object.ino = SOCK_TABLE_INO;
    table->object.uid = table->object.gid = 0;
    table->pid = caller_credentials(sockd, call->principal)->pid;
    object_reply(sockd, call, &table->object);
    return ST_OK;
}

static void put_hex(struct table *table, uint64_t value, unsigned digits)
{
    while (digits--)
        table->line[table->line_length++] = "0123456789ABCDEF"[value >> 4 * digits & 15];
    table->line[table->line_length++] = ' ';
}

/* At least five columns. */
static void put_ino(struct table *table, uint64_t ino)
{
    char digits[20];
    unsigned count = 0;
    do
        digits[count++] = (char)('0' + ino % 10);
    while ((ino /= 10));
    for (unsigned pad = count; pad < 5; pad++)
        table->line[table->line_length++] = ' ';
    while (count)
        table->line[table->line_length++] = digits[--count];
}

/* NULs of an abstract name, the first too, read as '@'; a pathname is without its terminator. */
static void put_name(struct table *table, const struct address *address)
{
    if (address->length <= LX_SUN_PATH)
        return;
    unsigned end = address->length - (address_abstract(address) ? 0 : 1);
    table->line[table->line_length++] = ' ';
    for (unsigned i = LX_SUN_PATH; i < end; i++)
        table->line[table->line_length++] = address->bytes[i] ? (char)address->bytes[i] : '@';
}

/* The socket itself, Linux's list of sockets, and everybody whose peer it is. */
static unsigned socket_references(const struct socket *socket)
{
    if (!socket_connection_based(socket))
        return 2 + socket->datagram_peers;
    return 2 + (socket->peer && !socket->peer->dead);
}

static unsigned socket_shown_state(const struct socket *socket)
{
    bool connected = socket_connection_based(socket) ? socket->state == SOCKET_CONNECTED
                                                     : socket->shown_connected;
    if (!connected)
        return SHOWN_UNCONNECTED;
    return socket->listener ? SHOWN_CONNECTING : SHOWN_CONNECTED;
}

/* An embryo, which no descriptor names yet, has no inode. The first column is the socket's address
 * in the kernel's memory there, and only has to tell sockets apart. */
static void line_make(struct table *table, const struct socket *socket)
{
    struct address address;
    address_out(socket, &address);
    table->line_used = table->line_length = 0;
    put_hex(table, socket->object.ino, 16);
    table->line[table->line_length - 1] = ':';
    table->line[table->line_length++] = ' ';
    put_hex(table, socket_references(socket), 8);
    put_hex(table, 0, 8);
    put_hex(table, socket->state == SOCKET_LISTENING ? 0x10000 : 0, 8);
    put_hex(table, (unsigned)socket->type, 4);
    put_hex(table, socket_shown_state(socket), 2);
    put_ino(table, socket->listener ? 0 : socket->object.ino);
    put_name(table, &address);
    table->line[table->line_length++] = '\n';
}
_Static_assert(16 + 2 + 3 * 9 + 5 + 3 + 20 + 1 + LX_SUN_MAX + 1 <= TABLE_LINE_MAX,
               "the longest line fits");
_Static_assert(sizeof(heading) <= TABLE_LINE_MAX, "the heading fits");

static void table_rewind(struct sockd *sockd, struct table *table)
{
    object_rewind(sockd, &table->object);
    memcpy(table->line, heading, sizeof(heading) - 1);
    table->line_used = 0;
    table->line_length = sizeof(heading) - 1;
    table->at = 0;
}

enum line_result { LINE_MADE, LINE_LATER, LINE_END };
static enum line_result line_next(struct sockd *sockd, struct table *table, unsigned *steps)
{
    while (*steps < STEPS_MAX) {
        const struct object *object = object_step(sockd, &table->object);
        ++*steps;
        if (!object)
            return LINE_END;
        if (object->kind == OBJECT_SOCKET) {
            line_make(table, (const struct socket *)object);
            return LINE_MADE;
        }
    }
    return LINE_LATER;
}

enum status table_read(struct sockd *sockd, struct table *table, struct ipc_call *call,
                       int64_t offset, uint64_t length, bool nowait, uint64_t *count)
{
    if (table->object.flags & O_PATH_ONLY)
        return ST_BADF;
    if (offset < IO_CURRENT)
        return ST_INVAL;
    uint64_t wanted = offset == IO_CURRENT ? table->offset : (uint64_t)offset;
    if (wanted < table->at || table->at == 0)
        table_rewind(sockd, table);
    enum line_result result = LINE_MADE;
    enum status status = ST_OK;
    unsigned steps = 0;
    uint64_t done = 0;
    while (done < length) {
        if (table->line_used == table->line_length)
            result = line_next(sockd, table, &steps);
        if (result != LINE_MADE)
            break;
        uint64_t left = table->line_length - table->line_used;
        uint64_t skip = wanted - table->at < left ? wanted - table->at : left;
        uint64_t part = left - skip < length - done ? left - skip : length - done;
        if (part)
            status = ipc_data_put(call, done, table->line + table->line_used + skip, part);
        if (status != ST_OK)
            break;
        table->line_used += (uint16_t)(skip + part);
        table->at += skip + part;
        wanted += part;
        done += part;
    }
    if (offset == IO_CURRENT)
        table->offset += done;
    *count = done;
    if (done || length == 0 || result == LINE_END)
        return ST_OK;
    if (status != ST_OK)
        return status;
    status = object_wait(sockd, call, &table->object.waiters, WAKE_READ, nowait);
    object_wake(sockd, &table->object, WAKE_READ); /* go on at once, after others' requests */
    return status;
}

/* As for Linux's sequence files: no SEEK_END. */
enum status table_seek(struct table *table, int64_t offset, uint64_t whence, int64_t *result)
{
    if (whence > 1)
        return ST_INVAL;
    if (__builtin_add_overflow(offset, whence ? (int64_t)table->offset : 0, result) || *result < 0)
        return ST_INVAL;
    table->offset = (uint64_t)*result;
    return ST_OK;
}
