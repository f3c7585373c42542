/*
 * Sockets that hold each other in flight and that nobody else can reach any more.
 * SPDX-License-Identifier: MIT
 *
 * Mark from what is open (descriptions that somebody has, sessions with their stage and claim)
 * along receive and accept queues. The queue of an unmarked socket can never be read, so all of it
 * goes, and with it what holds the cycle together. As in Linux this happens when some socket
 * closes, here only if an orphan (a socket that only rights hold) exists. The cost is one pass over
 * all objects and over the queues that carry descriptors. No recursion: marked objects are chained
 * through mark_next.
 */
#include "core.h"

static void mark(struct object *object, struct object **work)
{
    if (object->marked)
        return;
    object->marked = true;
    object->mark_next = *work;
    *work = object;
}

static void rights_mark(const struct rights *rights, struct object **work)
{
    if (!rights)
        return;
    for (unsigned i = 0; i < rights->count; i++)
        if (rights->list[i].object)
            mark(rights->list[i].object, work);
}

static void object_scan(struct object *object, struct object **work)
{
    if (object->kind == OBJECT_SESSION) {
        rights_mark(((struct session_object *)object)->stage, work);
        rights_mark(((struct session_object *)object)->claim, work);
        return;
    }
    if (object->kind != OBJECT_SOCKET)
        return;
    const struct socket *socket = socket_of(object);
    if (socket->rights_count)
        for (const struct message *message = socket->first; message; message = message->next)
            rights_mark(message->rights, work);
    for (struct socket *embryo = socket->accept_first; embryo; embryo = embryo->accept_next)
        mark(&embryo->object, work);
}

void orphans_reclaim(struct sockd *sockd)
{
    struct object *work = NULL;
    for (struct object *object = sockd->objects; object; object = object->next) {
        object->marked = false;
        object->mark_next = NULL;
    }
    for (struct object *object = sockd->objects; object; object = object->next)
        if (object->open)
            mark(object, &work);
    while (work) {
        struct object *object = work;
        work = object->mark_next;
        object_scan(object, &work);
    }
    for (struct object *object = sockd->objects; object; object = object->next)
        if (object->kind == OBJECT_SOCKET && !object->marked)
            messages_purge(sockd, socket_of(object));
}
