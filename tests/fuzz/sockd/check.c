/*
 * Everything that must hold in sockd between two entries: objects, users, totals.
 * SPDX-License-Identifier: MIT
 *
 * One pass over all live objects counts anew what the structures say of themselves; then the
 * numbers are compared. Objects that are released may only be pointed at by peers and messages.
 */
#include "check.h"
#include <string.h>

struct totals totals;
static const struct socket *dead[1024];
static unsigned dead_count;

/* ---- tallies --------------------------------------------------------------------------------- */

enum { TALLIES = 2048 };
static struct tally tallies[TALLIES];
static uint64_t generation;
static unsigned used[TALLIES], used_count; /* of this generation */
static uint64_t slot_claimed[SLOTS];

void tallies_clear(void)
{
    generation++;
    used_count = 0;
}

struct tally *tally_of(const void *key)
{
    uint64_t at = ((uintptr_t)key >> 4) * 0x9e3779b97f4a7c15ull >> 53;
    for (unsigned tries = 0; tries < TALLIES; tries++, at = (at + 1) % TALLIES) {
        struct tally *tally = &tallies[at];
        if (tally->generation != generation) {
            *tally = (struct tally){.key = key, .generation = generation};
            used[used_count++] = (unsigned)at;
        }
        if (tally->key == key)
            return tally;
    }
    check_failed("more objects than there can be", __FILE__, __LINE__);
}

void slot_claim(uint64_t slot, enum slot_use use)
{
    CHECK(slot > 0 && slot < SLOTS && world.slots[slot] == use, "a slot that is not sockd's");
    CHECK(slot_claimed[slot] != generation, "a slot has two owners");
    slot_claimed[slot] = generation;
    totals.slots++;
}

/* ---- objects --------------------------------------------------------------------------------- */

static void badge_check(const struct sockd *sockd, const struct object *object)
{
    if (!object->badge) {
        CHECK(object->kind == OBJECT_SOCKET && ((const struct socket *)object)->listener,
              "an object without a badge that is no embryo");
        CHECK(!object->open, "an open object without a badge");
        return;
    }
    CHECK(object_find(sockd, object->badge) == object, "a badge leads to another object");
    CHECK(object->badge < BADGES, "a badge beyond all that can be in use");
    bool outside = world.copies[object->badge] || world.closing[object->badge];
    CHECK(object->open == outside, "open says otherwise than the copies of the gate");
}

static void object_check(const struct sockd *sockd, const struct object *object)
{
    struct tally *own = tally_of(object), *account = account_of(object->account);
    CHECK(!own->live, "an object is twice on the list");
    own->live = true;
    own->refs++;
    account->refs++;
    account->objects++;
    totals.objects++;
    CHECK(!object->released, "a released object is on the list");
    CHECK(!object->queued_for_release, "an object still waits for its release");
    CHECK(object->previous ? object->previous->next == object : sockd->objects == object,
          "the list of objects is broken");
    CHECK(object->kind == OBJECT_TABLE || (object->ino != 0 && object->ino <= sockd->next_ino),
          "an inode number out of bounds");
    badge_check(sockd, object);
    bool embryo = object->kind == OBJECT_SOCKET && ((const struct socket *)object)->listener;
    CHECK(object->open || object->in_flight || embryo, "nothing holds an object");
    bool orphan = object->kind == OBJECT_SOCKET && !object->open && object->in_flight;
    CHECK(object->orphan == orphan, "orphan is wrong");
    totals.orphans += orphan;
    waiters_check(sockd, &object->waiters);
}

static void pipe_end_check(const struct pipe_end *end)
{
    const struct pipe *pipe = end->pipe;
    CHECK((end->writes ? pipe->writer : pipe->reader) == end, "a pipe does not know its end");
    if (end->writes && pipe->reader) /* counted with the reader */
        return;
    totals.sockets++;
    CHECK(pipe->first < PIPE_PAGES && pipe->count <= PIPE_PAGES, "a pipe's ring is out of bounds");
    for (unsigned i = 0; i < PIPE_PAGES; i++) {
        const struct pipe_page *page = &pipe->pages[(pipe->first + i) % PIPE_PAGES];
        if (i >= pipe->count) {
            CHECK(!page->bytes && !page->length, "an unused page has memory");
            continue;
        }
        CHECK(page->bytes && page->length > 0, "an empty page in a pipe");
        CHECK(page->offset + page->length <= LX_PAGE, "a page is longer than a page");
        charge_found(page->account, LX_PAGE);
    }
}

