/*
 * Who pays, and how much one process may hold. SPDX-License-Identifier: MIT
 *
 * Everything that a client can make grow is counted three times: for the process that made it, for
 * its real uid, and for all. A process may hold at most a fixed multiple (its share) of what is
 * then left for everybody else. So a single process may have most of it; k processes that all take
 * what they can leave 1 / (1 + k * share); and whoever asks next gets some of that, whatever the
 * others do. A fixed part for each would be either too small for one or too large for many.
 *
 * An account lives as long as something is charged to it, which may be longer than its process: a
 * description that was handed away is paid for by the process that made it (accept: that called
 * accept) until it is freed, a message by the process that sent it, through whichever description.
 */
#include "queue.h"

/* So 20,000 descriptors in one process fit beside many others, but nobody's data can push out half
 * of everybody's. */
enum { SHARE_OBJECTS = 4, SHARE_QUEUED = 1, SHARE_MESSAGES = 1, SHARE_INTERESTS = 4 };

/* ---- users and accounts ---------------------------------------------------------------------- */

static const struct credentials nobody = {.ruid = LX_OVERFLOW_ID,
                                          .euid = LX_OVERFLOW_ID,
                                          .suid = LX_OVERFLOW_ID,
                                          .fsuid = LX_OVERFLOW_ID,
                                          .rgid = LX_OVERFLOW_ID,
                                          .egid = LX_OVERFLOW_ID,
                                          .sgid = LX_OVERFLOW_ID,
                                          .fsgid = LX_OVERFLOW_ID};

const struct credentials *caller_credentials(const struct sockd *sockd, uint64_t principal)
{
    uint32_t process = PRINCIPAL_PROCESS(principal);
    return process < CREDENTIALS_MAX ? &sockd->credentials[process] : &nobody;
}

static struct user *user_get(struct sockd *sockd, uint32_t uid)
{
    struct user *user = sockd->users;
    while (user && user->uid != uid)
        user = user->next;
    if (!user) {
        user = mem_alloc(sizeof(*user));
        if (!user)
            return NULL;
        user->uid = uid;
        user->next = sockd->users;
        sockd->users = user;
    }
    user->refs++;
    return user;
}

static void user_put(struct sockd *sockd, struct user *user)
{
    if (--user->refs)
        return;
    struct user **link = &sockd->users;
    while (*link != user)
        link = &(*link)->next;
    *link = user->next;
    mem_free(user);
}

/* The entry may be that of an earlier process with this index, or of this one with another uid:
 * then a new account takes its place, and the old one lives for what it still pays. */
struct account *account_get(struct sockd *sockd, uint64_t principal)
{
    struct account *account = account_find(sockd, principal);
    if (account) {
        account->refs++;
        return account;
    }
    const struct credentials *caller = caller_credentials(sockd, principal);
    uint32_t index = PRINCIPAL_PROCESS(principal);
    if (index >= CREDENTIALS_MAX)
        index = 0; /* nobody is process 0 */
    struct user *user = user_get(sockd, caller->ruid);
    if (!user)
        return NULL;
    account = mem_alloc(sizeof(*account));
    if (!account) {
        user_put(sockd, user);
        return NULL;
    }
    *account = (struct account){.user = user, .index = index, .pid = caller->pid, .refs = 1};
    sockd->accounts[index] = account;
    return account;
}

void account_end(struct sockd *sockd, struct account *account)
{
    if (sockd->accounts[account->index] == account)
        sockd->accounts[account->index] = NULL;
    user_put(sockd, account->user);
    mem_free(account);
}

/* ---- what is charged ------------------------------------------------------------------------- */

static bool user_has_room(const struct user *user, uint64_t held, uint64_t more, uint64_t limit)
{
    return user->uid == 0 || held + more <= limit;
}

enum status account_take_object(struct sockd *sockd, struct account *account)
{
    const struct sockd_limits *limits = &sockd->limits;
    struct user *user = account->user;
    if (sockd->object_count >= limits->objects ||
        !user_has_room(user, user->objects, 1, limits->objects_of_user))
        return ST_NFILE;
    if (!within_share(account->objects, 1, sockd->object_count, limits->objects, SHARE_OBJECTS))
        return ST_MFILE;
    sockd->object_count++;
    user->objects++;
    account->objects++;
    return ST_OK;
}

void account_drop_object(struct sockd *sockd, struct account *account)
{
    sockd->object_count--;
    account->user->objects--;
    account->objects--;
}

enum status account_move_object(struct sockd *sockd, struct object *object, uint64_t principal)
{
    struct account *from = object->account, *to = account_get(sockd, principal);
    if (!to)
        return ST_NOMEM;
    enum status status = ST_OK;
    if (to != from) {
        account_drop_object(sockd, from);
        status = account_take_object(sockd, to);
        if (status == ST_OK) {
            object->account = to;
            account_put(sockd, from);
            return ST_OK;
        }
        sockd->object_count++;
        from->user->objects++;
        from->objects++;
    }
    account_put(sockd, to);
    return status;
}

struct account *account_charge(struct sockd *sockd, uint64_t principal, uint64_t bytes)
{
    const struct sockd_limits *limits = &sockd->limits;
    struct account *account = account_get(sockd, principal);
    if (!account)
        return NULL;
    if (!user_has_room(account->user, account->user->queued, bytes, limits->queued_of_user) ||
        !within_share(account->queued, bytes, sockd->queued, limits->queued, SHARE_QUEUED) ||
        !within_share(account->messages, 1, sockd->messages, limits->messages, SHARE_MESSAGES)) {
        account_put(sockd, account);
        return NULL;
    }
    account_add(sockd, account, bytes);
    return account;
}

enum status account_watch(struct sockd *sockd, struct account *account)
{
    uint64_t limit = sockd->limits.interests;
    if (!user_has_room(account->user, account->user->interests, 1, limit / 2) ||
        !within_share(account->interests, 1, sockd->interests, limit, SHARE_INTERESTS))
        return ST_NOSPC;
    sockd->interests++;
    account->user->interests++;
    account->interests++;
    return ST_OK;
}

void account_unwatch(struct sockd *sockd, struct account *account)
{
    sockd->interests--;
    account->user->interests--;
    account->interests--;
}
