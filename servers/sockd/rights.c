/*
 * Descriptors in flight: the stage, rights in messages, claims. SPDX-License-Identifier: MIT
 *
 * A set of rights comes with the send, or from the session's stage when it is more than a message
 * holds. It is handed to the message, from there to the receiver's reply and, beyond 8, to its claim.
 * It never exists apart from one of these, so descriptors cannot drift away from their bytes.
 */
#include "queue.h"

struct session_object *session_object_find(struct sockd *sockd, uint64_t principal)
{
    const struct session *session = session_find(&sockd->sessions, principal);
    return session ? (struct session_object *)object_find(sockd, session->badge) : NULL;
}

/* ---- the end of rights ----------------------------------------------------------------------- */

/* Bounds the work of one request; the rest waits for the next entry. */
enum { DROPS_AT_ONCE = 512 };

static bool slots_drop(struct sockd *sockd, struct rights *rights)
{
    while (rights->count) {
        struct right *right = &rights->list[rights->count - 1];
        if (!right->object && right->slot) {
            if (sockd->effects->count >= DROPS_AT_ONCE)
                return false;
            ipc_drop(sockd->effects, right->slot);
        }
        rights->count--;
    }
    mem_free(rights);
    return true;
}

void rights_unref(struct sockd *sockd, struct rights *rights)
{
    if (--rights->refs)
        return;
    account_land(sockd, rights->account, rights->count);
    account_put(sockd, rights->account);
    for (unsigned i = 0; i < rights->count; i++)
        if (rights->list[i].object)
            object_land(sockd, rights->list[i].object);
    if (!slots_drop(sockd, rights)) {
        rights->doomed_next = sockd->doomed;
        sockd->doomed = rights;
        sockd->work_left = true;
    }
}

void doomed_drain(struct sockd *sockd)
{
    struct rights *rights;
    while ((rights = sockd->doomed)) {
        struct rights *next = rights->doomed_next;
        if (!slots_drop(sockd, rights))
            return;
        sockd->doomed = next;
    }
}

/* ---- those that come with the send ----------------------------------------------------------- */

/* Descriptors are our own descriptions or gates of servers that init vouches for; anything else
 * could pose as one. */
static bool cap_is_descriptor(const struct sockd *sockd, const struct ipc_cap *cap)
{
    if (cap->kind == AR_RECEIVED_BADGE) {
        const struct object *object = object_find(sockd, cap->value);
        return object && object->kind != OBJECT_NAME && object->kind != OBJECT_SESSION;
    }
    return cap_is_others_gate(cap);
}

static void right_set(struct sockd *sockd, struct right *right, const struct ipc_cap *cap)
{
    bool own = cap->kind == AR_RECEIVED_BADGE;
    right->object = own ? object_find(sockd, cap->value) : NULL;
    right->slot = own ? 0 : cap->value;
    if (own)
        object_fly(sockd, right->object);
}

bool rights_too_many(const struct sockd *sockd, uint64_t principal, const struct rights *rights)
{
    return rights && flies_too_many(caller_credentials(sockd, principal), rights->account->user,
                                    rights->count);
}

/* With a ref on who pays. */
static enum status rights_create(struct sockd *sockd, struct account *account, unsigned count,
                                 struct rights **out)
{
    if (!account_fly(sockd, account, count))
        return ST_TOOMANYREFS;
    struct rights *rights = mem_alloc_unset(rights_bytes(count));
    if (!rights) {
        account_land(sockd, account, count);
        return ST_NOMEM;
    }
    rights_init(rights, account, count);
    *out = rights;
    return ST_OK;
}

/* Not only gates of other servers: some are our own objects, or nothing that may be sent. */
static __attribute__((noinline)) enum status rights_fill(struct sockd *sockd, struct rights *rights,
                                                         const struct ipc_cap *caps)
{
    for (unsigned i = 0; i < rights->count; i++)
        if (!cap_is_descriptor(sockd, &caps[i])) {
            account_land(sockd, rights->account, rights->count);
            account_put(sockd, rights->account);
            mem_free(rights);
            return ST_BADF;
        }
    for (unsigned i = 0; i < rights->count; i++)
        right_set(sockd, &rights->list[i], &caps[i]);
    return ST_OK;
}

