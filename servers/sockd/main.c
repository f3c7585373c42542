/* sockd's shell: the core behind the receive loop. SPDX-License-Identifier: MIT */
#include "sockd.h"
#include <ipc/kernel.h>
#include <ipc/server.h>
#include <ipc/signal_ring.h>
#include <proto/sock.h>
#include <string.h>

#define OBJECTS_MAX 262144u
#define OBJECT_BYTES 384u /* with its place in the tables; the largest, a socket, takes about 350 */

/* Of a message no more than one record takes: D-Bus has most of its own in that. */
static void trace(enum ar_trace record, unsigned what, uint64_t ino, uint64_t badge,
                  const uint64_t words[3], const uint8_t *text, unsigned length)
{
    uint64_t which = (uint32_t)ino | (uint64_t)what << 32;
    uint64_t last = words[2];
    if (length > sizeof(last)) {
        ar_trace_text(record, which, badge, words[0], words[1], (uint64_t)text,
                      length < AR_TRACE_TEXT_BYTES ? length : AR_TRACE_TEXT_BYTES);
        return;
    }
    if (length)
        memcpy(&last, text, length);
    ar_trace(record, which, badge, words[0], words[1], last);
}

static void signal_send(const struct signal_request *request)
{
    if (!signal_ring_put((struct signal_ring *)SIGNAL_RING_ADDRESS, request))
        server_log("the ring of signals is full: one is lost");
    ar_signal(SERVER_SLOT_SIGNAL, SIGNAL_RING_BIT);
}

/* With `served=1` on init's command line: what each process's requests cost us, logged when the
 * counts are asked for (test floods). */
static struct served {
    uint32_t pid;
    uint64_t requests, ticks;
} served[CREDENTIALS_MAX];

static void served_add(void *state, uint64_t principal, uint64_t ticks)
{
    (void)state;
    const struct credentials *table = (const struct credentials *)CREDENTIALS_ADDRESS;
    uint32_t process = PRINCIPAL_PROCESS(principal);
    if (process >= CREDENTIALS_MAX)
        return;
    struct served *entry = &served[process];
    if (entry->pid != table[process].pid)
        *entry = (struct served){.pid = table[process].pid};
    entry->requests++;
    entry->ticks += ticks;
}

static void handle_and_tell(void *state, struct ipc_call *call)
{
    sockd_handle(state, call);
    if (call->label != SOCK_COUNTS)
        return;
    for (unsigned i = 0; i < CREDENTIALS_MAX; i++)
        if (served[i].requests)
            server_log("served process %u: %lu requests, %lu ticks", served[i].pid,
                       (unsigned long)served[i].requests, (unsigned long)served[i].ticks);
}

/* musl's strstr wants a stack protector's thread pointer, which servers have not. */
static bool command_has(const char *line, const char *word)
{
    while (*line && strncmp(line, word, strlen(word)) != 0)
        line++;
    return *line;
}

/* tools/gdb/aramid.py finds the core by this. */
static struct sockd *state_for_debuggers __attribute__((used));

_Noreturn void server_main(const struct server_info *info)
{
    uint64_t heap = info->heap_size;
    /* Half the heap for objects, a quarter for queued data (its charge is above its size), the
     * rest for wake-ups, descriptors in flight and tables that grow. A user other than root gets
     * half of each. Descriptors in flight may take half of the slots. */
    struct sockd_limits limits = {.queued = heap / 4,
                                  .queued_of_user = heap / 8,
                                  .in_flight = info->slot_count / 2};
    uint64_t objects = heap / 2 / OBJECT_BYTES;
    limits.objects = objects < OBJECTS_MAX ? (unsigned)objects : OBJECTS_MAX;
    limits.objects_of_user = limits.objects / 2;
    struct server server = {
        .handle = sockd_handle,
        .closed = sockd_closed,
        .deadline = sockd_deadline,
        .expired = sockd_expired,
    };
    server.state = sockd_create((const struct credentials *)CREDENTIALS_ADDRESS, &limits);
    if (!server.state)
        server_panic("no memory for the core: the manifest gives a heap of %lu bytes",
                     (unsigned long)heap);
    server.timed = sockd_timed(server.state);
    state_for_debuggers = server.state;
    sockd_set_signal(server.state, signal_send);
    if (command_has(info->command_line, "served=1")) {
        server.handle = handle_and_tell;
        server.served = served_add;
    }
    if (ar_trace(AR_TRACE_ASK, 0, 0, 0, 0, 0) == AR_OK)
        sockd_set_trace(server.state, trace);
    server_run(&server);
}
