/*
 * Interrupt lines, I/O ports and the system log. SPDX-License-Identifier: MIT
 */
#include "arch/arch.h"
#include "ipc/ipc.h"
#include "object/device.h"

enum { IRQ_LINES = 16, BYTES_MAX = 448 };

static struct {
    struct notification *notification;
    uint64_t bits;
} irq_table[IRQ_LINES];

void irq_forget(struct notification *notification)
{
    for (unsigned line = 0; line < IRQ_LINES; line++) {
        if (irq_table[line].notification == notification) {
            irq_table[line].notification = NULL;
            arch_irq_enable(line, false);
        }
    }
}

void irq_arrived(unsigned line)
{
    arch_irq_enable(line, false);
    if (irq_table[line].notification)
        notification_signal(irq_table[line].notification, irq_table[line].bits);
}

enum ar_error irq_control_invoke(struct invocation *call)
{
    struct cap *slot, cap = {.type = AR_IRQ, .rights = AR_ALL, .object = call->words[0]};
    if (call->label != AR_IRQ_CONTROL_GET)
        return AR_ERR_LABEL;
    if (call->words[0] >= IRQ_LINES || call->words[0] == 2 || call->words[0] == 3)
        return AR_ERR_ARGUMENT; /* 2 is the cascade, 3 is the log's */
    enum ar_error error = tcb_lookup_empty(call->caller, call->words[1], &slot);
    if (!error)
        cap_insert(slot, &cap, call->target);
    return error;
}

enum ar_error irq_invoke(struct invocation *call)
{
    struct cap *slot;
    unsigned line = (unsigned)call->target->object;
    enum ar_error error;
    switch (call->label) {
    case AR_IRQ_BIND:
        error = tcb_lookup_type(call->caller, call->words[0], AR_NOTIFICATION, AR_SEND, &slot);
        if (error)
            return error;
        irq_table[line].notification = (struct notification *)slot->object;
        irq_table[line].bits = call->words[1];
        arch_irq_enable(line, true);
        return AR_OK;
    case AR_IRQ_ACK:
        arch_irq_enable(line, irq_table[line].notification != NULL);
        return AR_OK;
    default:
        return AR_ERR_LABEL;
    }
}

static enum ar_error port_mint(struct invocation *call)
{
    struct cap *slot, cap = *call->target;
    uint64_t first = call->words[1], last = call->words[2];
    if (first > last || first < (cap.object & 0xffff) || last > cap.object >> 16)
        return AR_ERR_ARGUMENT;
    enum ar_error error = tcb_lookup_empty(call->caller, call->words[0], &slot);
    if (error)
        return error;
    cap.flags &= (uint8_t)~CAP_ORIGINAL;
    cap.object = first | last << 16;
    cap_insert(slot, &cap, call->target);
    return AR_OK;
}

/* The bytes of a message from word 4 on. */
static const char *message_bytes(const struct invocation *call)
{
    return (const char *)&call->caller->buffer->words[4];
}

enum ar_error port_invoke(struct invocation *call)
{
    uint64_t port = call->words[0], range = call->target->object;
    unsigned width = call->label == AR_PORT_OUT32 ? 4 : 1;
    if (call->label == AR_PORT_MINT)
        return port_mint(call);
    if (port < (range & 0xffff) || port > range >> 16 || port + width - 1 > range >> 16)
        return AR_ERR_ARGUMENT;
    switch (call->label) {
    case AR_PORT_IN8:
        call->words[0] = arch_port_in((uint16_t)port);
        call->result_words = 1;
        return AR_OK;
    case AR_PORT_OUT8:
    case AR_PORT_OUT32:
        arch_port_out((uint16_t)port, (uint32_t)call->words[1], width);
        return AR_OK;
    case AR_PORT_OUT8_MANY:
        if (call->words[1] > BYTES_MAX)
            return AR_ERR_ARGUMENT;
        for (uint64_t i = 0; i < call->words[1]; i++)
            arch_port_out((uint16_t)port, (uint8_t)message_bytes(call)[i], 1);
        return AR_OK;
    default:
        return AR_ERR_LABEL;
    }
}

enum ar_error log_invoke(struct invocation *call)
{
    switch (call->label) {
    case AR_LOG_WRITE:
        if (call->words[0] > BYTES_MAX)
            return AR_ERR_ARGUMENT;
        log_write(message_bytes(call), (unsigned)call->words[0]);
        return AR_OK;
    case AR_LOG_MEASURES:
        call->result_words = 3;
        return arch_measures(call->words) ? AR_OK : AR_ERR_LABEL;
    case AR_LOG_THREADS:
        log_threads();
        return AR_OK;
    default:
        return AR_ERR_LABEL;
    }
}