enum status rights_take(struct sockd *sockd, const struct ipc_call *call, struct account *account,
                        unsigned count, struct rights **out)
{
    const struct ipc_cap *caps = &call->caps[call->cap_count - count];
    struct rights *rights;
    enum status status = rights_create(sockd, account, count, &rights);
    if (status != ST_OK) {
        for (unsigned i = 0; i < count; i++)
            if (!cap_is_descriptor(sockd, &caps[i]))
                return ST_BADF; /* what Linux finds first */
        return status;
    }
    for (unsigned i = 0; i < count; i++) {
        if (!cap_is_others_gate(&caps[i])) {
            status = rights_fill(sockd, rights, caps);
            break;
        }
        rights->list[i].object = NULL;
        rights->list[i].slot = caps[i].value;
    }
    if (status == ST_OK)
        *out = rights;
    return status;
}

void rights_return(struct sockd *sockd, struct rights *rights)
{
    for (unsigned i = 0; i < rights->count; i++)
        rights->list[i].slot = 0; /* the request's again, and dropped with it */
    rights_unref(sockd, rights);
}

/* ---- the stage ------------------------------------------------------------------------------- */

/* Room for `more`, which are charged. */
static enum status stage_reserve(struct sockd *sockd, struct session_object *session,
                                 uint64_t principal, unsigned more)
{
    struct rights *stage = session->stage;
    unsigned count = stage ? stage->count : 0;
    struct account *account = stage ? stage->account : account_get(sockd, principal);
    if (!account)
        return ST_NOMEM;
    enum status status = account_fly(sockd, account, more) ? ST_OK : ST_TOOMANYREFS;
    struct rights *bigger = NULL;
    if (status == ST_OK) {
        bigger = mem_resize(stage, rights_bytes(count + more));
        if (!bigger) {
            account_land(sockd, account, more);
            status = ST_NOMEM;
        }
    }
    if (status != ST_OK) {
        if (!stage)
            account_put(sockd, account);
        return status;
    }
    if (!stage) {
        *bigger = (struct rights){.refs = 1, .account = account};
        sockd->kept_rights++;
    }
    session->stage = bigger;
    account->user->staged += more;
    return ST_OK;
}

/* What is on it, or NULL, is the caller's. */
static struct rights *stage_clear(struct sockd *sockd, struct session_object *session)
{
    struct rights *stage = session->stage;
    session->stage = NULL;
    if (stage) {
        sockd->kept_rights--;
        stage->account->user->staged -= stage->count;
    }
    return stage;
}

static void stage_reset(struct sockd *sockd, struct session_object *session)
{
    struct rights *stage = stage_clear(sockd, session);
    if (stage)
        rights_unref(sockd, stage);
}

enum status op_stage(void *state, struct ipc_call *call, const struct sock_stage_request *request,
                     struct sock_stage_reply *reply)
{
    struct sockd *sockd = state;
    struct session_object *session = session_object_find(sockd, call->principal);
    if (!session)
        return ST_SESSION;
    if (request->reset)
        stage_reset(sockd, session);
    unsigned before = session->stage ? session->stage->count : 0;
    for (unsigned i = 0; i < call->cap_count; i++)
        if (!cap_is_descriptor(sockd, &call->caps[i]))
            return ST_BADF;
    if (before + call->cap_count > SOCK_MAX_RIGHTS)
        return ST_TOOMANYREFS;
    if (call->cap_count) {
        enum status status = stage_reserve(sockd, session, call->principal, call->cap_count);
        if (status != ST_OK)
            return status;
    }
    struct rights *stage = session->stage;
    for (unsigned i = 0; i < call->cap_count; i++)
        right_set(sockd, &stage->list[stage->count++], &call->caps[i]);
    reply->staged = stage ? stage->count : 0;
    return ST_OK;
}

enum status stage_take(struct sockd *sockd, uint64_t principal, uint64_t expected,
                       struct rights **out)
{
    struct session_object *session = session_object_find(sockd, principal);
    *out = NULL;
    if (!session)
        return expected ? ST_SESSION : ST_OK;
    if (expected == 0 || !session->stage || session->stage->count != expected) {
        stage_reset(sockd, session); /* left over from a call that a signal ended */
        return expected ? ST_MESSAGE : ST_OK;
    }
    *out = stage_clear(sockd, session);
    if (sockd->orphan_count) /* the queue they go to may be their own */
        sockd->reclaim_wanted = true;
    return ST_OK;
}

void stage_forget(struct sockd *sockd, uint64_t principal)
{
    struct session_object *session = session_object_find(sockd, principal);
    if (session)
        stage_reset(sockd, session);
}

void stage_give_back(struct sockd *sockd, uint64_t principal, struct rights *rights)
{
    struct session_object *session = session_object_find(sockd, principal);
    if (!session || session->stage) {
        rights_unref(sockd, rights);
        return;
    }
    session->stage = rights;
    rights->account->user->staged += rights->count;
    sockd->kept_rights++;
}

