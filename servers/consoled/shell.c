/*
 * consoled's shell: a 16550 UART at COM1 between the core and the wire.
 * SPDX-License-Identifier: MIT
 *
 * Output is pushed out before each reply, in bursts of the FIFO's size when the UART says that
 * its FIFO is empty. A UART that stays busy (the other side does not read) leaves bytes in the
 * core's bounded queue, and a timer tries again. Input comes by interrupt; it is read until the
 * UART has none or the core has no room, and again after every request, since a request may have
 * made room.
 */
#include "core/console.h"
#include <ipc/kernel.h>
#include <ipc/memory.h>
#include <ipc/server.h>
#include <proto/console.h>
#include <string.h>

enum uart {
    UART_BASE = 0x3f8,
    UART_DATA = UART_BASE, UART_INTERRUPT_ENABLE, UART_FIFO_CONTROL, UART_LINE_CONTROL,
    UART_MODEM_CONTROL,
    UART_LINE_STATUS,
    UART_FIFO_SIZE = 16,
    LINE_STATUS_DATA_READY = 0x01, LINE_STATUS_TRANSMIT_EMPTY = 0x20, LINE_STATUS_IDLE = 0x40,
    INTERRUPT_BIT = 1, /* of our notification */
    INPUT_BATCH = 256,
    BUSY_POLLS = 64,
};
#define BUSY_RETRY_NS 1000000ull /* a FIFO at 115200 baud takes 1.4 ms */

static struct console *console;
static uint64_t output_retry_ns = UINT64_MAX;

static struct ar_ipc_buffer *ipc_buffer(void)
{
    return (struct ar_ipc_buffer *)SERVER_IPC_ADDRESS;
}

static uint8_t port_read(unsigned port)
{
    struct ar_message m;
    return ar_invoke(SERVER_SLOT_PORT, AR_PORT_IN8, port, 0, 0, 0, 1, &m) == AR_OK
               ? (uint8_t)m.words[0]
               : 0;
}

static void port_write(unsigned port, uint8_t value)
{
    ar_invoke4(SERVER_SLOT_PORT, AR_PORT_OUT8, port, value, 0, 0);
}

static void port_write_many(unsigned port, const uint8_t *bytes, size_t count)
{
    struct ar_message m;
    memcpy(&ipc_buffer()->words[4], bytes, count);
    ar_invoke(SERVER_SLOT_PORT, AR_PORT_OUT8_MANY, port, count, 0, 0, 4 + (unsigned)(count + 7) / 8,
              &m);
}

static void uart_init(void)
{
    port_write(UART_INTERRUPT_ENABLE, 0);
    port_write(UART_LINE_CONTROL, 0x80); /* divisor latch */
    port_write(UART_DATA, 1);            /* 115200 baud */
    port_write(UART_INTERRUPT_ENABLE, 0);
    port_write(UART_LINE_CONTROL, 0x03); /* 8N1 */
    /* FIFO on; interrupt at 14 bytes, or when the line has been quiet for four. QEMU hands over
     * as many bytes at a time as the threshold says: at 1 a megabyte of input takes minutes. */
    port_write(UART_FIFO_CONTROL, 0xc1);
    port_write(UART_MODEM_CONTROL, 0x0b); /* DTR, RTS, interrupt line on */
    port_write(UART_INTERRUPT_ENABLE, 0x01);
}

static bool uart_transmit_empty(void)
{
    for (unsigned i = 0; i < BUSY_POLLS; i++)
        if (port_read(UART_LINE_STATUS) & LINE_STATUS_TRANSMIT_EMPTY)
            return true;
    return false;
}

static void output_push(struct ipc_effects *effects)
{
    const uint8_t *bytes;
    size_t count;
    output_retry_ns = UINT64_MAX;
    while ((count = console_output(console, &bytes)) != 0) {
        if (!uart_transmit_empty()) {
            output_retry_ns = server_clock_ns() + BUSY_RETRY_NS;
            return;
        }
        if (count > UART_FIFO_SIZE)
            count = UART_FIFO_SIZE;
        port_write_many(UART_DATA, bytes, count);
        console_output_done(console, count, effects);
    }
}

