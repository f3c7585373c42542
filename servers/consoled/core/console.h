/*
 * consoled's core: descriptions of the one terminal, sessions, and the console, io and session
 * protocols over the line discipline. Pure: the shell feeds bytes in, carries bytes out, and
 * delivers signals. SPDX-License-Identifier: MIT
 *
 * Objects are named by their badge: BADGE_OBJECTS + index into `objects`. An index is free again
 * when its gate's last copy is gone.
 *
 * VMIN and VTIME (not canonical): a read is answered when VMIN bytes are there (VMIN 0: any) or
 * the timer has run out. A request is repeated whole after each wake-up, so the timer belongs to
 * the terminal, not to a request:
 *
 *     idle --read blocks, VTIME > 0 (VMIN > 0: and a byte is there)--> running --time passes-->
 *     expired
 *     expired --the next read, which gets what is there, perhaps nothing--> idle;  running --read
 *     answered--> idle
 */
#ifndef CONSOLED_CONSOLE_H
#define CONSOLED_CONSOLE_H

#include "line.h"
#include <ipc/message.h>
#include <ipc/session.h>

#define CONSOLE_COPY_MAX LINE_OUTPUT_SIZE /* most bytes that one request moves: bounds its work */

enum console_object_kind { OBJECT_FREE, OBJECT_DESCRIPTION, OBJECT_SESSION };
struct console_object {
    enum console_object_kind kind;
    uint32_t flags;  /* description: Linux O_ACCMODE and O_NONBLOCK */
    uint32_t thread; /* session: whose */
};

enum console_timer { TIMER_IDLE, TIMER_RUNNING, TIMER_EXPIRED };

struct console {
    struct line line;
    struct session_table sessions;
    struct waiters waiters;
    struct console_object *objects;
    unsigned object_count; /* length of `objects` */
    uint64_t sequence;     /* grows with every arrival and every room made (epoll's edge) */
    enum console_timer timer;
    uint64_t timer_ns;     /* absolute; when RUNNING */
    uint64_t now_ns;       /* set by the shell before each call */
    uint64_t boot_ns;      /* real time at boot, ns since the epoch: the terminal's times */
    uint8_t copy[CONSOLE_COPY_MAX]; /* a write on its way to the discipline */
};

/* `console` is zeroed memory. */
void console_init(struct console *console, uint64_t boot_ns);
void console_handle(struct console *console, struct ipc_call *call);
void console_closed(struct console *console, uint64_t badge, struct ipc_effects *effects);

/* Bytes from the wire, at most line_receive_room. */
void console_input(struct console *console, const uint8_t *bytes, size_t count,
                   struct ipc_effects *effects);
size_t console_input_room(const struct console *console);
/* Bytes for the wire, and how many of them went. */
size_t console_output(const struct console *console, const uint8_t **bytes);
void console_output_done(struct console *console, size_t count, struct ipc_effects *effects);
/* enum line_signal bits since the last call. */
uint32_t console_signals_take(struct console *console);

/* When to call console_expired: ns, or UINT64_MAX. */
uint64_t console_deadline(const struct console *console);
void console_expired(struct console *console, uint64_t now_ns, struct ipc_effects *effects);

#endif
