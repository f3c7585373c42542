/* consoled's core: objects, reads, writes, polls. SPDX-License-Identifier: MIT */
#include "console_private.h"
#include <ipc/memory.h>
#include <posix_abi.h>
#include <proto/console.h>
#include <proto/session.h>
#include <string.h>

#define OBJECTS_FIRST 16u
#define OBJECTS_MAX 65536u /* bounds what processes can make consoled allocate; 12 bytes each */

/* ---- objects --------------------------------------------------------------------------------- */

static struct console_object *object_find(struct console *console, uint64_t badge)
{
    if (badge < BADGE_OBJECTS || badge - BADGE_OBJECTS >= console->object_count)
        return NULL;
    struct console_object *object = &console->objects[badge - BADGE_OBJECTS];
    return object->kind == OBJECT_FREE ? NULL : object;
}

/* A free object's badge; 0 when memory is out. */
static uint64_t object_alloc(struct console *console, struct console_object object)
{
    unsigned i = 0;
    while (i < console->object_count && console->objects[i].kind != OBJECT_FREE)
        i++;
    if (i == console->object_count) {
        unsigned count = i ? i * 2 : OBJECTS_FIRST;
        if (count > OBJECTS_MAX)
            return 0;
        struct console_object *objects = mem_resize(console->objects, count * sizeof(*objects));
        if (!objects)
            return 0;
        memset(objects + i, 0, (count - i) * sizeof(*objects));
        console->objects = objects;
        console->object_count = count;
    }
    console->objects[i] = object;
    return BADGE_OBJECTS + i;
}

struct console_object *console_description(struct console *console, uint64_t badge)
{
    struct console_object *object = object_find(console, badge);
    return object && object->kind == OBJECT_DESCRIPTION ? object : NULL;
}

void console_changed(struct console *console, uint32_t events, struct ipc_effects *effects)
{
    console->sequence++;
    waiters_wake(&console->waiters, events, effects);
}

static bool is_root(const struct ipc_call *call)
{
    return call->badge == BADGE_ROOT || call->badge == BADGE_PRIVILEGED;
}

/* ---- protocols session and console ----------------------------------------------------------- */

static enum status handle_session_open(void *state, struct ipc_call *call)
{
    struct console *console = state;
    if (!is_root(call) || call->caps[0].kind != AR_RECEIVED_CAP ||
        call->caps[0].type != AR_NOTIFICATION)
        return ST_MESSAGE;
    uint64_t badge = object_alloc(console, (struct console_object){.kind = OBJECT_SESSION,
                                           .thread = PRINCIPAL_THREAD(call->principal)});
    if (badge == 0)
        return ST_NOMEM;
    enum status status = session_begin(&console->sessions, call->principal, call->caps[0].value,
                                       badge, call->effects);
    if (status != ST_OK)
        console->objects[badge - BADGE_OBJECTS].kind = OBJECT_FREE;
    else
        ipc_reply_gate(call, badge);
    return status;
}

static enum status handle_console_open(void *state, struct ipc_call *call,
                                       const struct console_open_request *request,
                                       struct console_open_reply *reply)
{
    struct console *console = state;
    if (!is_root(call))
        return ST_INVAL;
    uint64_t badge = object_alloc(
        console, (struct console_object){.kind = OBJECT_DESCRIPTION,
                                         .flags = request->flags & (OPEN_ACCMODE | OPEN_NONBLOCK)});
    if (badge == 0)
        return ST_NOMEM;
    ipc_reply_gate(call, badge);
    reply->kind = console->line.stream ? IO_KIND_STREAM : IO_KIND_TERMINAL;
    return ST_OK;
}

/* The waiting is the shell's, which knows the UART. */
static enum status handle_drain(void *state, struct ipc_call *call)
{
    struct console *console = state;
    if (call->badge != BADGE_PRIVILEGED)
        return ST_PERM;
    console->line.stopped = false;
    return ST_OK;
}

