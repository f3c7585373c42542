/*
 * epoll_ctl(2), and what waiting processes say of foreign interests. SPDX-License-Identifier: MIT
 */
#include "epoll.h"
#include "trace.h"
#include <ipc/memory.h>

#define EXCLUSIVE_ALLOWED                                                                          \
    (LX_POLLIN | LX_POLLOUT | LX_POLLERR | LX_POLLHUP | LX_EPOLLWAKEUP | LX_EPOLLET |              \
     LX_EPOLLEXCLUSIVE)

static struct foreign_interest *foreign_of(struct interest *interest)
{
    return (struct foreign_interest *)interest;
}

/* ---- nesting --------------------------------------------------------------------------------- */

struct walk {
    struct sockd *sockd;
    const struct epoll *forbidden; /* met on the way: a loop */
    bool bad;
};

static bool walk_enter(struct walk *walk, struct epoll *epoll, unsigned level)
{
    if (epoll == walk->forbidden || level > EPOLL_NESTS_MAX || walk->sockd->walk_left == 0)
        walk->bad = true;
    if (walk->bad || !walk_visit(walk->sockd, epoll))
        return false;
    epoll->depth = 1;
    return true;
}

/* Sets below, this one counted. */
static unsigned depth_below(struct walk *walk, struct epoll *epoll, unsigned level)
{
    if (!walk_enter(walk, epoll, level))
        return epoll->depth;
    struct ring *nested = epoll->members[INTEREST_NESTED];
    for (struct ring *at = nested; at && !walk->bad; at = ring_next(nested, at)) {
        unsigned depth =
            depth_below(walk, (struct epoll *)interest_of_epoll(at)->target, level + 1) + 1;
        if (depth > epoll->depth)
            epoll->depth = depth;
    }
    return epoll->depth;
}

/* Sets above, this one counted. */
static unsigned depth_above(struct walk *walk, struct epoll *epoll, unsigned level)
{
    if (!walk_enter(walk, epoll, level))
        return epoll->depth;
    struct ring *watchers = epoll->object.watchers;
    for (struct ring *at = watchers; at && !walk->bad; at = ring_next(watchers, at)) {
        unsigned depth = depth_above(walk, interest_of_target(at)->epoll, level + 1) + 1;
        if (depth > epoll->depth)
            epoll->depth = depth;
    }
    return epoll->depth;
}

/* Would `inner` in `outer` make a loop, or too deep a nest? */
static bool nest_refused(struct sockd *sockd, struct epoll *outer, struct epoll *inner)
{
    struct walk walk = {.sockd = sockd, .forbidden = outer};
    walk_begin(sockd);
    unsigned below = depth_below(&walk, inner, 1);
    walk.forbidden = NULL;
    walk_begin(sockd);
    unsigned above = walk.bad ? 0 : depth_above(&walk, outer, 1);
    return walk.bad || below + above > EPOLL_NESTS_MAX;
}

/* ---- finding --------------------------------------------------------------------------------- */

/* NULL: none; `*watchers`: how many interests in the target there are, if it is ours. */
static struct interest *interest_find(const struct epoll *epoll, const struct object *target,
                                      const struct sock_epoll_ctl_request *request,
                                      unsigned *watchers)
{
    int32_t fd = (int32_t)request->fd;
    *watchers = 0;
    if (target) {
        for (struct ring *at = target->watchers; at; at = ring_next(target->watchers, at)) {
            struct interest *interest = interest_of_target(at);
            if (interest->epoll == epoll && interest->fd == fd &&
                interest->kind != INTEREST_POLLED) /* not by its handle */
                return interest;
            ++*watchers;
        }
        return NULL;
    }
    struct ring *foreign = epoll->members[INTEREST_FOREIGN];
    for (struct ring *at = foreign; at; at = ring_next(foreign, at)) {
        struct foreign_interest *interest = foreign_of(interest_of_epoll(at));
        if (interest->interest.fd == fd && interest->issuer == request->issuer &&
            interest->badge == request->badge && !interest->interest.target)
            return &interest->interest;
    }
    return NULL;
}

/* ---- the operations -------------------------------------------------------------------------- */

/* Its events are news: report what is there, or have those who wait ask. */
static void interest_begin(struct sockd *sockd, struct interest *interest,
                           const struct sock_epoll_ctl_request *request,
                           enum ar_trace_object news)
{
    interest->events = (uint32_t)request->events | LX_POLLERR | LX_POLLHUP;
    interest->data = request->data;
    interest_trace(sockd, interest, news);
    if (interest->kind == INTEREST_FOREIGN) {
        foreign_of(interest)->ready = 0;
        foreign_of(interest)->fresh = true;
    }
    if (interest->kind == INTEREST_FOREIGN) {
        /* Each who waits must ask for himself; but as on Linux it is POLLIN that a set tells of,
         * and who polls it for something else alone sleeps on. */
        waiters_wake(&interest->epoll->object.waiters, LX_POLLIN | WAITERS_EVERY, sockd->effects);
        interest_push(sockd, interest);
    } else if (interest_poll(sockd, interest)) {
        if (!ring_linked(&interest->of_ready)) /* else those who wait have been told, as on Linux */
            interest_push(sockd, interest);
    } else if (interest->kind == INTEREST_NESTED && epoll_has_foreign(sockd, interest->epoll)) {
        interest_push(sockd, interest);
    }
}