/* A datagram of its thread that waits: whose, to whom. */
static void sending_check(const struct session_object *session)
{
    const struct socket *ends[] = {session->sending, session->destination};
    CHECK(ends[0] || (!ends[1] && !session->charge), "a datagram that waits is nobody's");
    CHECK(!session->charge || session->has_memory, "a datagram without memory is charged");
    for (unsigned i = 0; i < 2 && ends[0]; i++) {
        if (!ends[i])
            continue;
        tally_of(ends[i])->refs++;
        if (ends[i]->dead)
            dead_found(ends[i]);
    }
    if (session->charge)
        tally_of(session->sending)->charged += session->charge;
}

static void session_object_check(const struct sockd *sockd, const struct session_object *session)
{
    const struct rights *stage = session->stage, *claim = session->claim;
    if (stage) {
        tally_of(stage)->refs++;
        CHECK(stage->refs == 1, "a stage is shared");
        CHECK(stage->count <= SOCK_MAX_RIGHTS, "a stage is longer than a message may have");
        rights_check(sockd, stage, false);
        tally_of(stage->account->user)->staged += stage->count;
    }
    sending_check(session);
    CHECK(!session->writing == !session->chunk, "a send that waits has no chunk, or a chunk no send");
    if (claim) {
        tally_of(claim)->refs++;
        CHECK(session->claim_next < session->claim_end && session->claim_end <= claim->count,
              "a claim with nothing to claim");
        rights_check(sockd, claim, false);
    }
}

static void name_check(const struct name *name)
{
    CHECK(!name->object.in_flight, "a name in flight");
    CHECK(!name->committed == (name->address != NULL), "a name without an address, or with two");
    if (name->address) {
        struct tally *tally = tally_of(name->address);
        tally->what = ADDRESS;
        tally->refs++;
    }
}

static void table_check(const struct table *table)
{
    CHECK(table->line_used <= table->line_length && table->line_length <= TABLE_LINE_MAX,
          "a line of the table is out of bounds");
}

static void pass_over_objects(const struct sockd *sockd)
{
    const struct object *last = NULL;
    for (const struct object *object = sockd->objects; object; object = object->next) {
        CHECK(totals.objects < sockd->object_count, "more objects on the list than are counted");
        CHECK(object->previous == last, "the list of objects is broken");
        object_check(sockd, object);
        switch (object->kind) {
        case OBJECT_SOCKET:
            totals.sockets++;
            belongings_found((const struct socket *)object);
            socket_check(sockd, (const struct socket *)object);
            break;
        case OBJECT_PIPE_END: pipe_end_check((const struct pipe_end *)object); break;
        case OBJECT_SESSION:
            session_object_check(sockd, (const struct session_object *)object);
            break;
        case OBJECT_NAME: name_check((const struct name *)object); break;
        case OBJECT_EVENT:
            CHECK(((const struct event *)object)->value != UINT64_MAX, "a counter overflowed");
            break;
        case OBJECT_EPOLL: epoll_check((const struct epoll *)object); break;
        case OBJECT_TABLE: table_check((const struct table *)object); break;
        default: CHECK(false, "an object of no kind");
        }
        last = object;
    }
}

void belongings_found(const struct socket *socket)
{
    if (socket->address) {
        struct tally *tally = tally_of(socket->address);
        tally->what = ADDRESS;
        tally->refs++;
        CHECK(socket->address->length > LX_SUN_PATH && socket->address->length <= LX_SUN_MAX + 1,
              "an address of no length");
    }
    if (socket->peer_credentials) {
        struct tally *tally = tally_of(socket->peer_credentials);
        tally->what = CREDENTIALS;
        tally->refs++;
    }
}