/* ---- delivery -------------------------------------------------------------------------------- */

/* Entries [from, to) into the reply. Slots move out unless somebody else still needs them
 * (MSG_PEEK). */
static void rights_reply(struct sockd *sockd, struct ipc_call *call, struct rights *rights,
                         unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++) {
        struct right *right = &rights->list[i];
        if (right->object) {
            object_reply(sockd, call, right->object);
            continue;
        }
        bool move = rights->refs == 1;
        ipc_reply_slot(call, right->slot, move);
        if (move)
            right->slot = 0;
    }
}

static void claim_end(struct sockd *sockd, struct session_object *session)
{
    struct rights *claim = session->claim;
    session->claim = NULL;
    if (!claim)
        return;
    sockd->kept_rights--;
    rights_unref(sockd, claim);
}

/* From flight into a reply. */
static __attribute__((noinline)) void object_hand_over(struct sockd *sockd, struct ipc_reply_cap *cap,
                                                       struct object *object)
{
    *cap = object_in_reply(sockd, object);
    object_land(sockd, object);
}

/* rights_deliver where nobody else has the set, all of it is wanted and one reply holds it. */
static void rights_hand_over(struct sockd *sockd, struct ipc_call *call, struct rights *rights)
{
    unsigned count = rights->count;
    for (unsigned i = 0; i < count; i++) {
        const struct right *right = &rights->list[i];
        struct ipc_reply_cap *cap = &call->reply_caps[i];
        if (right->object) {
            object_hand_over(sockd, cap, right->object);
            continue;
        }
        cap->own_gate = false; /* one by one: there is nothing in between to clear */
        cap->move = true;
        cap->value = right->slot;
    }
    call->reply_cap_count = count;
    account_land(sockd, rights->account, count);
    account_put(sockd, rights->account);
    mem_free(rights);
}

unsigned rights_deliver(struct sockd *sockd, struct ipc_call *call, struct rights *rights,
                        unsigned room)
{
    if (rights && rights->refs == 1 && rights->count <= room && room <= AR_MSG_CAPS &&
        !sockd->kept_rights) {
        unsigned count = rights->count;
        rights_hand_over(sockd, call, rights);
        return count;
    }
    struct session_object *session = NULL;
    if (sockd->kept_rights || room > AR_MSG_CAPS)
        session = session_object_find(sockd, call->principal);
    if (session)
        claim_end(sockd, session);
    if (!rights)
        return 0;
    unsigned wanted = rights->count < room ? rights->count : room;
    if (!session && wanted > AR_MSG_CAPS)
        wanted = AR_MSG_CAPS;
    unsigned now = wanted < AR_MSG_CAPS ? wanted : AR_MSG_CAPS;
    rights_reply(sockd, call, rights, 0, now);
    if (wanted == now) {
        rights_unref(sockd, rights);
        return wanted;
    }
    session->claim = rights;
    sockd->kept_rights++;
    session->claim_next = now;
    session->claim_end = wanted;
    return wanted;
}

enum status op_claim(void *state, struct ipc_call *call, const struct sock_claim_request *request,
                     struct sock_claim_reply *reply)
{
    struct sockd *sockd = state;
    struct session_object *session = session_object_find(sockd, call->principal);
    if (!session)
        return ST_SESSION;
    if (!session->claim)
        return ST_OK;
    if (!request->drop) {
        unsigned from = session->claim_next, to = from + AR_MSG_CAPS;
        if (to > session->claim_end)
            to = session->claim_end;
        rights_reply(sockd, call, session->claim, from, to);
        session->claim_next = to;
        reply->left = session->claim_end - to;
    }
    if (reply->left == 0)
        claim_end(sockd, session);
    return ST_OK;
}

void session_object_release(struct sockd *sockd, struct session_object *session)
{
    stage_reset(sockd, session);
    claim_end(sockd, session);
    sending_end(sockd, session);
    sockd->reclaim_wanted = true;
    struct session *entry = session_find(&sockd->sessions, PRINCIPAL(0, session->thread));
    if (!entry || entry->badge != session->object.badge)
        return;
    struct turn turn;
    bool taken = turn_take(sockd, PRINCIPAL(0, session->thread), &turn);
    session_close(&sockd->sessions, entry, sockd->effects);
    if (taken)
        turn_pass(sockd, PRINCIPAL(0, session->thread), &turn);
}
