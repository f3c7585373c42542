/* One call built by hand: see ipc/host.h. SPDX-License-Identifier: MIT */
#include <assert.h>
#include <ipc/host.h>
#include <string.h>

static enum status data_get(void *context, uint64_t offset, void *destination, size_t length)
{
    const struct host_call *host = context;
    if (offset > host->in_limit || length > host->in_limit - offset)
        return ST_FAULT;
    memcpy(destination, (const char *)host->in + offset, length);
    return ST_OK;
}

static enum status data_put(void *context, uint64_t offset, const void *source, size_t length)
{
    struct host_call *host = context;
    if (offset > host->out_limit || length > host->out_limit - offset)
        return ST_FAULT;
    memcpy((char *)host->out + offset, source, length);
    return ST_OK;
}

static const struct ipc_data_ops data_ops = {data_get, data_put};

void host_call_begin(struct host_call *host, uint32_t label, uint64_t badge, uint64_t principal)
{
    memset(host, 0, sizeof(*host));
    host->call.label = label;
    host->call.badge = badge;
    host->call.principal = principal;
    host->call.status = ST_NOSYS; /* as the guest's shell has it */
    host->call.effects = &host->effects;
    host->call.data = &data_ops;
    host->call.data_context = host;
}

void host_call_word(struct host_call *host, uint64_t word)
{
    assert(host->call.word_count < AR_MSG_WORDS);
    host->call.words[host->call.word_count++] = word;
}

static void cap_add(struct host_call *host, struct ipc_cap cap)
{
    assert(host->call.cap_count < AR_MSG_CAPS);
    host->call.caps[host->call.cap_count++] = cap;
}

void host_call_slot(struct host_call *host, uint64_t slot, enum ar_type type, uint64_t issuer)
{
    cap_add(host, (struct ipc_cap){AR_RECEIVED_CAP, type, slot, issuer});
}

void host_call_badge(struct host_call *host, uint64_t badge)
{
    cap_add(host, (struct ipc_cap){AR_RECEIVED_BADGE, AR_GATE, badge, ISSUER_NONE});
}

void host_call_memory(struct host_call *host, const void *in, size_t in_size, void *out,
                      size_t out_size)
{
    host->in = in;
    host->out = out;
    host->in_size = host->in_limit = in_size;
    host->out_size = host->out_limit = out_size;
}

void host_call_fault_at(struct host_call *host, size_t in, size_t out)
{
    host->in_limit = in < host->in_size ? in : host->in_size;
    host->out_limit = out < host->out_size ? out : host->out_size;
}

unsigned host_call_effects(const struct host_call *host, enum ipc_effect_kind kind, uint64_t value)
{
    unsigned count = 0;
    for (unsigned i = 0; i < host->effects.count; i++)
        count += host->effects.list[i].kind == kind && host->effects.list[i].value == value;
    return count;
}