static enum status interest_add(struct sockd *sockd, struct ipc_call *call, struct epoll *epoll,
                                struct object *target, unsigned watchers,
                                const struct sock_epoll_ctl_request *request)
{
    bool foreign = request->foreign;
    if (watchers >= EPOLL_WATCHERS_MAX || (foreign && epoll->foreign_count >= EPOLL_FOREIGN_MAX))
        return ST_NOSPC;
    enum status status = account_watch(sockd, epoll->object.account);
    if (status != ST_OK)
        return status;
    struct interest *interest =
        mem_alloc(foreign ? sizeof(struct foreign_interest) : sizeof(*interest));
    if (!interest) {
        account_unwatch(sockd, epoll->object.account);
        return ST_NOMEM;
    }
    interest->epoll = epoll;
    interest->target = target;
    interest->fd = (int32_t)request->fd;
    interest->kind = foreign                        ? INTEREST_FOREIGN
                     : target->kind == OBJECT_EPOLL ? INTEREST_NESTED
                                                    : INTEREST_PLAIN;
    ring_append(&epoll->members[interest->kind], &interest->of_epoll);
    if (target && (request->events & LX_EPOLLEXCLUSIVE))
        ring_append(&target->watchers, &interest->of_target);
    else if (target)
        ring_prepend(&target->watchers, &interest->of_target); /* Linux tells the newest first */
    if (foreign) {
        struct foreign_interest *mine = foreign_of(interest);
        mine->id = ++sockd->next_foreign;
        mine->issuer = target ? ISSUER_SOCKD : request->issuer;
        mine->badge = target ? target->badge : request->badge;
        mine->owner_pid = caller_credentials(sockd, call->principal)->pid;
        epoll->foreign_count++;
    }
    interest_begin(sockd, interest, request, AR_TRACE_EPOLL_ADDED);
    return ST_OK;
}

static void foreign_forget(struct sockd *sockd, struct ipc_call *call, struct epoll *epoll,
                           const struct sock_epoll_ctl_request *request)
{
    uint32_t pid = caller_credentials(sockd, call->principal)->pid;
    struct ring *at = epoll->members[INTEREST_FOREIGN];
    for (unsigned left = epoll->foreign_count; left; left--) {
        struct foreign_interest *interest = foreign_of(interest_of_epoll(at));
        at = at->next;
        if (interest->issuer == request->issuer && interest->badge == request->badge &&
            interest->owner_pid == pid && !interest->interest.target)
            interest_remove(sockd, &interest->interest);
    }
}

/* The object that the target's capability names; NULL with ST_OK for another server's. */
static enum status target_find(const struct sockd *sockd, const struct ipc_call *call,
                               const struct sock_epoll_ctl_request *request, struct object **target)
{
    *target = NULL;
    if (call->cap_count == 0)
        return request->foreign ? ST_OK : ST_BADF;
    if (call->caps[0].kind != AR_RECEIVED_BADGE)
        return ST_BADF; /* the dispatcher drops it */
    *target = object_find(sockd, call->caps[0].value);
    if (!*target || (*target)->kind == OBJECT_NAME || (*target)->kind == OBJECT_SESSION)
        return ST_BADF;
    return (*target)->kind == OBJECT_TABLE ? ST_PERM : ST_OK;
}

static enum status exclusive_check(const struct sock_epoll_ctl_request *request,
                                   const struct object *target)
{
    if (request->operation == LX_EPOLL_CTL_DEL || !(request->events & LX_EPOLLEXCLUSIVE))
        return ST_OK;
    if (request->operation == LX_EPOLL_CTL_MOD)
        return ST_INVAL;
    bool nested = target && target->kind == OBJECT_EPOLL;
    if (request->operation == LX_EPOLL_CTL_ADD &&
        (nested || ((uint32_t)request->events & ~EXCLUSIVE_ALLOWED)))
        return ST_INVAL;
    return ST_OK;
}