void dead_found(const struct socket *socket)
{
    const struct object *object = &socket->object;
    struct tally *own = tally_of(object);
    if (own->dead)
        return;
    own->dead = true;
    CHECK(dead_count < sizeof(dead) / sizeof(dead[0]), "more dead sockets than there can be");
    dead[dead_count++] = socket;
    account_of(object->account)->refs++;
    belongings_found(socket);
    CHECK(object->released && socket->dead, "somebody points at a socket that is not on the list");
    CHECK(!object->open && !object->badge && !object->in_flight, "a dead socket is held");
    CHECK(!socket->first && !socket->accept_first && !socket->peer, "a dead socket has queues");
    CHECK(!socket->abstract && !socket->name && !socket->pending_name, "a dead socket is bound");
    CHECK(!object->waiters.first && !socket->room.first, "somebody waits for a dead socket");
}

/* Second pass: what was counted is what is said. */
static void object_compare(const struct object *object)
{
    const struct tally *tally = tally_of(object);
    CHECK(tally->refs == object->refs, "refs of an object");
    CHECK(tally->in_flight == object->in_flight, "in_flight of an object");
    watchers_check(object);
    if (object->kind != OBJECT_SOCKET)
        return;
    const struct socket *socket = (const struct socket *)object;
    CHECK(tally->charged == socket->charged, "what a socket is charged");
    CHECK(tally->peers == socket->datagram_peers, "how many sockets have it as their peer");
}

static void compare_objects(const struct sockd *sockd)
{
    for (const struct object *object = sockd->objects; object; object = object->next)
        object_compare(object);
    for (unsigned i = 0; i < dead_count; i++) {
        CHECK(!tally_of(dead[i])->live, "a dead socket is on the list");
        object_compare(&dead[i]->object);
    }
}

/* ---- accounts, users and totals -------------------------------------------------------------- */

struct tally *account_of(const struct account *account)
{
    struct tally *tally = tally_of(account);
    tally->what = ACCOUNT;
    return tally;
}

void charge_found(const struct account *account, uint64_t bytes)
{
    struct tally *tally = account_of(account);
    tally->refs++;
    tally->messages++;
    tally->charged += bytes;
    totals.queued += bytes;
    totals.messages++;
}

/* An account is found through what it pays for: object, message, page or rights. */
static void account_check(const struct tally *tally)
{
    const struct account *account = tally->key;
    CHECK(tally->refs == account->refs, "refs of an account");
    CHECK(tally->objects == account->objects, "objects of an account");
    CHECK(tally->messages == account->messages, "messages of an account");
    CHECK(tally->in_flight == account->in_flight, "descriptors in flight of an account");
    CHECK(tally->interests == account->interests, "interests of an account");
    CHECK(tally->charged == account->queued, "bytes queued of an account");
    struct tally *user = tally_of(account->user);
    user->refs++;
    user->objects += account->objects;
    user->in_flight += account->in_flight;
    user->interests += account->interests;
    user->charged += account->queued;
}

/* What is counted and is no object: accounts, addresses and credentials. */
static void shared_check(const struct sockd *sockd)
{
    bool recent = false;
    for (unsigned i = 0; i < used_count; i++) { /* it grows meanwhile: by users */
        const struct tally *tally = &tallies[used[i]];
        if (tally->what == ACCOUNT)
            account_check(tally);
        if (tally->what == ADDRESS)
            CHECK(((const struct bound_address *)tally->key)->refs == tally->refs,
                  "refs of an address");
        if (tally->what == CREDENTIALS)
            CHECK(((const struct peer_credentials *)tally->key)->refs == tally->refs,
                  "refs of credentials");
        recent = recent || tally->key == sockd->recent_credentials;
    }
    CHECK(recent || !sockd->recent_credentials, "credentials that nobody has are remembered");
    for (unsigned i = 0; i <= PROCESSES; i++)
        CHECK(!sockd->accounts[i] || tally_of(sockd->accounts[i])->what == ACCOUNT,
              "an account that pays for nothing");
}

