/* The line discipline: input. See line.h for the ring's marks. SPDX-License-Identifier: MIT */
#include "line_private.h"
#include <string.h>

enum { BYTE_EOT = 4, BYTE_DLE = 16 };
enum mark { MARK_NONE, MARK_DELIMITER, MARK_EOF };
#define CC_DISABLED 0 /* _POSIX_VDISABLE: this character does nothing */

static uint32_t input_count(const struct line *line)
{
    return line->tail - line->head;
}

static bool is_character(const struct line *line, enum termios_character which, uint8_t byte)
{
    return line->termios.cc[which] != CC_DISABLED && line->termios.cc[which] == byte;
}

static bool has_flag(const struct line *line, enum termios_lflag flag)
{
    return line->termios.lflag & flag;
}

static void input_append(struct line *line, uint8_t byte, enum mark mark)
{
    line->input[line->tail % LINE_INPUT_SIZE] = byte;
    line->marks[line->tail % LINE_INPUT_SIZE] = (uint8_t)mark;
    line->tail++;
}

void line_init(struct line *line)
{
    memset(line, 0, sizeof(*line));
    line->termios = (struct termios_abi){
        .iflag = IFLAG_ICRNL | IFLAG_IXON,
        .oflag = OFLAG_OPOST | OFLAG_ONLCR,
        /* B38400 CS8 CREAD HUPCL: what programs expect to find; the speed means nothing here */
        .cflag = 0x4bf,
        .lflag = LFLAG_ISIG | LFLAG_ICANON | LFLAG_ECHO | LFLAG_ECHOE | LFLAG_ECHOK |
                 LFLAG_ECHOCTL | LFLAG_ECHOKE | LFLAG_IEXTEN,
        .cc = {[CC_INTR] = 3,
               [CC_QUIT] = 28,
               [CC_ERASE] = 127,
               [CC_KILL] = 21,
               [CC_EOF] = 4,
               [CC_MIN] = 1,
               [CC_START] = 17,
               [CC_STOP] = 19,
               [CC_SUSP] = 26,
               [CC_REPRINT] = 18,
               [CC_DISCARD] = 15,
               [CC_WERASE] = 23,
               [CC_LNEXT] = 22},
    };
}

void line_set_stream(struct line *line, bool stream)
{
    line->stream = stream;
    line->dle_pending = line->end_of_file = line->stopped = false;
    line_flush_input(line);
    line_flush_output(line);
}

void line_flush_input(struct line *line)
{
    line->head = line->committed = line->tail;
    line->literal_next = false;
    line->edit_column = line->column;
}

void line_set_termios(struct line *line, const struct termios_abi *termios, bool flush)
{
    bool was_canonical = line_is_canonical(line);
    line->termios = *termios;
    if (flush)
        line_flush_input(line);
    if (!(termios->iflag & IFLAG_IXON))
        line->stopped = false;
    /* What was typed before the switch counts as entered: into canonical mode it is one line,
     * out of it, bytes. */
    if (!was_canonical && line_is_canonical(line) && line->tail != line->head)
        line->marks[(line->tail - 1) % LINE_INPUT_SIZE] = MARK_DELIMITER;
    line->committed = line->tail;
    line->edit_column = line->column;
}

/* ---- editing --------------------------------------------------------------------------------- */

/* How far the cursor moves from `column` when `byte` is echoed. */
static unsigned echo_width(const struct line *line, uint8_t byte, unsigned column)
{
    if (byte == '\t')
        return 8 - column % 8;
    if ((byte < 32 && byte != '\n') || byte == 127)
        return has_flag(line, LFLAG_ECHOCTL) ? 2 : 0;
    if ((line->termios.iflag & IFLAG_IUTF8) && (byte & 0xc0) == 0x80)
        return 0; /* the rest of a character that was counted at its first byte */
    return 1;
}

static void echo(struct line *line, uint8_t byte)
{
    if (!has_flag(line, LFLAG_ECHO)) {
        if (byte == '\n' && has_flag(line, LFLAG_ECHONL) && has_flag(line, LFLAG_ICANON))
            line_output_byte(line, byte);
        return;
    }
    if ((byte < 32 && byte != '\n' && byte != '\t') || byte == 127) {
        if (has_flag(line, LFLAG_ECHOCTL)) {
            line_output_byte(line, '^');
            line_output_byte(line, byte ^ 0x40);
        } else {
            line_output_byte(line, byte);
        }
    } else {
        line_output_byte(line, byte);
    }
}

/* Column of the cursor after the line under edit, counted anew: the only way to know how wide an
 * erased tab was. */
