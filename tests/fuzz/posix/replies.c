/* Servers that answer anything: see world.h. SPDX-License-Identifier: MIT */
#include "world.h"
#include <ipc/host_kernel.h>

static unsigned how, countdown;
static uint64_t state;

void replies_begin(uint8_t wanted, uint8_t seed)
{
    how = wanted >= 160 ? wanted % 12 + 1 : 0; /* most calls get honest answers */
    countdown = wanted >= 240 ? 0 : seed % 4;  /* the last: every reply is changed */
    state = seed * 0x9e3779b97f4a7c15ull | 1;
}

void replies_end(void)
{
    how = 0;
}

static uint64_t next(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static void status_change(enum status *status)
{
    static const unsigned known[] = {ST_OK, ST_WAIT, ST_MESSAGE, ST_CLOSED, ST_REDIRECT, ST_SESSION,
                                     ST_SLOTS, ST_AGAIN, ST_INTR, ST_PIPE, 133, 134, 512, 4095, 4096,
                                     65536, 0x7fffffff, 0xffffffff, 0xfffffff5};
    *status = (enum status)known[next() % (sizeof(known) / sizeof(known[0]))];
}

static void words_change(struct ipc_request *request, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to && i < AR_MSG_WORDS; i++)
        request->words[i] = value_of((uint8_t)next());
}

/* One capability more, of another kind, if the caller offers a slot. */
static void capability_add(struct ipc_request *request)
{
    unsigned at = request->reply_cap_count;
    if (at >= request->recv_slot_count || at >= AR_MSG_CAPS)
        return;
    ar_cap slot = request->recv_slots[at];
    if (!host_space_reaches(host_current->space, slot) || host_space_get(host_current->space, slot))
        return;
    host_space_put(host_current->space, slot, host_notification_object());
    request->reply_caps[at] = (struct ar_received){AR_RECEIVED_CAP, AR_NOTIFICATION, slot, next() % 6};
    request->reply_cap_count++;
}

static void capabilities_drop(struct ipc_request *request)
{
    for (unsigned i = 0; i < request->reply_cap_count; i++)
        host_space_clear(host_current->space, request->reply_caps[i].value);
    request->reply_cap_count = 0;
}

/* Called by the host's kernel with each reply. */
void reply_changed(const struct host_core *core, struct ipc_request *request, enum status *status);
void reply_changed(const struct host_core *core, struct ipc_request *request, enum status *status)
{
    if (!how || core->issuer == ISSUER_PROCD || !host_current || (countdown && countdown--))
        return;
    unsigned words = request->reply_word_count;
    switch (how) {
    case 1: status_change(status); break;
    case 2: words_change(request, 0, words); break;
    case 3: words_change(request, next() % 4, words); break;
    case 4: request->words[next() % (words + 1) % AR_MSG_WORDS] = value_of((uint8_t)next()); break;
    case 5: request->reply_word_count = (unsigned)(next() % (AR_MSG_WORDS + 1)); break;
    case 6: capabilities_drop(request); break;
    case 7: capability_add(request); break;
    case 8:
        for (unsigned i = 0; i < request->reply_cap_count; i++)
            request->reply_caps[i].issuer = next() % 6;
        break;
    case 9:
        for (unsigned i = 0; i < request->reply_cap_count; i++)
            request->reply_caps[i].type = (uint32_t)(next() % AR_TYPE_COUNT);
        break;
    case 10: /* good, whatever it was, with words that fit the protocol */
        *status = ST_OK;
        words_change(request, words, request->reply_word_count = 1 + next() % 14);
        break;
    case 11:
        *status = ST_OK;
        capabilities_drop(request);
        words_change(request, 0, AR_MSG_WORDS);
        break;
    default:
        status_change(status);
        words_change(request, 0, AR_MSG_WORDS);
        capability_add(request);
    }
}