enum status op_epoll_ctl(void *state, struct ipc_call *call,
                         const struct sock_epoll_ctl_request *request)
{
    struct sockd *sockd = state;
    struct epoll *epoll;
    struct object *target;
    unsigned watchers;
    enum status status = epoll_of_call(sockd, &epoll);
    if (status == ST_OK)
        status = target_find(sockd, call, request, &target);
    if (status == ST_OK && target == &epoll->object)
        status = ST_INVAL;
    if (status == ST_OK)
        status = exclusive_check(request, target);
    if (status != ST_OK)
        return status;
    if (request->operation == SOCK_EPOLL_FORGET) {
        foreign_forget(sockd, call, epoll, request);
        return ST_OK;
    }
    if (request->operation == LX_EPOLL_CTL_ADD && target && target->kind == OBJECT_EPOLL &&
        nest_refused(sockd, epoll, (struct epoll *)target))
        return ST_LOOP;
    struct interest *interest = interest_find(epoll, target, request, &watchers);
    switch (request->operation) {
    case LX_EPOLL_CTL_ADD:
        return interest ? ST_EXIST
                        : interest_add(sockd, call, epoll, target, watchers, request);
    case LX_EPOLL_CTL_DEL:
        if (interest)
            interest_remove(sockd, interest);
        return interest ? ST_OK : ST_NOENT;
    case LX_EPOLL_CTL_MOD:
        if (!interest)
            return ST_NOENT;
        if (interest->events & LX_EPOLLEXCLUSIVE)
            return ST_INVAL;
        interest_begin(sockd, interest, request, AR_TRACE_EPOLL_CHANGED);
        return ST_OK;
    default: return ST_INVAL;
    }
}

/* ---- foreign interests ----------------------------------------------------------------------- */

/* Called for each foreign interest of a set and of the sets in it, in one order; false: enough. */
typedef bool foreign_visit(void *context, struct foreign_interest *interest);

static bool foreign_each(struct sockd *sockd, struct epoll *epoll, foreign_visit *visit,
                         void *context)
{
    if (!walk_visit(sockd, epoll))
        return true;
    struct ring *first = epoll->members[INTEREST_FOREIGN];
    for (struct ring *at = first; at; at = ring_next(first, at))
        if (!visit(context, foreign_of(interest_of_epoll(at))))
            return false;
    first = epoll->members[INTEREST_NESTED];
    for (struct ring *at = first; at; at = ring_next(first, at))
        if (!foreign_each(sockd, (struct epoll *)interest_of_epoll(at)->target, visit, context))
            return false;
    return true;
}

struct listing {
    uint64_t skip, count, left;
    uint64_t words[SOCK_EPOLL_PAGE][5];
};

static bool listing_add(void *context, struct foreign_interest *interest)
{
    struct listing *listing = context;
    if (listing->skip) {
        listing->skip--;
    } else if (listing->count < SOCK_EPOLL_PAGE) {
        uint64_t *words = listing->words[listing->count++];
        words[0] = interest->id;
        words[1] = interest->issuer;
        words[2] = interest->badge;
        words[3] = (uint32_t)interest->interest.fd;
        words[4] = interest->interest.events;
    } else {
        listing->left++;
    }
    return true;
}

enum status op_epoll_foreign(void *state, struct ipc_call *call,
                             const struct sock_epoll_foreign_request *request,
                             struct sock_epoll_foreign_reply *reply)
{
    struct sockd *sockd = state;
    struct epoll *epoll;
    struct listing listing = {.skip = request->skip};
    enum status status = epoll_of_call(sockd, &epoll);
    if (status != ST_OK)
        return status;
    walk_begin(sockd);
    foreign_each(sockd, epoll, listing_add, &listing);
    reply->count = listing.count;
    reply->left = listing.left;
    return ipc_data_put(call, 0, listing.words, listing.count * sizeof(listing.words[0]));
}

struct reports {
    struct sockd *sockd;
    uint64_t count;
    uint64_t words[SOCK_EPOLL_PAGE][3]; /* id, ready, sequence */
    struct interest *push[SOCK_EPOLL_PAGE];
    unsigned pushes;
};

static bool reports_take(void *context, struct foreign_interest *interest)
{
    struct reports *reports = context;
    for (uint64_t i = 0; i < reports->count; i++) {
        const uint64_t *words = reports->words[i];
        if (words[0] != interest->id)
            continue;
        uint32_t ready = (uint32_t)words[1];
        bool news = interest->fresh || words[2] != interest->sequence || (ready & ~interest->seen);
        interest->ready = ready;
        if (words[1] != SOCK_EPOLL_UNSEEN)
            interest->seen = ready;
        if (interest_poll(reports->sockd, &interest->interest) == 0)
            return true;
        interest->sequence = words[2];
        interest->fresh = false;
        if (news || !(interest->interest.events & LX_EPOLLET))
            reports->push[reports->pushes++] = &interest->interest;
        return true;
    }
    return true;
}

enum status op_epoll_report(void *state, struct ipc_call *call,
                            const struct sock_epoll_report_request *request)
{
    struct sockd *sockd = state;
    struct epoll *epoll;
    struct reports reports = {.sockd = sockd, .count = request->count};
    enum status status = epoll_of_call(sockd, &epoll);
    if (status == ST_OK)
        status = ipc_data_get(call, 0, reports.words, reports.count * sizeof(reports.words[0]));
    if (status != ST_OK)
        return status;
    walk_begin(sockd);
    foreign_each(sockd, epoll, reports_take, &reports);
    /* Afterwards, for it is a walk of its own. */
    for (unsigned i = 0; i < reports.pushes; i++)
        if (!ring_linked(&reports.push[i]->of_ready))
            interest_push(sockd, reports.push[i]);
    return ST_OK;
}
