/* Queues of pending signals. SPDX-License-Identifier: MIT */
#include "signal.h"
#include <ipc/memory.h>
#include <stddef.h>

enum status signals_add(struct signals *signals, const struct signal_info *info)
{
    bool standard = info->signal < SIG_REALTIME;
    if (standard && signals->pending & SIGNAL_BIT(info->signal))
        return ST_OK;
    struct signal_entry *entry =
        signals->count < SIGNALS_QUEUED_MAX ? mem_alloc(sizeof(*entry)) : NULL;
    if (!entry && !standard)
        return ST_AGAIN;
    signals->pending |= SIGNAL_BIT(info->signal);
    if (!entry)
        return ST_OK; /* without its siginfo, rather than lost */
    entry->info = *info;
    if (signals->last)
        signals->last->next = entry;
    else
        signals->first = entry;
    signals->last = entry;
    signals->count++;
    return ST_OK;
}

/* The first entry of this signal leaves the list; true when another one stays. */
static bool signals_unlink(struct signals *signals, unsigned signal, struct signal_info *info,
                           bool peek)
{
    struct signal_entry **link = &signals->first, *previous = NULL;
    while (*link && (*link)->info.signal != signal) {
        previous = *link;
        link = &previous->next;
    }
    struct signal_entry *entry = *link;
    if (!entry) {
        *info = (struct signal_info){.signal = signal};
        return false;
    }
    *info = entry->info;
    if (peek)
        return true;
    *link = entry->next;
    if (signals->last == entry)
        signals->last = previous;
    signals->count--;
    mem_free(entry);
    for (entry = *link; entry; entry = entry->next)
        if (entry->info.signal == signal)
            return true;
    return false;
}

bool signals_take(struct signals *signals, uint64_t blocked, bool peek, struct signal_info *info)
{
    uint64_t ready = signals->pending & ~blocked;
    if (!ready)
        return false;
    unsigned signal = (unsigned)__builtin_ctzll(ready) + 1;
    if (!signals_unlink(signals, signal, info, peek) && !peek)
        signals->pending &= ~SIGNAL_BIT(signal);
    return true;
}

void signals_remove(struct signals *signals, uint64_t mask)
{
    struct signal_info ignored;
    while (signals_take(signals, ~mask, false, &ignored))
        ;
}