static void users_check(const struct sockd *sockd)
{
    const struct sockd_limits *limits = &sockd->limits;
    shared_check(sockd);
    for (const struct user *user = sockd->users; user; user = user->next) {
        const struct tally *tally = tally_of(user);
        for (const struct user *other = user->next; other; other = other->next)
            CHECK(user->uid != other->uid, "two users with one uid");
        CHECK(user->refs > 0 && tally->refs == user->refs, "refs of a user");
        CHECK(tally->objects == user->objects, "objects of a user");
        CHECK(tally->in_flight == user->in_flight, "descriptors in flight of a user");
        CHECK(tally->staged == user->staged, "descriptors on the stages of a user");
        CHECK(tally->interests == user->interests, "interests of a user");
        CHECK(tally->charged == user->queued, "bytes queued of a user");
        CHECK(user->uid == 0 || user->queued <= limits->queued_of_user, "queued over the limit");
        CHECK(user->uid == 0 || user->objects <= limits->objects_of_user, "objects over the limit");
    }
}

static void totals_check(const struct sockd *sockd)
{
    CHECK(totals.objects == sockd->object_count, "the number of objects");
    CHECK(totals.sockets == sockd->socket_count, "the number of sockets and pipes");
    CHECK(totals.orphans == sockd->orphan_count, "the number of orphans");
    CHECK(totals.queued == sockd->queued, "the sum of queued bytes");
    CHECK(totals.in_flight == sockd->in_flight, "the sum of descriptors in flight");
    CHECK(totals.messages == sockd->messages, "the number of queued messages");
    CHECK(totals.interests == sockd->interests, "the number of interests");
    CHECK(sockd->interests <= sockd->limits.interests, "more interests than the limit");
    CHECK(sockd->in_flight <= sockd->limits.in_flight, "more in flight than the limit");
    CHECK(sockd->messages <= sockd->limits.messages, "more messages than the limit");
    CHECK(sockd->queued <= sockd->limits.queued, "queued over the limit of all");
    CHECK(sockd->object_count <= sockd->limits.objects, "objects over the limit of all");
    CHECK(!sockd->release_first && !sockd->reclaim_wanted, "the entry left work behind");
    CHECK(world.slots_owned == totals.slots, "a slot that nothing in sockd names");
}

/* Every badge in use leads to a live object, every other is on the free list. */
static void handles_check(const struct sockd *sockd)
{
    uint32_t used = 0, spare = 0;
    for (uint32_t i = 0; i < sockd->handle_capacity; i++) {
        const struct object *object = object_find(sockd, BADGE_OBJECTS + i);
        if (!object)
            continue;
        used++;
        CHECK(tally_of(object)->live, "a badge leads to a released object");
        CHECK(object->badge == BADGE_OBJECTS + i, "a badge leads to an object that has another");
    }
    for (uint64_t at = sockd->handle_free; at; at = sockd->handles[at - 1].word >> 1) {
        CHECK(at <= sockd->handle_capacity && !object_find(sockd, BADGE_OBJECTS + at - 1),
              "the list of free badges has one in use");
        CHECK(++spare <= sockd->handle_capacity, "the list of free badges is a ring");
    }
    CHECK(used + spare == sockd->handle_capacity, "a badge is neither in use nor free");
    for (uint64_t badge = 0; badge < BADGES; badge++)
        if (world.copies[badge])
            CHECK(object_find(sockd, badge), "a gate that somebody has leads nowhere");
}

void sockd_check(const struct sockd *sockd)
{
    tallies_clear();
    memset(&totals, 0, sizeof(totals));
    dead_count = 0;
    pass_over_objects(sockd);
    for (const struct rights *rights = sockd->doomed; rights; rights = rights->doomed_next)
        rights_check(sockd, rights, true);
    draining_check(sockd);
    sessions_check(sockd);
    registry_check(sockd);
    compare_objects(sockd);
    users_check(sockd);
    handles_check(sockd);
    totals_check(sockd);
}
