/* Foreign interests: see epoll.h. SPDX-License-Identifier: MIT */
#include "epoll.h"

#include <proto/sock.h>

struct foreign {
    uint64_t id;
    struct fd_identity identity;
    uint64_t fd, events;
};
struct report {
    uint64_t id, ready, sequence;
};

static bool identity_equal(const struct fd_identity *a, const struct fd_identity *b)
{
    return a->badge == b->badge && a->issuer == b->issuer;
}

/* Some descriptor of it in this process, or -1. */
static int foreign_descriptor(const struct foreign *foreign)
{
    struct fd_identity now;
    int fd = (int)foreign->fd;
    if (fd_identify(fd, &now) == 0 && identity_equal(&now, &foreign->identity))
        return fd;
    return fd_find_description(&foreign->identity);
}

static struct report foreign_ask(const struct foreign *foreign, bool arm)
{
    struct report report = {.id = foreign->id};
    uint32_t wanted = (uint32_t)foreign->events & ~EPOLL_BEHAVIOUR;
    int fd = wanted ? foreign_descriptor(foreign) : -1;
    if (fd < 0) {
        report.ready = wanted ? SOCK_EPOLL_UNSEEN : 0;
        return report;
    }
    uint32_t ready = fd_poll(fd, wanted, arm, &report.sequence);
    if (ready & LX_POLLNVAL)
        ready = 0;
    /* Servers arm for nothing that is ready. An edge that was seen must not hide the others. */
    if (ready && arm && (foreign->events & LX_EPOLLET))
        fd_poll(fd, wanted & ~ready, true, NULL);
    report.ready = ready;
    return report;
}

static long page_ask(ar_cap slot, uint64_t skip, bool arm, uint64_t *count, uint64_t *left)
{
    struct foreign page[SOCK_EPOLL_PAGE];
    struct report reports[SOCK_EPOLL_PAGE];
    struct ar_segment segment = {(uint64_t)page, sizeof(page)};
    struct ipc_transfer transfer = {.out = &segment, .out_count = 1};
    struct posix_retry retry = {.server = ISSUER_SOCKD, .transfer = &transfer};
    struct sock_epoll_foreign_reply reply = {0};
    long error = POSIX_CALL(&retry, sock_epoll_foreign(slot, skip, &reply, &transfer));
    if (error)
        return error;
    *count = reply.count < SOCK_EPOLL_PAGE ? reply.count : SOCK_EPOLL_PAGE;
    *left = reply.left;
    for (uint64_t i = 0; i < *count; i++)
        reports[i] = foreign_ask(&page[i], arm);
    segment = (struct ar_segment){(uint64_t)reports, *count * sizeof(reports[0])};
    transfer = (struct ipc_transfer){.in = &segment, .in_count = 1};
    retry = (struct posix_retry){.server = ISSUER_SOCKD, .transfer = &transfer};
    return POSIX_CALL(&retry, sock_epoll_report(slot, *count, &transfer));
}

/* A server that says of every page that more are left would keep us for ever. What another thread adds
 * meanwhile, it asks itself. */
long epoll_ask_foreign(ar_cap slot, bool arm)
{
    uint64_t skip = 0, count, left = UINT64_MAX, before;
    do {
        before = left;
        long error = page_ask(slot, skip, arm, &count, &left);
        if (error)
            return error;
        skip += count;
    } while (left && left < before && count);
    return 0;
}

uint32_t epoll_poll_foreign(int fd, uint32_t events, bool arm)
{
    struct fd_info info;
    struct io_poll_reply reply = {0};
    if (fd_begin2(fd, NULL, &info))
        return LX_POLLNVAL;
    long error = epoll_ask_foreign(info.slot, arm);
    if (!error) {
        struct posix_retry retry = {.server = info.server};
        error = POSIX_CALL(&retry, io_poll(info.slot, events, arm, &reply));
    }
    fd_end(&info);
    return error ? LX_POLLERR : (uint32_t)reply.ready;
}

/* ---- the end of a description ---------------------------------------------------------------- */

/* Set once and kept: a child of fork has copies that somebody else added, and sockd knows who. */
static volatile bool watched;

void epoll_foreign_watched(void)
{
    watched = process.descriptors_noted = true;
}

static bool pollable_elsewhere(const struct fd_info *info)
{
    return info->server != ISSUER_SOCKD && info->kind != IO_KIND_FILE &&
           info->kind != IO_KIND_DIRECTORY && info->kind != IO_KIND_DEVICE &&
           info->kind != IO_KIND_PROC;
}

static bool another_descriptor(int fd, const struct fd_identity *identity)
{
    for (int other = fd_next(0); other >= 0; other = fd_next(other + 1)) {
        struct fd_identity now;
        if (other != fd && fd_identify(other, &now) == 0 && identity_equal(&now, identity))
            return true;
    }
    return false;
}

static void forget(int epfd, const struct fd_identity *identity)
{
    struct fd_info info;
    if (fd_look(epfd, &info) || info.server != ISSUER_SOCKD || fd_begin2(epfd, NULL, &info))
        return;
    if (fd_kind(epfd, &info) == IO_KIND_EPOLL)
        sock_epoll_ctl(info.slot, SOCK_EPOLL_FORGET, 0, 0, 0, 1, identity->issuer, identity->badge,
                       NULL);
    fd_end(&info);
}

void epoll_fd_closing(int fd)
{
    struct fd_info info;
    struct fd_identity identity;
    if (!watched || fd_look(fd, &info) || !pollable_elsewhere(&info) ||
        fd_identify(fd, &identity) || another_descriptor(fd, &identity))
        return;
    for (int epfd = fd_next(0); epfd >= 0; epfd = fd_next(epfd + 1))
        forget(epfd, &identity);
}