static void input_pull(struct ipc_effects *effects)
{
    uint8_t bytes[INPUT_BATCH];
    for (;;) {
        size_t room = console_input_room(console), count = 0;
        while (count < room && count < INPUT_BATCH &&
               (port_read(UART_LINE_STATUS) & LINE_STATUS_DATA_READY))
            bytes[count++] = port_read(UART_DATA);
        if (count == 0)
            return;
        console_input(console, bytes, count, effects);
        if (count < INPUT_BATCH)
            return;
    }
}

/* After anything that may have changed the core. */
static void settle(struct ipc_effects *effects)
{
    output_push(effects);
    uint32_t signals = console_signals_take(console);
    if (signals)
        ar_signal(SERVER_SLOT_SIGNAL, signals);
}

static bool output_is_out(void)
{
    const uint8_t *bytes;
    return console_output(console, &bytes) == 0 && (port_read(UART_LINE_STATUS) & LINE_STATUS_IDLE);
}

/* the core had no room: the UART may hold bytes without a new interrupt to come */
static bool input_held;

/* Bytes that come before the UART is set up, or before set_mode, are lost: tools/run sends none
 * until it sees this line in the log. */
static void announce(const struct ipc_call *call)
{
    static bool done;
    if (done || call->status != ST_OK ||
        (call->label != CONSOLE_SET_MODE && call->label != CONSOLE_OPEN))
        return;
    done = true;
    server_log("ready for input");
}

static void handle(void *state, struct ipc_call *call)
{
    (void)state;
    console->now_ns = server_clock_ns();
    console_handle(console, call);
    if (input_held && console_input_room(console)) {
        input_pull(call->effects);
        input_held = console_input_room(console) == 0;
    }
    settle(call->effects);
    announce(call);
    if (call->label == CONSOLE_DRAIN && call->status == ST_OK && !output_is_out())
        call->status = ST_AGAIN; /* nobody is held: init asks again */
}

static void closed(void *state, uint64_t badge, struct ipc_effects *effects)
{
    (void)state;
    console_closed(console, badge, effects);
}

static void notified(void *state, uint64_t bits, struct ipc_effects *effects)
{
    (void)state;
    if (!(bits & INTERRUPT_BIT))
        return;
    console->now_ns = server_clock_ns();
    /* Again after the acknowledgement: a byte in between would raise no new edge. */
    input_pull(effects);
    ar_invoke4(SERVER_SLOT_IRQ, AR_IRQ_ACK, 0, 0, 0, 0);
    input_pull(effects);
    input_held = console_input_room(console) == 0;
    settle(effects);
}

static uint64_t deadline(void *state)
{
    (void)state;
    uint64_t timer = console_deadline(console);
    return timer < output_retry_ns ? timer : output_retry_ns;
}

static void expired(void *state, uint64_t now_ns, struct ipc_effects *effects)
{
    (void)state;
    console->now_ns = now_ns;
    console_expired(console, now_ns, effects);
    settle(effects);
}

_Noreturn void server_main(const struct server_info *info)
{
    console = mem_alloc(sizeof(*console));
    if (!console)
        server_panic("no memory for the terminal: needs %lu bytes of heap, has %lu",
                     (unsigned long)sizeof(*console), (unsigned long)info->heap_size);
    console_init(console, info->boot_seconds * 1000000000ull);
    enum ar_error error = (enum ar_error)ar_invoke4(SERVER_SLOT_IRQ, AR_IRQ_BIND,
                                                    SERVER_SLOT_NOTIFICATION, INTERRUPT_BIT, 0, 0);
    if (error != AR_OK)
        server_panic("cannot bind the serial line's interrupt: %s", ar_error_text(error));
    uart_init();
    ar_invoke4(SERVER_SLOT_IRQ, AR_IRQ_ACK, 0, 0, 0, 0);
    static const struct server server = {.handle = handle, .closed = closed, .notified = notified,
                                         .deadline = deadline, .expired = expired};
    server_run(&server);
}
