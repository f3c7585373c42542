/*
 * Sockets that hold each other in flight and that nobody else can reach any more.
 * SPDX-License-Identifier: MIT
 *
 * MARK from what is open (descriptions that somebody has, sessions with their stage and claim)
 * along receive and accept queues. What is left are orphans that nobody can receive. No recursion:
 * marked objects are chained through mark_next.
 *
 * CIRCLES. A socket holds those in its queue. Among the orphans that are left some hold each other
 * in a circle, or themselves: their queues are emptied, of everything, and so their peers see an end
 * of file. The others are only held by those, at the end of however long a chain, and end by
 * themselves when the circles are broken: as if closed, so that who had sent them something gets
 * ECONNRESET. Linux tells the two apart as well. A circle is a strongly connected component of the
 * graph "holds" with more than one vertex, or with an edge to itself; Tarjan's algorithm, with the
 * path kept in the vertices, finds them in one pass over the queues.
 *
 * As in Linux this happens when some socket closes, here only if an orphan (a socket that only
 * rights hold) exists. The cost is one pass over all objects and over the queues that carry
 * descriptors; the vertices are memory for as long as it takes, and less than their sockets are.
 * When there is none all queues are emptied: what nobody can reach must not stay.
 */
#include "queue.h"

struct vertex {
    struct socket *socket;
    struct vertex *before;  /* on the path: who holds it */
    struct vertex *below;   /* on the stack of those whose circle is not known yet */
    unsigned index, lowest; /* 0: not met yet; the first of those below that it leads back to */
    bool stacked, circular;
    /* The next edge: a right of a message in its queue, or in the queue of an embryo of its. */
    struct socket *queue;
    struct message *message;
    unsigned right;
};

struct search {
    struct vertex *stack;
    unsigned met;
};

/* ---- mark ------------------------------------------------------------------------------------ */

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

static void reachable_mark(struct sockd *sockd)
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
}

static bool is_lost(const struct object *object)
{
    return object->orphan && !object->marked;
}

/* ---- circles --------------------------------------------------------------------------------- */

static void queue_enter(struct vertex *vertex, struct socket *queue)
{
    vertex->queue = queue;
    vertex->message = queue->rights_count ? queue->first : NULL;
    vertex->right = 0;
}

/* The next lost one that it holds; NULL: that was all. */
static struct vertex *next_held(struct vertex *vertex)
{
    for (;;) {
        while (vertex->message) {
            const struct rights *rights = vertex->message->rights;
            while (rights && vertex->right < rights->count) {
                const struct object *object = rights->list[vertex->right++].object;
                if (object && is_lost(object))
                    return object->vertex;
            }
            vertex->message = vertex->message->next;
            vertex->right = 0;
        }
        struct socket *queue = vertex->queue == vertex->socket ? vertex->socket->accept_first
                                                               : vertex->queue->accept_next;
        if (!queue)
            return NULL;
        queue_enter(vertex, queue);
    }
}

static void vertex_enter(struct search *search, struct vertex *vertex, struct vertex *before)
{
    vertex->before = before;
    vertex->index = vertex->lowest = ++search->met;
    vertex->below = search->stack;
    vertex->stacked = true;
    search->stack = vertex;
    queue_enter(vertex, vertex->socket);
}

/* All that it holds has been looked at: those above it on the stack make a circle with it if it leads
 * back to nothing older. */
static void vertex_leave(struct search *search, struct vertex *vertex)
{
    if (vertex->before && vertex->lowest < vertex->before->lowest)
        vertex->before->lowest = vertex->lowest;
    if (vertex->lowest != vertex->index)
        return;
    bool several = search->stack != vertex;
    struct vertex *top;
    do {
        top = search->stack;
        search->stack = top->below;
        top->stacked = false;
        top->circular |= several;
    } while (top != vertex);
}

static void circles_find(struct search *search, struct vertex *start)
{
    struct vertex *vertex = start;
    vertex_enter(search, start, NULL);
    while (vertex) {
        struct vertex *held = next_held(vertex);
        if (!held) {
            vertex_leave(search, vertex);
            vertex = vertex->before;
        } else if (!held->index) {
            vertex_enter(search, held, vertex);
            vertex = held;
        } else if (held->stacked) {
            vertex->circular |= held == vertex;
            if (held->index < vertex->lowest)
                vertex->lowest = held->index;
        }
    }
}

/* ---- reclaim --------------------------------------------------------------------------------- */

static void queues_empty(struct sockd *sockd, struct socket *socket)
{
    messages_purge(sockd, socket);
    for (struct socket *embryo = socket->accept_first; embryo; embryo = embryo->accept_next)
        messages_purge(sockd, embryo);
}

static void circles_reclaim(struct sockd *sockd, struct vertex *vertices, unsigned count)
{
    struct search search = {0};
    for (unsigned i = 0; i < count; i++)
        if (!vertices[i].index)
            circles_find(&search, &vertices[i]);
    for (unsigned i = 0; i < count; i++)
        if (vertices[i].circular)
            queues_empty(sockd, vertices[i].socket);
}

void orphans_reclaim(struct sockd *sockd)
{
    unsigned lost = 0, count = 0;
    reachable_mark(sockd);
    for (struct object *object = sockd->objects; object; object = object->next)
        lost += is_lost(object);
    if (!lost)
        return;
    struct vertex *vertices = mem_alloc(lost * sizeof(*vertices));
    for (struct object *object = sockd->objects; object; object = object->next) {
        if (!is_lost(object))
            continue;
        if (vertices) {
            vertices[count].socket = socket_of(object);
            object->vertex = &vertices[count++];
        } else {
            queues_empty(sockd, socket_of(object));
        }
    }
    if (vertices)
        circles_reclaim(sockd, vertices, count);
    mem_free(vertices);
}
