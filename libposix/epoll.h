/*
 * epoll instances are sockd's, sets and all (servers/sockd/epoll.h): inherited or passed, an
 * instance is the same one. What is left to us is to ask those descriptions that sockd cannot: the
 * *foreign* ones, of another server or of our own (timerfd, signalfd). They are named by issuer and
 * badge, and asked through whatever descriptor of theirs this process has; one that it has none of
 * says nothing here. What was found is reported to sockd, which does the rest.
 * SPDX-License-Identifier: MIT
 */
#ifndef LIBPOSIX_EPOLL_H
#define LIBPOSIX_EPOLL_H

#include "files.h"

#define EPOLL_BEHAVIOUR (LX_EPOLLEXCLUSIVE | LX_EPOLLWAKEUP | LX_EPOLLONESHOT | LX_EPOLLET)

/* Ask the foreign interests of the instance behind `slot`, and of those in it, and report. `arm`: be
 * woken when something changes. The slot must not be POSIX_TS_CALL, which asking uses. 0 or
 * -errno. */
long epoll_ask_foreign(ar_cap slot, bool arm);
/* This process has watched a foreign description: from now on sockd is told when its last
 * descriptor closes here. */
void epoll_foreign_watched(void);

#endif