static unsigned edit_end_column(const struct line *line)
{
    unsigned column = line->edit_column;
    for (uint32_t i = line->committed; i != line->tail; i++)
        column += echo_width(line, line->input[i % LINE_INPUT_SIZE], column);
    return column;
}

static bool erase_one(struct line *line, bool visible)
{
    if (line->tail == line->committed)
        return false;
    unsigned before = visible ? edit_end_column(line) : 0;
    uint8_t byte;
    do
        byte = line->input[--line->tail % LINE_INPUT_SIZE];
    while ((line->termios.iflag & IFLAG_IUTF8) && (byte & 0xc0) == 0x80 &&
           line->tail != line->committed);
    if (visible) {
        unsigned after = edit_end_column(line);
        for (unsigned i = after; i < before; i++) {
            line_output_byte(line, '\b');
            if (byte != '\t') {
                line_output_byte(line, ' ');
                line_output_byte(line, '\b');
            }
        }
    }
    return true;
}

static bool is_word_byte(uint8_t byte)
{
    return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
           (byte >= 'A' && byte <= 'Z') || byte == '_' || byte >= 128;
}

static void erase_word(struct line *line)
{
    bool visible = has_flag(line, LFLAG_ECHO) && has_flag(line, LFLAG_ECHOE);
    bool seen_word = false;
    while (line->tail != line->committed) {
        bool word = is_word_byte(line->input[(line->tail - 1) % LINE_INPUT_SIZE]);
        if (seen_word && !word)
            return;
        seen_word |= word;
        erase_one(line, visible);
    }
}

static void erase_line(struct line *line)
{
    if (has_flag(line, LFLAG_ECHO) && has_flag(line, LFLAG_ECHOKE) && has_flag(line, LFLAG_ECHOE)) {
        while (erase_one(line, true))
            ;
        return;
    }
    line->tail = line->committed;
    echo(line, line->termios.cc[CC_KILL]);
    if (has_flag(line, LFLAG_ECHOK) && has_flag(line, LFLAG_ECHO))
        line_output_byte(line, '\n');
    line->edit_column = line->column;
}

static void reprint(struct line *line)
{
    echo(line, line->termios.cc[CC_REPRINT]);
    line_output_byte(line, '\n');
    line->edit_column = line->column;
    for (uint32_t i = line->committed; i != line->tail; i++)
        echo(line, line->input[i % LINE_INPUT_SIZE]);
}

static void commit(struct line *line, uint8_t byte, enum mark mark)
{
    if (input_count(line) < LINE_INPUT_SIZE)
        input_append(line, byte, mark);
    line->committed = line->tail;
    line->edit_column = line->column;
}

/* True when `byte` was an editing character and is done with. */
static bool edit(struct line *line, uint8_t byte)
{
    bool extended = has_flag(line, LFLAG_IEXTEN);
    if (is_character(line, CC_ERASE, byte)) {
        bool erased = erase_one(line, has_flag(line, LFLAG_ECHO) && has_flag(line, LFLAG_ECHOE));
        if (erased && !has_flag(line, LFLAG_ECHOE))
            echo(line, byte);
    } else if (is_character(line, CC_KILL, byte)) {
        erase_line(line);
    } else if (extended && is_character(line, CC_WERASE, byte)) {
        erase_word(line);
    } else if (extended && is_character(line, CC_REPRINT, byte)) {
        if (has_flag(line, LFLAG_ECHO))
            reprint(line);
    } else if (is_character(line, CC_EOF, byte)) {
        commit(line, 0, MARK_EOF);
    } else if (byte == '\n' || is_character(line, CC_EOL, byte) ||
               (extended && is_character(line, CC_EOL2, byte))) {
        echo(line, byte);
        commit(line, byte, MARK_DELIMITER);
    } else {
        return false;
    }
    return true;
}

/* ---- from the wire --------------------------------------------------------------------------- */

/* ^C and its kin. POSIX: with NOFLSH clear the queues are emptied. */
static bool receive_signal(struct line *line, uint8_t byte)
{
    static const struct { enum termios_character character; enum line_signal signal; } table[] = {
        {CC_INTR, LINE_SIGINT}, {CC_QUIT, LINE_SIGQUIT}, {CC_SUSP, LINE_SIGTSTP}};
    for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (!is_character(line, table[i].character, byte))
            continue;
        line->signals |= table[i].signal;
        line->stopped = false;
        if (!has_flag(line, LFLAG_NOFLSH)) {
            line_flush_input(line);
            line_flush_output(line);
        }
        echo(line, byte);
        line->edit_column = line->column;
        return true;
    }
    return false;
}

