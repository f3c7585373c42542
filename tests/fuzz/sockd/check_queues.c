/* A socket's queues, peer, names and rights: see check.c. SPDX-License-Identifier: MIT */
#include "check.h"
#include <string.h>

/* ---- rights ---------------------------------------------------------------------------------- */

void rights_check(const struct sockd *sockd, const struct rights *rights, bool doomed)
{
    struct tally *own = tally_of(rights);
    (void)sockd;
    if (own->live) /* a message's and a claim's, after MSG_PEEK */
        return;
    own->live = true;
    CHECK(doomed == (rights->refs == 0), "rights that nobody has are in use");
    for (unsigned i = 0; i < rights->count; i++) {
        const struct right *right = &rights->list[i];
        if (right->object) {
            CHECK(right->slot == 0, "a right that is an object and a slot");
            if (!doomed)
                tally_of(right->object)->in_flight++;
        } else if (right->slot) {
            slot_claim(right->slot, SLOT_GATE);
        }
    }
    if (doomed)
        return;
    struct tally *account = account_of(rights->account);
    account->refs++;
    account->in_flight += rights->count;
    totals.in_flight += rights->count;
}

/* ---- the receive queue ----------------------------------------------------------------------- */

static void message_check(const struct sockd *sockd, const struct socket *socket,
                          const struct message *message)
{
    const struct socket *sender = message->sender;
    tally_of(sender)->refs++;
    tally_of(sender)->charged += message->charge;
    charge_found(message->account, message->charge);
    CHECK(message->consumed <= message->length, "more was read of a message than it has");
    CHECK(sender->type == socket->type, "a message from a socket of another type");
    if (socket->type == LX_SOCK_STREAM) {
        CHECK(message_unread(message) || message->length == 1, "a chunk that is read is queued");
        CHECK(message->charge == charge_for_chunk(message->length), "the charge of a chunk");
    }
    if (socket->type != LX_SOCK_STREAM)
        CHECK(message->consumed == 0 && message->charge == charge_for_datagram(message->length),
              "a datagram in part, or charged otherwise than Linux does");
    if (message->rights) {
        tally_of(message->rights)->refs++;
        CHECK(message->rights->count > 0, "empty rights in a message");
        rights_check(sockd, message->rights, false);
    }
}

static void sender_check(const struct sockd *sockd, const struct socket *sender)
{
    bool found = false;
    for (const struct object *object = sockd->objects; object && !found; object = object->next)
        found = object == &sender->object;
    if (!found)
        dead_found(sender);
}

static void queue_check(const struct sockd *sockd, const struct socket *socket)
{
    unsigned messages = 0, rights = 0;
    uint64_t unread = 0;
    const struct message *last = NULL, *mark = NULL;
    for (const struct message *message = socket->first; message; message = message->next) {
        CHECK(messages < socket->message_count, "more messages than are counted");
        if (!last || last->sender != message->sender)
            sender_check(sockd, message->sender);
        message_check(sockd, socket, message);
        messages++;
        mark = message == socket->oob ? message : mark;
        if (socket->type == LX_SOCK_STREAM && !message_unread(message)) /* a byte taken by MSG_OOB */
            CHECK(!mark && (!last || message_unread(last)), "a hole behind the mark, or two in a row");
        rights += message->rights != NULL;
        unread += message_unread(message);
        last = message;
    }
    CHECK(socket->oob == mark, "the out-of-band mark is nowhere in the queue");
    CHECK(!mark || (socket->type == LX_SOCK_STREAM && mark->length == 1 && message_unread(mark)),
          "the out-of-band mark is not a byte");
    CHECK(socket->last == last || !socket->first, "the last message is not the last");
    CHECK(socket->message_count == messages, "the number of messages");
    CHECK(socket->rights_count == rights, "the number of messages with rights");
    CHECK(socket->unread == unread, "the number of unread bytes");
}

/* ---- the accept queue ------------------------------------------------------------------------ */

static void accept_queue_check(const struct socket *socket)
{
    unsigned count = 0;
    const struct socket *last = NULL;
    for (const struct socket *embryo = socket->accept_first; embryo;
         embryo = embryo->accept_next) {
        CHECK(count++ < socket->accept_count, "more embryos than are counted");
        CHECK(embryo->listener == socket, "an embryo of another listener");
        CHECK(embryo->type == socket->type && embryo->state == SOCKET_CONNECTED,
              "an embryo that is no connection of its listener's type");
        CHECK(!embryo->object.badge && !embryo->object.in_flight, "an embryo is a descriptor");
        CHECK(embryo->address == socket->address, "an embryo has not its listener's address");
        last = embryo;
    }
    CHECK(socket->accept_last == last, "the last embryo is not the last");
    CHECK(socket->accept_count == count, "the number of embryos");
    CHECK(count == 0 || socket->state == SOCKET_LISTENING, "embryos without a listener");
    CHECK(socket->backlog <= LX_SOMAXCONN, "a backlog above the greatest");
}

