/* The line discipline: output. SPDX-License-Identifier: MIT */
#include "line_private.h"
#include <string.h>

static uint32_t output_free(const struct line *line)
{
    return LINE_OUTPUT_SIZE - (line->output_tail - line->output_head);
}

static void output_append(struct line *line, uint8_t byte)
{
    line->output[line->output_tail++ % LINE_OUTPUT_SIZE] = byte;
}

static void column_follow(struct line *line, uint8_t byte)
{
    if (byte == '\r')
        line->column = 0;
    else if (byte == '\b')
        line->column -= line->column != 0;
    else if (byte == '\t')
        line->column += 8 - line->column % 8;
    else if (byte >= 32 && byte != 127 && (byte & 0xc0) != 0x80)
        line->column++;
}

/* Process and append one byte; false when it does not fit above `reserve`. */
static bool process(struct line *line, uint8_t byte, uint32_t reserve)
{
    if (output_free(line) < reserve + 2)
        return false;
    if (line->termios.oflag & OFLAG_OPOST) {
        if (byte == '\n' && (line->termios.oflag & OFLAG_ONLCR)) {
            output_append(line, '\r');
            line->column = 0;
        } else if (byte == '\n' && (line->termios.oflag & OFLAG_ONLRET)) {
            line->column = 0;
        } else if (byte == '\r' && (line->termios.oflag & OFLAG_OCRNL)) {
            byte = '\n';
        }
    }
    output_append(line, byte);
    column_follow(line, byte);
    return true;
}

void line_output_byte(struct line *line, uint8_t byte)
{
    process(line, byte, 0);
}

size_t line_write(struct line *line, const uint8_t *bytes, size_t length)
{
    size_t done = 0;
    if (line->stream) {
        if (length > output_free(line))
            length = output_free(line);
        while (done < length) {
            size_t index = line->output_tail % LINE_OUTPUT_SIZE;
            size_t run =
                LINE_OUTPUT_SIZE - index < length - done ? LINE_OUTPUT_SIZE - index : length - done;
            memcpy(line->output + index, bytes + done, run);
            line->output_tail += (uint32_t)run;
            done += run;
        }
        return done;
    }
    while (done < length && process(line, bytes[done], LINE_ECHO_RESERVE))
        done++;
    /* A prompt came out: what is typed from here on is erased back to here, not further. */
    if (done && line->tail == line->committed)
        line->edit_column = line->column;
    return done;
}

bool line_has_room(const struct line *line)
{
    return output_free(line) >= (line->stream ? 1 : LINE_ECHO_RESERVE + 2);
}

size_t line_output(const struct line *line, const uint8_t **bytes)
{
    if (line->stopped)
        return 0;
    size_t index = line->output_head % LINE_OUTPUT_SIZE;
    size_t count = line->output_tail - line->output_head;
    *bytes = line->output + index;
    return count < LINE_OUTPUT_SIZE - index ? count : LINE_OUTPUT_SIZE - index;
}

void line_output_done(struct line *line, size_t count)
{
    line->output_head += (uint32_t)count;
}

void line_flush_output(struct line *line)
{
    line->output_head = line->output_tail;
}