static enum status handle_set_mode(void *state, struct ipc_call *call,
                                   const struct console_set_mode_request *request)
{
    struct console *console = state;
    if (call->badge != BADGE_PRIVILEGED)
        return ST_PERM;
    line_set_stream(&console->line, request->stream);
    console->line.end_of_file = request->stream && request->ended;
    console->line.window = (struct window_size){.rows = (uint16_t)request->rows,
                                                .columns = (uint16_t)request->columns};
    return ST_OK;
}

/* ---- protocol io ----------------------------------------------------------------------------- */

static bool may_block(const struct console_object *description, uint64_t flags)
{
    return !(description->flags & OPEN_NONBLOCK) && !(flags & IO_NOWAIT);
}

/* Blocked reader or writer: arm a wake-up. */
static enum status block(struct console *console, struct ipc_call *call, uint32_t events)
{
    enum status status =
        waiters_arm(&console->waiters, session_find(&console->sessions, call->principal), events);
    return status == ST_OK ? ST_WAIT : status;
}

/* True when a read must answer with what is there although VMIN is not reached: see console.h. */
static bool read_timed_out(struct console *console)
{
    const struct line *line = &console->line;
    if (line->stream || line_is_canonical(line))
        return false;
    uint64_t time = line->termios.cc[CC_TIME], least = line->termios.cc[CC_MIN];
    if (time == 0)
        return least == 0;
    if (console->timer == TIMER_EXPIRED)
        return true;
    if (console->timer == TIMER_IDLE && (least == 0 || line->tail != line->head)) {
        console->timer = TIMER_RUNNING;
        console->timer_ns = console->now_ns + time * 100000000ull;
    }
    return false;
}

static enum status handle_read(void *state, struct ipc_call *call,
                               const struct io_read_request *request, struct io_read_reply *reply)
{
    struct console *console = state;
    struct line *line = &console->line;
    struct console_object *description = console_description(console, call->badge);
    if (!description || (description->flags & OPEN_ACCMODE) == OPEN_WRONLY)
        return ST_BADF;
    if (request->offset != IO_CURRENT)
        return ST_SPIPE;
    if (request->length == 0)
        return ST_OK;
    if (!line_has_input(line) && !read_timed_out(console)) {
        bool some =
            !line->stream && !line_is_canonical(line) && line->tail - line->head >= request->length;
        if (!some)
            return may_block(description, request->flags) ? block(console, call, POLL_IN)
                                                          : ST_AGAIN;
    }
    size_t consumed;
    size_t length = request->length < LINE_INPUT_SIZE ? request->length : LINE_INPUT_SIZE;
    size_t count = line_readable(line, length, &consumed);
    for (size_t done = 0, run; done < count; done += run) {
        const uint8_t *bytes = line_input_at(line, done, count - done, &run);
        enum status status = ipc_data_put(call, done, bytes, run);
        if (status != ST_OK)
            return status;
    }
    line_consume(line, consumed);
    console->timer = TIMER_IDLE;
    reply->count = count;
    /* Wake-ups are one-shot and all readers wake: whoever finds nothing arms again. */
    return ST_OK;
}

static enum status handle_write(void *state, struct ipc_call *call,
                                const struct io_write_request *request,
                                struct io_write_reply *reply)
{
    struct console *console = state;
    struct console_object *description = console_description(console, call->badge);
    if (!description || (description->flags & OPEN_ACCMODE) == OPEN_RDONLY)
        return ST_BADF;
    if (request->offset != IO_CURRENT)
        return ST_SPIPE;
    if (request->length == 0)
        return ST_OK;
    if (!line_has_room(&console->line))
        return may_block(description, request->flags) ? block(console, call, POLL_OUT) : ST_AGAIN;
    size_t length = request->length < CONSOLE_COPY_MAX ? request->length : CONSOLE_COPY_MAX;
    enum status status = ipc_data_get(call, 0, console->copy, length);
    if (status == ST_OK)
        reply->count = line_write(&console->line, console->copy, length);
    return status;
}

