/* Steps to bytes and back. SPDX-License-Identifier: MIT */
#include "transcript.h"

#include <stdlib.h>
#include <string.h>

static void byte_put(struct bytes *bytes, uint8_t byte)
{
    if (bytes->length == bytes->capacity) {
        bytes->capacity = bytes->capacity ? bytes->capacity * 2 : 65536;
        bytes->data = realloc(bytes->data, bytes->capacity);
        if (!bytes->data)
            abort();
    }
    bytes->data[bytes->length++] = byte;
}

void bytes_put(struct bytes *bytes, uint64_t number)
{
    for (; number >= 0x80; number >>= 7)
        byte_put(bytes, (uint8_t)(number | 0x80));
    byte_put(bytes, (uint8_t)number);
}

uint64_t bytes_get(struct bytes *bytes)
{
    uint64_t number = 0;
    for (int shift = 0; shift < 64; shift += 7) {
        if (bytes->at >= bytes->length) {
            bytes->broken = true;
            return 0;
        }
        uint8_t byte = bytes->data[bytes->at++];
        number |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            break;
    }
    return number;
}

static uint64_t fold(int32_t number)
{
    return ((uint64_t)(uint32_t)number << 1) ^ (number < 0 ? 0x1ffffffffu : 0);
}

static int32_t unfold(uint64_t number)
{
    return number & 1 ? -(int32_t)(number >> 1) - 1 : (int32_t)(number >> 1);
}

static void result_put(struct bytes *bytes, const struct result *result)
{
    bytes_put(bytes, fold(result->ret));
    bytes_put(bytes, (uint64_t)result->count);
    for (int i = 0; i < result->count; i++)
        bytes_put(bytes, fold(result->out[i]));
}

static void result_get(struct bytes *bytes, struct result *result)
{
    result->ret = unfold(bytes_get(bytes));
    result->count = (int32_t)bytes_get(bytes);
    if (result->count > OUT_MAX) {
        bytes->broken = true;
        result->count = 0;
    }
    for (int i = 0; i < result->count; i++)
        result->out[i] = unfold(bytes_get(bytes));
}

/* 0: the operation ended, nothing else did. Otherwise one more than the number of events. */
void step_put(struct bytes *bytes, const struct op *op, const struct step *step)
{
    bool plain = step->events == 1 && step->event[0].worker == op->worker;
    bytes_put(bytes, plain ? 0 : (uint64_t)step->events + 1);
    for (int i = 0; i < step->events; i++) {
        if (!plain)
            bytes_put(bytes, (uint64_t)step->event[i].worker);
        result_put(bytes, &step->event[i].result);
    }
}

void step_get(struct bytes *bytes, const struct op *op, struct step *step)
{
    uint64_t events = bytes_get(bytes);
    memset(step, 0, sizeof(*step));
    if (events > EVENTS_MAX + 1) {
        bytes->broken = true;
        return;
    }
    step->events = events ? (int32_t)events - 1 : 1;
    for (int i = 0; i < step->events; i++) {
        step->event[i].worker = events ? (int32_t)bytes_get(bytes) : op->worker;
        result_get(bytes, &step->event[i].result);
    }
}