static void embryo_check(const struct socket *embryo)
{
    const struct socket *at = embryo->listener->accept_first;
    CHECK(tally_of(&embryo->listener->object) && !embryo->listener->dead, "a dead listener");
    while (at && at != embryo)
        at = at->accept_next;
    CHECK(at, "an embryo is not in its listener's queue");
}

/* ---- peers ----------------------------------------------------------------------------------- */

static void connection_check(const struct sockd *sockd, const struct socket *socket)
{
    const struct socket *peer = socket->peer;
    CHECK((socket->state == SOCKET_CONNECTED) == (peer != NULL), "connected without a peer");
    if (!peer)
        return;
    CHECK(peer->type == socket->type, "a peer of another type");
    if (peer->dead) {
        dead_found(peer);
        CHECK(socket->shutdown == SHUT_BOTH, "a connection outlives its peer");
        return;
    }
    sender_check(sockd, peer);
    CHECK(peer->peer == socket && peer != socket, "a peer of another");
    for (const struct message *message = socket->first; message; message = message->next)
        CHECK(message->sender == peer, "a message of another than the peer");
}

static void peer_check(const struct sockd *sockd, const struct socket *socket)
{
    const struct socket *peer = socket->peer;
    if (peer) {
        tally_of(peer)->refs++;
        tally_of(peer)->peers++;
    }
    if (socket_connection_based(socket)) {
        connection_check(sockd, socket);
        return;
    }
    CHECK(socket->state != SOCKET_LISTENING, "a datagram socket listens");
    CHECK((socket->state == SOCKET_CONNECTED) == (peer != NULL), "connected without a peer");
    if (!peer)
        return;
    CHECK(peer->type == socket->type, "a peer of another type");
    sender_check(sockd, peer);
}

/* ---- names ----------------------------------------------------------------------------------- */

static void names_check(const struct sockd *sockd, const struct socket *socket)
{
    const struct name *name = socket->name, *pending = socket->pending_name;
    CHECK(!name || (name->target == socket && name->committed && tally_of(name)),
          "a name of another socket");
    CHECK(!name || socket->address, "a name without an address");
    CHECK(!pending || (pending->target == socket && !pending->committed), "a pending name");
    CHECK(!name || name != pending, "a name that is committed and pending");
    totals.abstract += socket->abstract;
    if (socket->abstract) {
        struct address address;
        address_out(socket, &address);
        CHECK(!name && address_abstract(&address), "abstract, by a pathname");
        CHECK(abstract_find((struct sockd *)sockd, socket->type, &address) == socket,
              "the registry does not find an abstract name");
    }
}

void registry_check(const struct sockd *sockd)
{
    uint64_t count = 0;
    for (unsigned i = 0; i < ABSTRACT_BUCKETS; i++)
        for (const struct socket *socket = sockd->abstract[i]; socket;
             socket = socket->abstract_next) {
            CHECK(socket->abstract && tally_of(socket)->live, "a stranger in the registry");
            CHECK(++count <= totals.abstract, "more names in the registry than sockets have");
        }
    CHECK(count == totals.abstract, "the registry is not complete");
    for (const struct object *object = sockd->objects; object; object = object->next) {
        if (object->kind != OBJECT_NAME)
            continue;
        const struct name *name = (const struct name *)object;
        const struct socket *target = name->target;
        if (!target)
            continue;
        CHECK(tally_of(target)->live && !target->dead, "a name of a dead socket");
        CHECK(target->name == name || target->pending_name == name, "a socket has another name");
    }
}

void socket_check(const struct sockd *sockd, const struct socket *socket)
{
    CHECK(!socket->dead, "a dead socket is alive");
    CHECK(socket->type == LX_SOCK_STREAM || socket->type == LX_SOCK_DGRAM ||
              socket->type == LX_SOCK_SEQPACKET,
          "a socket of no type");
    CHECK(socket->sndbuf >= LX_MIN_SNDBUF && socket->rcvbuf >= LX_MIN_RCVBUF && socket->rcvlowat > 0,
          "an option out of bounds");
    CHECK(socket->state != SOCKET_LISTENING || (socket->address && !socket->first),
          "a listener without a name, or with data");
    waiters_check(sockd, &socket->room);
    queue_check(sockd, socket);
    accept_queue_check(socket);
    if (socket->listener)
        embryo_check(socket);
    peer_check(sockd, socket);
    names_check(sockd, socket);
}