static enum status handle_seek(void *state, struct ipc_call *call,
                               const struct io_seek_request *request, struct io_seek_reply *reply)
{
    (void)request;
    (void)reply;
    return console_description(state, call->badge) ? ST_SPIPE : ST_BADF;
}

static enum status handle_stat(void *state, struct ipc_call *call, struct io_stat_reply *reply)
{
    struct console *console = state;
    if (!console_description(console, call->badge))
        return ST_BADF;
    bool stream = console->line.stream;
    *reply = (struct io_stat_reply){.dev = stream ? 5 : CONSOLE_STAT_DEVICE,
                                    .ino = stream ? 1 : CONSOLE_STAT_INODE,
                                    .nlink = 1,
                                    .blksize = stream ? 4096 : 1024,
                                    .mode = stream ? 0010600 : 0020620, /* S_IFIFO, S_IFCHR */
                                    .rdev = stream ? 0 : CONSOLE_STAT_RDEV,
                                    .atime = (int64_t)console->boot_ns,
                                    .mtime = (int64_t)console->boot_ns,
                                    .ctime = (int64_t)console->boot_ns,
                                    .kind = stream ? IO_KIND_STREAM : IO_KIND_TERMINAL};
    return ST_OK;
}

static enum status handle_get_flags(void *state, struct ipc_call *call,
                                    struct io_get_flags_reply *reply)
{
    struct console *console = state;
    struct console_object *description = console_description(console, call->badge);
    if (!description)
        return ST_BADF;
    reply->flags = description->flags;
    reply->kind = console->line.stream ? IO_KIND_STREAM : IO_KIND_TERMINAL;
    return ST_OK;
}

static enum status handle_set_flags(void *state, struct ipc_call *call,
                                    const struct io_set_flags_request *request)
{
    struct console_object *description = console_description(state, call->badge);
    if (!description)
        return ST_BADF;
    description->flags = (description->flags & OPEN_ACCMODE) | (request->flags & OPEN_NONBLOCK);
    return ST_OK;
}

static enum status handle_poll(void *state, struct ipc_call *call,
                               const struct io_poll_request *request, struct io_poll_reply *reply)
{
    struct console *console = state;
    const struct line *line = &console->line;
    if (!console_description(console, call->badge))
        return ST_BADF;
    uint64_t ready = 0;
    if (line_has_input(line))
        ready |= POLL_IN | POLL_RDNORM;
    if (line_has_room(line) && !line->stopped)
        ready |= POLL_OUT | POLL_WRNORM;
    if (line->stream && line->end_of_file)
        ready |= POLL_HUP;
    reply->ready = ready & (request->events | POLL_ERR | POLL_HUP);
    reply->sequence = console->sequence;
    if (reply->ready || !request->arm)
        return ST_OK;
    uint32_t events = 0;
    if (request->events & (POLL_IN | POLL_RDNORM))
        events |= POLL_IN;
    if (request->events & (POLL_OUT | POLL_WRNORM))
        events |= POLL_OUT;
    return waiters_arm(&console->waiters, session_find(&console->sessions, call->principal),
                       events | POLL_HUP);
}

static enum status handle_path(void *state, struct ipc_call *call, struct io_path_reply *reply)
{
    struct console *console = state;
    if (!console_description(console, call->badge))
        return ST_BADF;
    const char *path = console->line.stream ? "pipe:[1]" : "/dev/console";
    reply->length = strlen(path);
    return ipc_data_put(call, 0, path, strlen(path)) == ST_OK ? ST_OK : ST_RANGE;
}

/* fchmod and friends on the terminal: there is one user of the serial line, whoever sits there.
 * Accept and ignore. */
static enum status handle_set_attributes(void *state, struct ipc_call *call,
                                         const struct io_set_attributes_request *request)
{
    (void)request;
    return console_description(state, call->badge) ? ST_OK : ST_BADF;
}

static const struct session_server session_ops = {.open = handle_session_open};
static const struct console_server console_ops = {
    .open = handle_console_open, .drain = handle_drain, .set_mode = handle_set_mode};
