/* What timer and signal descriptors have in common: see virtual.h. SPDX-License-Identifier: MIT */
#include "virtual.h"

#include <ipc/kernel.h>
#include <proto/sock.h>

struct posix_lock virtual_lock;
static struct virtual *objects;

struct virtual *virtual_find(int fd, unsigned kind)
{
    struct fd_identity identity;
    if (!objects || fd_identify(fd, &identity))
        return NULL;
    for (struct virtual *object = objects; object; object = object->next)
        if (object->self.badge == identity.badge && object->self.issuer == identity.issuer)
            return object->kind == kind ? object : NULL;
    return NULL;
}

long virtual_make(unsigned kind, uint32_t flags, const struct virtual *initial)
{
    if (fd_table_full())
        return ERR(MFILE);
    struct virtual *object = private_alloc(sizeof(*object));
    if (!object)
        return ERR(NOMEM);
    struct ipc_transfer transfer = {.recv_slots = receive_slots(), .recv_slot_count = 1};
    struct posix_retry retry = {.server = ISSUER_SOCKD};
    long fd =
        POSIX_CALL(&retry, sock_event(POSIX_SLOT_SOCKD, 0, 0, flags & LX_O_NONBLOCK, &transfer));
    if (!fd)
        fd = fd_install(receive_slots()[0], 0, flags & LX_O_CLOEXEC, kind, ISSUER_SOCKD);
    if (fd < 0 || fd_identify((int)fd, &object->self)) {
        private_free(object);
        return fd < 0 ? fd : ERR(BADF); /* closed by another thread already */
    }
    object->kind = kind;
    object->clock = initial->clock;
    object->signals = initial->signals;
    object->via = (int)fd;
    lock_take(&virtual_lock);
    object->next = objects;
    objects = object;
    process.descriptors_noted = true;
    lock_release(&virtual_lock);
    return fd;
}

void virtual_wake(struct virtual *object)
{
    for (unsigned word = 0; word < sizeof(object->waiting) / sizeof(object->waiting[0]); word++) {
        for (uint64_t bits = object->waiting[word]; bits; bits &= bits - 1)
            ar_signal(POSIX_THREAD_SLOT(word * 64 + (unsigned)__builtin_ctzll(bits),
                                        POSIX_TS_NOTIFICATION),
                      1);
        object->waiting[word] = 0;
    }
}

void files_fd_closed(int fd)
{
    fd_owner_forget(fd);
    poll_batch_fd_closed(fd);
    if (!objects)
        return;
    lock_take(&virtual_lock);
    for (struct virtual **at = &objects; *at;) {
        struct virtual *object = *at;
        if (object->via == fd && (object->via = fd_find_description(&object->self)) < 0) {
            *at = object->next;
            private_free(object);
        } else {
            at = &object->next;
        }
    }
    lock_release(&virtual_lock);
}

void files_fd_duplicated(int from, int fd)
{
    (void)from, (void)fd; /* copies are looked for when they are needed: fd_find_description */
}

void files_fork_lock(void)
{
    lock_take(&virtual_lock);
    poll_batch_fork_lock();
    fd_owner_lock();
}

void files_fork_unlock(void)
{
    fd_owner_unlock();
    poll_batch_fork_unlock();
    lock_release(&virtual_lock);
}

/* ---- readiness ------------------------------------------------------------------------------- */

/* files_private[0] of the thread: the earliest timer that its scan found armed. */
static uint64_t *timer_next(void)
{
    return &thread_self()->files_private[0];
}

void readiness_begin(void)
{
    *timer_next() = AR_NO_DEADLINE;
}

enum wait_result readiness_wait_bits(uint64_t deadline_ns, uint64_t *bits)
{
    uint64_t timer = *timer_next();
    enum wait_result result = posix_wait_bits(timer < deadline_ns ? timer : deadline_ns, bits);
    return result == WAIT_TIMED_OUT && timer < deadline_ns ? WAIT_WOKEN : result;
}

enum wait_result readiness_wait(uint64_t deadline_ns)
{
    uint64_t bits;
    return readiness_wait_bits(deadline_ns, &bits);
}

static void object_wait(struct virtual *object)
{
    uint32_t area = thread_self()->area;
    object->waiting[area / 64] |= 1ull << area % 64;
    if (object->kind == FILES_KIND_TIMER && object->expiry_ns && object->expiry_ns < *timer_next())
        *timer_next() = object->expiry_ns;
}

static bool object_ready(const struct virtual *object)
{
    return object->kind == FILES_KIND_TIMER
               ? object->expiry_ns && deadline_after(0) >= object->expiry_ns
               : signal_descriptor_ready(object->signals);
}

uint32_t virtual_poll(int fd, unsigned kind, bool arm)
{
    lock_take(&virtual_lock);
    struct virtual *object = virtual_find(fd, kind);
    bool ready = object && object_ready(object);
    if (object && !ready && arm)
        object_wait(object);
    lock_release(&virtual_lock);
    return ready ? LX_POLLIN : 0; /* and no POLLRDNORM, as on Linux */
}

/* ---- read ------------------------------------------------------------------------------------ */

#define SIGNAL_INFO 128 /* struct signalfd_siginfo */

/* Take what is there: bytes put into `buffer`, 0 for nothing yet. */
static long object_take(int fd, unsigned kind, uint8_t buffer[SIGNAL_INFO])
{
    long length = ERR(INVAL);
    lock_take(&virtual_lock);
    struct virtual *object = virtual_find(fd, kind);
    if (object && kind == FILES_KIND_TIMER) {
        uint64_t ticks = timer_take(object);
        memcpy(buffer, &ticks, sizeof(ticks));
        length = ticks ? (long)sizeof(ticks) : 0;
    } else if (object) {
        length = signal_descriptor_take(object->signals, buffer) ? SIGNAL_INFO : 0;
    }
    if (length == 0)
        object_wait(object);
    lock_release(&virtual_lock);
    return length;
}

static bool nonblocking(const struct fd_info *info)
{
    struct posix_retry retry = {.server = info->server};
    struct io_get_flags_reply reply = {0};
    return POSIX_CALL(&retry, io_get_flags(info->slot, &reply)) == 0 &&
           (reply.flags & LX_O_NONBLOCK);
}

long virtual_read(int fd, const struct fd_info *info, const struct iov_list *list, int64_t offset,
                  bool nowait)
{
    uint8_t buffer[SIGNAL_INFO];
    uint64_t unit = info->kind == FILES_KIND_TIMER ? sizeof(uint64_t) : SIGNAL_INFO;
    uint64_t most = info->kind == FILES_KIND_TIMER ? unit : list->total / unit * unit, done = 0;
    if (offset != IO_CURRENT)
        return ERR(SPIPE);
    if (list->total < unit)
        return ERR(INVAL);
    while (done < most) {
        readiness_begin();
        long length = object_take(fd, info->kind, buffer);
        if (length < 0)
            return done ? (long)done : length;
        if (length > 0) {
            if (iov_put(list, done, buffer, (uint64_t)length))
                return done ? (long)done : ERR(FAULT);
            done += (uint64_t)length;
            continue;
        }
        if (done > 0 || nowait || nonblocking(info))
            break;
        if (readiness_wait(AR_NO_DEADLINE) == WAIT_INTERRUPTED)
            return -POSIX_RESTART;
    }
    return done ? (long)done : ERR(AGAIN);
}
