/*
 * Named pipes: fifo(7), pipe(7). SPDX-License-Identifier: MIT
 *
 * open waits for the other side, but a request that waits leaves nothing behind but its armed
 * wake-up, so two openers would wait for each other for ever. Hence: whoever opens while the
 * other side's list of waiting openers is not empty succeeds at once, and the other side is owed
 * an open (reader_owed, writer_owed): its repeated request succeeds even if the first one has
 * come and gone meanwhile. Until an owed reader comes, writing goes on and what is written is
 * kept. An opener that gave up (a signal) leaves a debt that the next opener of its side
 * collects.
 */
#include "filed.h"
#include <string.h>

/* Something changed for the other side: it looks again. */
static void fifo_notify(struct filed *filed, struct node *node, uint32_t events)
{
    node->fifo->sequence++;
    waiters_wake(&node->waiters, events, filed->effects);
}

enum status fifo_open_check(struct filed *filed, struct ipc_call *call, struct node *node,
                            uint32_t flags)
{
    struct fifo *fifo = node->fifo;
    unsigned mode = flags & O_ACCMODE;
    if (!fifo->ring && !(fifo->ring = mem_alloc(FIFO_SIZE)))
        return ST_NOMEM;
    if (mode == O_RDWR || mode == O_ACCMODE)
        return ST_OK;
    bool reading = mode == O_RDONLY;
    if (reading ? fifo->writers > 0 || fifo->reader_owed : fifo->readers > 0 || fifo->writer_owed)
        return ST_OK;
    if (reading ? fifo->opening_writers.first != NULL : fifo->opening_readers.first != NULL)
        return ST_OK;
    if (flags & O_NONBLOCK)
        return reading ? ST_OK : ST_NXIO;
    enum status status =
        waiters_arm(reading ? &fifo->opening_readers : &fifo->opening_writers,
                    session_find(&filed->sessions, call->principal), POLLIN | POLLOUT);
    return status ? status : ST_WAIT;
}

void fifo_opened(struct filed *filed, struct description *description)
{
    struct node *node = description->node;
    struct fifo *fifo = node->fifo;
    bool owed = false; /* its writer has come, and perhaps gone */
    if (description_reads(description)) {
        owed = fifo->reader_owed;
        fifo->readers++;
        fifo->reader_owed = false;
        fifo->writer_owed |= fifo->opening_writers.first != NULL;
        waiters_wake(&fifo->opening_writers, POLLIN | POLLOUT, filed->effects);
    }
    if (description_writes(description)) {
        fifo->writers++;
        fifo->writers_ever++;
        fifo->writer_owed = false;
        fifo->reader_owed |= fifo->opening_readers.first != NULL;
        waiters_wake(&fifo->opening_readers, POLLIN | POLLOUT, filed->effects);
    }
    description->fifo_writers =
        description_writes(description) ? 0 : fifo->writers_ever - fifo->writers - (owed && !fifo->writers);
    fifo_notify(filed, node, POLLIN | POLLOUT);
}

void fifo_closed(struct filed *filed, struct description *description)
{
    struct node *node = description->node;
    struct fifo *fifo = node->fifo;
    if (description_reads(description))
        fifo->readers--;
    if (description_writes(description))
        fifo->writers--;
    if (fifo->readers == 0 && fifo->writers == 0 && !fifo->reader_owed) {
        mem_free(fifo->ring);
        fifo->ring = NULL;
        fifo->head = fifo->count = 0;
    }
    fifo_notify(filed, node, POLLIN | POLLOUT | POLLHUP | POLLERR);
}

static enum status fifo_wait(struct filed *filed, struct ipc_call *call, struct node *node,
                             bool wait, uint32_t events)
{
    if (!wait)
        return ST_AGAIN;
    enum status status =
        waiters_arm(&node->waiters, session_find(&filed->sessions, call->principal), events);
    return status ? status : ST_WAIT;
}

enum status fifo_read(struct filed *filed, struct ipc_call *call, struct description *description,
                      bool wait, uint64_t length, uint64_t *count)
{
    struct node *node = description->node;
    struct fifo *fifo = node->fifo;
    *count = 0;
    if (length == 0)
        return ST_OK;
    if (fifo->count == 0)
        return fifo->writers == 0 ? ST_OK : fifo_wait(filed, call, node, wait, POLLIN | POLLHUP);
    uint32_t run = length < fifo->count ? (uint32_t)length : fifo->count;
    uint32_t first = run < FIFO_SIZE - fifo->head ? run : FIFO_SIZE - fifo->head;
    enum status status = ipc_data_put(call, 0, fifo->ring + fifo->head, first);
    if (!status)
        status = ipc_data_put(call, first, fifo->ring, run - first);
    if (status)
        return status;
    fifo->head = (fifo->head + run) % FIFO_SIZE;
    fifo->count -= run;
    *count = run;
    fifo_notify(filed, node, POLLOUT);
    return ST_OK;
}

enum status fifo_write(struct filed *filed, struct ipc_call *call, struct description *description,
                       bool wait, uint64_t length, uint64_t *count)
{
    struct node *node = description->node;
    struct fifo *fifo = node->fifo;
    *count = 0;
    if (fifo->readers == 0 && !fifo->reader_owed)
        return ST_PIPE;
    if (length == 0)
        return ST_OK;
    uint32_t room = FIFO_SIZE - fifo->count;
    if (room == 0 || (length <= FIFO_ATOMIC && room < length))
        return fifo_wait(filed, call, node, wait, POLLOUT | POLLERR);
    uint32_t run = length < room ? (uint32_t)length : room;
    uint32_t tail = (fifo->head + fifo->count) % FIFO_SIZE;
    uint32_t first = run < FIFO_SIZE - tail ? run : FIFO_SIZE - tail;
    enum status status = ipc_data_get(call, 0, fifo->ring + tail, first);
    if (!status)
        status = ipc_data_get(call, first, fifo->ring, run - first);
    if (status)
        return status;
    fifo->count += run;
    *count = run;
    fifo_notify(filed, node, POLLIN);
    return ST_OK;
}

uint32_t fifo_ready(const struct description *description)
{
    const struct fifo *fifo = description->node->fifo;
    uint32_t ready = 0;
    if (description_reads(description)) {
        if (fifo->count > 0)
            ready |= POLLIN | POLLRDNORM;
        /* No hang-up before the first writer has come. */
        if (fifo->writers == 0 && fifo->writers_ever != description->fifo_writers)
            ready |= POLLHUP;
    }
    if (description_writes(description)) {
        if (FIFO_SIZE - fifo->count >= FIFO_ATOMIC)
            ready |= POLLOUT | POLLWRNORM;
        if (fifo->readers == 0 && !fifo->reader_owed)
            ready |= POLLERR;
    }
    return ready;
}

void fifo_destroy(struct filed *filed, struct node *node)
{
    struct fifo *fifo = node->fifo;
    waiters_destroy(&fifo->opening_readers, filed->effects);
    waiters_destroy(&fifo->opening_writers, filed->effects);
    mem_free(fifo->ring);
    mem_free(fifo);
}