static const struct io_server io_ops = {
    .read = handle_read, .write = handle_write, .seek = handle_seek, .stat = handle_stat,
    .get_flags = handle_get_flags, .set_flags = handle_set_flags, .poll = handle_poll,
    .ioctl = console_ioctl,
    .path = handle_path, .set_attributes = handle_set_attributes};

/* ---- entry points ---------------------------------------------------------------------------- */

void console_init(struct console *console, uint64_t boot_ns)
{
    line_init(&console->line);
    console->boot_ns = boot_ns;
}

void console_handle(struct console *console, struct ipc_call *call)
{
    bool room = line_has_room(&console->line);
    bool input = line_has_input(&console->line);
    if (!io_dispatch(&io_ops, console, call) && !session_dispatch(&session_ops, console, call)
        && !console_dispatch(&console_ops, console, call)) {
        call->status = ST_MESSAGE;
        for (unsigned i = 0; i < call->cap_count; i++)
            if (call->caps[i].kind == AR_RECEIVED_CAP)
                ipc_drop(call->effects, call->caps[i].value);
    }
    /* A flush or new settings can make room or input appear. */
    uint32_t events = 0;
    if (!room && line_has_room(&console->line))
        events |= POLL_OUT;
    if (!input && line_has_input(&console->line))
        events |= POLL_IN;
    if (events)
        console_changed(console, events, call->effects);
}

void console_closed(struct console *console, uint64_t badge, struct ipc_effects *effects)
{
    struct console_object *object = object_find(console, badge);
    if (!object)
        return;
    if (object->kind == OBJECT_SESSION) {
        struct session *session = session_find(&console->sessions, PRINCIPAL(0, object->thread));
        if (session && session->badge == badge) /* else: replaced by a later open */
            session_close(&console->sessions, session, effects);
    }
    object->kind = OBJECT_FREE;
}

void console_input(struct console *console, const uint8_t *bytes, size_t count,
                   struct ipc_effects *effects)
{
    bool stopped = console->line.stopped;
    for (size_t i = 0; i < count; i++)
        line_receive(&console->line, bytes[i]);
    const struct line *line = &console->line;
    uint32_t events = 0;
    if (line_has_input(line))
        events |= POLL_IN;
    if (line->stream && line->end_of_file)
        events |= POLL_HUP;
    /* The first byte of several starts VTIME's timer; a blocked reader has to come back for
     * that. */
    bool timed = !line_is_canonical(line) && line->termios.cc[CC_TIME] && line->tail != line->head;
    if (timed && console->timer == TIMER_RUNNING && line->termios.cc[CC_MIN])
        /* between bytes */
        console->timer_ns = console->now_ns + line->termios.cc[CC_TIME] * 100000000ull;
    if (timed)
        events |= POLL_IN;
    if (stopped && !line->stopped)
        events |= POLL_OUT;
    if (events)
        console_changed(console, events, effects);
}

size_t console_input_room(const struct console *console)
{
    return line_receive_room(&console->line);
}

size_t console_output(const struct console *console, const uint8_t **bytes)
{
    return line_output(&console->line, bytes);
}

void console_output_done(struct console *console, size_t count, struct ipc_effects *effects)
{
    bool room = line_has_room(&console->line);
    line_output_done(&console->line, count);
    if (!room && line_has_room(&console->line))
        console_changed(console, POLL_OUT, effects);
}

uint32_t console_signals_take(struct console *console)
{
    uint32_t signals = console->line.signals;
    console->line.signals = 0;
    return signals;
}

uint64_t console_deadline(const struct console *console)
{
    return console->timer == TIMER_RUNNING ? console->timer_ns : UINT64_MAX;
}

void console_expired(struct console *console, uint64_t now_ns, struct ipc_effects *effects)
{
    if (console->timer != TIMER_RUNNING || now_ns < console->timer_ns)
        return;
    console->timer = TIMER_EXPIRED;
    waiters_wake(&console->waiters, POLL_IN, effects);
}
