/*
 * From a path to a node: path_resolution(7). SPDX-License-Identifier: MIT
 *
 * A stack of texts: the path at the bottom, above it the text of each symbolic link met on the
 * way, the top one being read. A text that is used up leaves the stack at once, so an empty
 * stack after a component says that it was the last.
 */
#include "filed.h"
#include <string.h>

struct text {
    const char *at;
    size_t left;
    bool original; /* the path itself, not a link's text */
};

struct stack {
    struct text texts[FILED_SYMLINKS_MAX + 1];
    unsigned count;
};

/* Pass over slashes and what is used up; true when there was a slash. */
static bool stack_skip(struct stack *stack)
{
    bool slash = false;
    while (stack->count > 0) {
        struct text *top = &stack->texts[stack->count - 1];
        while (top->left > 0 && *top->at == '/') {
            top->at++;
            top->left--;
            slash = true;
        }
        if (top->left > 0)
            break;
        stack->count--;
    }
    return slash;
}

/* The next component, taken off; the stack is not empty and at no slash. */
static const char *stack_take(struct stack *stack, size_t *length)
{
    struct text *top = &stack->texts[stack->count - 1];
    const char *name = top->at;
    size_t end = 0; /* names are short: not worth a call of memchr */
    while (end < top->left && name[end] != '/')
        end++;
    *length = end;
    top->at += end;
    top->left -= end;
    return name;
}

static void stack_push(struct stack *stack, const char *text, size_t length, bool original)
{
    stack->texts[stack->count++] = (struct text){text, length, original};
}

/* What kind of component this is. */
static enum walk_last name_kind(const char *name, size_t length)
{
    if (length == 1 && name[0] == '.')
        return LAST_DOT;
    if (length == 2 && name[0] == '.' && name[1] == '.')
        return LAST_DOTDOT;
    return LAST_NAME;
}

/* Inside a mount: does what is left climb out again, by its own text? Then the stack goes on
 * behind the ".." that does. */
static bool stack_leaves_mount(struct stack *stack, bool *slash)
{
    struct stack ahead = *stack;
    uint64_t depth = 0;
    while (ahead.count > 0) {
        size_t length;
        const char *name = stack_take(&ahead, &length);
        bool slash_after = stack_skip(&ahead);
        switch (name_kind(name, length)) {
        case LAST_DOTDOT:
            if (depth == 0) {
                *stack = ahead;
                *slash = slash_after;
                return true;
            }
            depth--;
            break;
        case LAST_NAME:
            depth++;
            break;
        default:
            break;
        }
    }
    return false;
}

static enum status mount_redirect(const struct stack *stack, const struct node *node,
                                  struct walk *walk)
{
    walk->mount_slot = node->mount_slot;
    walk->rest = 0;
    if (stack->count == 0)
        return ST_REDIRECT;
    if (stack->count > 1 || !stack->texts[0].original)
        return ST_XDEV;
    walk->rest = stack->texts[0].left;
    return ST_REDIRECT;
}

/* The walk ends at a directory without a name of its own here: "/", "." or "..". */
static enum status walk_end_at(struct walk *walk, struct node *directory, enum walk_last last)
{
    walk->directory = walk->node = directory;
    walk->entry = directory->directory.self;
    walk->last = last;
    return ST_OK;
}

/* The last component. ST_OK and *done false: it is a symbolic link to follow. */
static enum status walk_last_name(struct walk *walk, struct node *directory, struct entry *entry,
                                  bool *done)
{
    struct node *node = entry ? entry->node : NULL;
    *done = true;
    walk->directory = directory;
    walk->entry = entry;
    walk->node = node;
    walk->last = LAST_NAME;
    if (walk->flags & WALK_PARENT)
        return ST_OK;
    if ((walk->flags & WALK_CREATE) && walk->slash)
        return ST_ISDIR;
    if (!node)
        return walk->flags & WALK_CREATE ? ST_OK : ST_NOENT;
    if (S_ISLNK(node->mode) && ((walk->flags & WALK_FOLLOW) || walk->slash)) {
        *done = false;
        return ST_OK;
    }
    return walk->slash && !node_is_directory(node) ? ST_NOTDIR : ST_OK;
}

enum status walk_path(struct filed *filed, const struct caller *caller, struct walk *walk)
{
    struct stack stack = {.count = 0};
    struct node *current = walk->path[0] == '/' ? filed->root : walk->start;
    unsigned links = 0;
    stack_push(&stack, walk->path, walk->length, true);
    walk->slash = stack_skip(&stack) && stack.count == 0;
    enum walk_last last = LAST_ROOT;
    while (stack.count > 0) {
        if (!node_is_directory(current))
            return ST_NOTDIR;
        if (!caller_may(caller, current, MAY_EXEC))
            return ST_ACCES;
        const char *name = stack_take(&stack, &walk->name_length);
        walk->name = name;
        bool slash = stack_skip(&stack);
        if (stack.count == 0)
            walk->slash |= slash;
        last = name_kind(name, walk->name_length);
        if (last == LAST_DOTDOT)
            current = node_parent(filed, current);
        if (last != LAST_NAME)
            continue;
        if (walk->name_length > FILED_NAME_MAX)
            return ST_NAMETOOLONG;
        struct entry *entry = entry_find(filed, current, name, walk->name_length);
        struct node *node = entry ? entry->node : NULL;
        bool done = false;
        if (node && node->mount_slot && !(stack.count == 0 && (walk->flags & WALK_PARENT))) {
            if (!stack_leaves_mount(&stack, &slash))
                return mount_redirect(&stack, node, walk);
            if (stack.count == 0)
                walk->slash |= slash;
            last = LAST_DOTDOT; /* of the mount: where we are already */
            continue;
        }
        if (stack.count == 0) {
            enum status status = walk_last_name(walk, current, entry, &done);
            if (status || done)
                return status;
        } else if (!node) {
            return ST_NOENT;
        }
        if (S_ISLNK(node->mode)) {
            if (++links > FILED_SYMLINKS_MAX)
                return ST_LOOP;
            if (node->link.text[0] == '/')
                current = filed->root;
            last = LAST_ROOT;
            stack_push(&stack, node->link.text, node->link.length, false);
            if (stack_skip(&stack) && stack.count == 0)
                walk->slash = true;
            continue;
        }
        current = node;
    }
    return walk_end_at(walk, current, last);
}

enum status walk_new(struct filed *filed, const struct caller *caller, struct walk *walk,
                     bool directory)
{
    walk->flags = WALK_PARENT;
    enum status status = walk_path(filed, caller, walk);
    if (status)
        return status == ST_REDIRECT ? ST_PERM : status;
    if (walk->last != LAST_NAME || walk->node)
        return ST_EXIST;
    if (walk->slash && !directory)
        return ST_NOENT;
    if (walk->directory->nlink == 0)
        return ST_NOENT;
    return caller_may(caller, walk->directory, MAY_WRITE | MAY_EXEC) ? ST_OK : ST_ACCES;
}
