/* consoled's core: ioctl(2) on the terminal, as ioctl_tty(2). SPDX-License-Identifier: MIT */
#include "console_private.h"

enum { FLUSH_INPUT, FLUSH_OUTPUT, FLUSH_BOTH };
enum { FLOW_OUTPUT_OFF, FLOW_OUTPUT_ON, FLOW_INPUT_OFF, FLOW_INPUT_ON };

static enum status put_number(struct ipc_call *call, int32_t number)
{
    return ipc_data_put(call, 0, &number, sizeof(number));
}

static enum status set_settings(struct line *line, struct ipc_call *call, bool flush)
{
    struct termios_abi termios;
    enum status status = ipc_data_get(call, 0, &termios, sizeof(termios));
    if (status == ST_OK)
        line_set_termios(line, &termios, flush);
    return status;
}

static enum status set_window(struct line *line, struct ipc_call *call)
{
    struct window_size window;
    enum status status = ipc_data_get(call, 0, &window, sizeof(window));
    if (status != ST_OK)
        return status;
    bool same = window.rows == line->window.rows && window.columns == line->window.columns
        && window.x_pixels == line->window.x_pixels && window.y_pixels == line->window.y_pixels;
    line->window = window;
    if (!same)
        line->signals |= LINE_SIGWINCH;
    return ST_OK;
}

static enum status flush_queues(struct line *line, uint64_t which)
{
    if (which > FLUSH_BOTH)
        return ST_INVAL;
    if (which != FLUSH_OUTPUT)
        line_flush_input(line);
    if (which != FLUSH_INPUT)
        line_flush_output(line);
    return ST_OK;
}

static enum status control_flow(struct line *line, uint64_t action)
{
    if (action > FLOW_INPUT_ON)
        return ST_INVAL;
    if (action == FLOW_OUTPUT_OFF)
        line->stopped = true;
    else if (action == FLOW_OUTPUT_ON)
        line->stopped = false;
    return ST_OK; /* the input side would send ^S to a device; there is a person there */
}

/* Those that a stream, which is no terminal, has too. ST_NOTTY: not one of them. */
static enum status ioctl_any(struct console *console, struct console_object *description,
                             struct ipc_call *call, uint64_t request)
{
    size_t consumed;
    int32_t number;
    enum status status;
    switch (request) {
    case IOCTL_FIONREAD:
        return put_number(call, (int32_t)line_readable(&console->line, LINE_INPUT_SIZE, &consumed));
    case IOCTL_FIONBIO:
        status = ipc_data_get(call, 0, &number, sizeof(number));
        if (status == ST_OK)
            description->flags = (description->flags & OPEN_ACCMODE) | (number ? OPEN_NONBLOCK : 0);
        return status;
    default:
        return ST_NOTTY;
    }
}

enum status console_ioctl(void *state, struct ipc_call *call,
                          const struct io_ioctl_request *request, struct io_ioctl_reply *reply)
{
    struct console *console = state;
    struct line *line = &console->line;
    struct console_object *description = console_description(console, call->badge);
    (void)reply;
    if (!description)
        return ST_BADF;
    enum status status = ioctl_any(console, description, call, request->request);
    if (status != ST_NOTTY || line->stream)
        return status;
    switch (request->request) {
    case IOCTL_TCGETS:
        return ipc_data_put(call, 0, &line->termios, sizeof(line->termios));
    case IOCTL_TCSETS:
    case IOCTL_TCSETSW: /* output is out before any reply: nothing to wait for */
        return set_settings(line, call, false);
    case IOCTL_TCSETSF:
        return set_settings(line, call, true);
    case IOCTL_TCSBRK:
    case IOCTL_TCSBRKP:
        return ST_OK;
    case IOCTL_TCXONC:
        return control_flow(line, request->argument);
    case IOCTL_TCFLSH:
        return flush_queues(line, request->argument);
    case IOCTL_TIOCOUTQ:
        return put_number(call, (int32_t)(line->output_tail - line->output_head));
    case IOCTL_TIOCGWINSZ:
        return ipc_data_put(call, 0, &line->window, sizeof(line->window));
    case IOCTL_TIOCSWINSZ:
        return set_window(line, call);
    default:
        return ST_NOTTY; /* process groups are procd's, asked by libposix */
    }
}
