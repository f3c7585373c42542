/*
 * The line discipline: what a terminal does between the wire and a program (termios(3), POSIX
 * XBD chapter 11). SPDX-License-Identifier: MIT
 *
 * Input is one ring with three marks:
 *
 *     head <= committed <= tail        head: next byte a program reads
 *                                      committed: canonical mode only; behind it lies the line
 *                                      still being edited
 *                                      tail: where the next byte from the wire goes
 *
 * Each byte has a mark: MARK_DELIMITER ends a line, MARK_EOF ends one and is not itself read.
 * Output is a second ring, which the shell empties into the UART. The discipline knows no clock:
 * whoever owns it handles VTIME.
 *
 * Stream mode (line_set_stream) is no terminal at all: bytes pass as they are, but for DLE
 * (0x10) in the input, which escapes: DLE DLE is the byte DLE, DLE EOT (0x04) is end of file,
 * for good.
 */
#ifndef CONSOLED_LINE_H
#define CONSOLED_LINE_H

#include "termios_abi.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* bytes of the input ring, power of two; a full ring drops input (stream: holds it) */
#define LINE_INPUT_SIZE 65536u
/* bytes of the output ring, power of two; a full ring makes writers wait */
#define LINE_OUTPUT_SIZE 65536u
#define LINE_EDIT_MAX 4095u     /* bytes in one line under edit, as Linux; more are dropped */
#define LINE_ECHO_RESERVE 256u  /* room in the output ring that only echo may use */

/* What the terminal asks to be signalled; bits as they go to procd's notification. */
enum line_signal {
    LINE_SIGINT = 1, LINE_SIGQUIT = 2, LINE_SIGTSTP = 4, LINE_SIGHUP = 8, LINE_SIGWINCH = 16
};

struct line {
    struct termios_abi termios;
    struct window_size window;
    bool stream;
    bool stopped;      /* ^S: output waits */
    bool literal_next; /* ^V was typed */
    bool dle_pending;  /* stream: DLE was seen */
    bool end_of_file;  /* stream: DLE EOT was seen; sticky */
    uint32_t head, committed, tail; /* counters; index is modulo LINE_INPUT_SIZE */
    uint32_t output_head, output_tail;
    unsigned column;      /* where the cursor is, from 0 */
    unsigned edit_column; /* where it was when the line under edit began */
    uint32_t signals;     /* enum line_signal, not yet taken */
    uint8_t input[LINE_INPUT_SIZE], marks[LINE_INPUT_SIZE], output[LINE_OUTPUT_SIZE];
};

void line_init(struct line *line);
/* Forgets all input and output. */
void line_set_stream(struct line *line, bool stream);

/* One byte from the wire. */
void line_receive(struct line *line, uint8_t byte);
/* How many bytes from the wire may be given to line_receive now without loss. A terminal always
 * takes more, and drops what does not fit, so that ^C gets through; a stream says when to stop. */
size_t line_receive_room(const struct line *line);

/* What one read(2) of `length` bytes would get: how many bytes of the ring it uses up
 * (*consumed, an EOF mark among them) and how many it delivers. Changes nothing. */
size_t line_readable(const struct line *line, size_t length, size_t *consumed);
/* True when a read would not block: a whole line, VMIN bytes, or the stream's end. */
bool line_has_input(const struct line *line);
/* The ring's memory from `offset` bytes after head, up to its end: *run bytes, at most `length`. */
const uint8_t *line_input_at(const struct line *line, size_t offset, size_t length, size_t *run);
void line_consume(struct line *line, size_t consumed);

/* Bytes of a write(2) that fit, at most `length`, after processing; appended to the output ring. */
size_t line_write(struct line *line, const uint8_t *bytes, size_t length);
/* True when at least one byte would fit. */
bool line_has_room(const struct line *line);

/* Bytes ready for the UART: 0 while stopped. At most up to the ring's end. */
size_t line_output(const struct line *line, const uint8_t **bytes);
void line_output_done(struct line *line, size_t count);

/* Take on new settings; `flush` drops unread input first (TCSETSF). */
void line_set_termios(struct line *line, const struct termios_abi *termios, bool flush);
void line_flush_input(struct line *line);
void line_flush_output(struct line *line);

static inline bool line_is_canonical(const struct line *line)
{
    return !line->stream && (line->termios.lflag & LFLAG_ICANON);
}

#endif
