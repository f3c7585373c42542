/*
 * I/O ports. SPDX-License-Identifier: MIT
 */
#include "object/derivation.h"
#include "object/acts.h"

/* ---- invocations ----------------------------------------------------------------------------- */

enum ar_error port_mint(struct invocation *call)
{
    struct cap cap = *call->target;
    uint64_t first = call->words[1], last = call->words[2];
    uint64_t range_first = cap.object & 0xffff, range_last = cap.object >> 16;
    if (first < range_first || first > range_last)
        return invocation_fail(call, AR_ERR_RANGE, 1,
                               first < range_first ? range_first : range_last, first);
    if (last < first || last > range_last)
        return invocation_fail(call, AR_ERR_RANGE, 2, last < first ? first : range_last, last);

    cap.flags &= (uint8_t)~CAP_ORIGINAL;
    cap.object = first | last << 16;
    cap_insert(call->caps[0], &cap, call->target);
    return AR_OK;
}

/* Word 0 must be a port in the target's range, and so must the `width` - 1 ports after it. */
static enum ar_error check_port(struct invocation *call, unsigned width)
{
    uint64_t port = call->words[0], range = call->target->object;
    uint64_t first = range & 0xffff, last = range >> 16;
    if (port < first)
        return invocation_fail(call, AR_ERR_RANGE, 0, first, port);
    if (port + width - 1 > last)
        return invocation_fail(call, AR_ERR_RANGE, 0, last, port + width - 1);
    return AR_OK;
}

enum ar_error port_in8(struct invocation *call)
{
    enum ar_error error = check_port(call, 1);
    if (error)
        return error;

    call->words[0] = arch_port_in((uint16_t)call->words[0]);
    call->result_words = 1;
    return AR_OK;
}

static enum ar_error port_out(struct invocation *call, unsigned width)
{
    enum ar_error error = check_port(call, width);
    if (error)
        return error;

    arch_port_out((uint16_t)call->words[0], (uint32_t)call->words[1], width);
    return AR_OK;
}

enum ar_error port_out8(struct invocation *call)
{
    return port_out(call, 1);
}

enum ar_error port_out32(struct invocation *call)
{
    return port_out(call, 4);
}

enum ar_error port_out8_many(struct invocation *call)
{
    enum ar_error error = check_port(call, 1);
    if (error)
        return error;

    arch_port_out_many((uint16_t)call->words[0], message_bytes(call), (unsigned)call->words[1]);
    return AR_OK;
}
