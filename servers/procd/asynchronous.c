/*
 * Signals that sockd asks for: SIGURG, SIGIO to a socket's owner. SPDX-License-Identifier: MIT
 *
 * The request says who made the process the owner; whether that user may is decided here, for each
 * process when the signal is sent, as Linux does (fcntl(2), F_SETOWN).
 */
#include "procd.h"

enum { SIG_IO = 29 };

static bool request_allowed(const struct signal_request *request, const struct process *to)
{
    const struct credentials *target = &to->credentials;
    return request->euid == 0 || request->euid == target->suid ||
           request->euid == target->ruid || request->uid == target->suid ||
           request->uid == target->ruid;
}

static void request_send(struct procd *procd, const struct signal_request *request,
                         struct process *process, struct thread *thread)
{
    if (!request_allowed(request, process))
        return;
    /* siginfo's si_band and si_fd lie where a queued signal has pid, uid and value. */
    const struct signal_info info = {.signal = request->signal,
                                     .code = request->code,
                                     .pid = (uint32_t)request->band,
                                     .uid = request->band >> 32,
                                     .value = (uint32_t)request->fd};
    if (signal_send(procd, process, thread, &info) != ST_AGAIN)
        return;
    /* No room for a real-time signal: the plain one says that something was lost. */
    const struct signal_info plain = {.signal = SIG_IO, .code = CODE_KERNEL};
    signal_send(procd, process, thread, &plain);
}

void procd_signal_request(struct procd *procd, const struct signal_request *request,
                          struct ipc_effects *effects)
{
    procd->effects = effects;
    if (request->signal == 0 || request->signal > SIG_MAX || request->id == 0 ||
        request->id > ID_MAX)
        return;
    struct thread *thread = NULL;
    struct process *process = NULL;
    switch (request->target) {
    case SIGNAL_TO_THREAD:
        thread = procd->thread_of[request->id];
        if (thread)
            request_send(procd, request, thread->process, thread);
        break;
    case SIGNAL_TO_PROCESS:
        process = process_find(procd, request->id);
        if (process)
            request_send(procd, request, process, NULL);
        break;
    case SIGNAL_TO_GROUP:
        for (unsigned i = 0; i < PROCESS_MAX; i++)
            if (procd->processes[i] && procd->processes[i]->pgid == request->id)
                request_send(procd, request, procd->processes[i], NULL);
        break;
    default: break;
    }
}