static bool receive_flow_control(struct line *line, uint8_t byte)
{
    if (!(line->termios.iflag & IFLAG_IXON))
        return false;
    if (is_character(line, CC_START, byte)) {
        line->stopped = false;
        return true;
    }
    if (is_character(line, CC_STOP, byte)) {
        line->stopped = true;
        return true;
    }
    if (line->stopped && (line->termios.iflag & IFLAG_IXANY))
        line->stopped = false;
    return false;
}

static void receive_stream(struct line *line, uint8_t byte)
{
    if (line->end_of_file)
        return;
    if (!line->dle_pending) {
        if (byte == BYTE_DLE)
            line->dle_pending = true;
        else
            input_append(line, byte, MARK_NONE);
        return;
    }
    line->dle_pending = false;
    if (byte == BYTE_EOT) {
        line->end_of_file = true;
        return;
    }
    if (byte != BYTE_DLE)
        input_append(line, BYTE_DLE, MARK_NONE);
    input_append(line, byte, MARK_NONE);
}

void line_receive(struct line *line, uint8_t byte)
{
    if (line->stream) {
        receive_stream(line, byte);
        return;
    }
    bool literal = line->literal_next;
    line->literal_next = false;
    if (line->termios.iflag & IFLAG_ISTRIP)
        byte &= 0x7f;
    if (!literal) {
        if (has_flag(line, LFLAG_IEXTEN) && has_flag(line, LFLAG_ICANON) &&
            is_character(line, CC_LNEXT, byte)) {
            line->literal_next = true;
            return;
        }
        if (has_flag(line, LFLAG_ISIG) && receive_signal(line, byte))
            return;
        if (receive_flow_control(line, byte))
            return;
        if (byte == '\r' && (line->termios.iflag & IFLAG_IGNCR))
            return;
        if (byte == '\r' && (line->termios.iflag & IFLAG_ICRNL))
            byte = '\n';
        else if (byte == '\n' && (line->termios.iflag & IFLAG_INLCR))
            byte = '\r';
        if (has_flag(line, LFLAG_ICANON) && edit(line, byte))
            return;
    }
    /* One place is kept for the delimiter, so that a full line can still be entered. */
    bool canonical = has_flag(line, LFLAG_ICANON);
    if (input_count(line) + 1 >= LINE_INPUT_SIZE ||
        (canonical && line->tail - line->committed >= LINE_EDIT_MAX)) {
        line_output_byte(line, '\a');
        return;
    }
    echo(line, byte);
    input_append(line, byte, MARK_NONE);
    if (!canonical)
        line->committed = line->tail;
}

size_t line_receive_room(const struct line *line)
{
    uint32_t count = input_count(line);
    if (!line->stream || line->end_of_file)
        return LINE_INPUT_SIZE;
    return count + 2 > LINE_INPUT_SIZE ? 0 : LINE_INPUT_SIZE - count - 1;
}

/* ---- to the program -------------------------------------------------------------------------- */

size_t line_readable(const struct line *line, size_t length, size_t *consumed)
{
    *consumed = 0;
    size_t delivered = 0;
    bool canonical = line_is_canonical(line);
    uint32_t end = canonical ? line->committed : line->tail;
    if (!canonical) {
        delivered = end - line->head < length ? end - line->head : length;
        *consumed = delivered;
        return delivered;
    }
    for (uint32_t i = line->head; i != end; i++) {
        enum mark mark = (enum mark)line->marks[i % LINE_INPUT_SIZE];
        if (mark == MARK_EOF) {
            ++*consumed;
            break;
        }
        if (delivered == length)
            break;
        ++*consumed;
        delivered++;
        if (mark == MARK_DELIMITER)
            break;
    }
    return delivered;
}

bool line_has_input(const struct line *line)
{
    if (line->stream)
        return line->tail != line->head || line->end_of_file;
    if (line_is_canonical(line))
        return line->committed != line->head;
    uint32_t least = line->termios.cc[CC_MIN];
    /* VTIME's timer, which lets a read return earlier, is the owner's business (console.c). */
    if (least == 0)
        least = 1;
    return input_count(line) >= least;
}

const uint8_t *line_input_at(const struct line *line, size_t offset, size_t length, size_t *run)
{
    size_t index = (line->head + (uint32_t)offset) % LINE_INPUT_SIZE;
    *run = LINE_INPUT_SIZE - index < length ? LINE_INPUT_SIZE - index : length;
    return line->input + index;
}

void line_consume(struct line *line, size_t consumed)
{
    line->head += (uint32_t)consumed;
}
