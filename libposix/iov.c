/*
 * The program's memory for one transfer, as the segments that a message can declare.
 * SPDX-License-Identifier: MIT
 */
#include "files.h"

long iov_single(struct iov_list *list, uint64_t user, uint64_t length)
{
    if (length > LX_RW_MAX)
        length = LX_RW_MAX;
    list->total = length;
    list->count = length > 0;
    return user_segment(&list->segments[0], (const void *)user, length);
}

long iov_import(struct iov_list *list, uint64_t user, uint64_t count)
{
    list->count = 0;
    list->total = 0;
    if (count > LX_IOV_MAX)
        return ERR(INVAL);
    /* The array is read into the list's own room; entries are rewritten in place, never ahead of
     * the one being read. */
    if (user_read(list->segments, (const void *)user, count * sizeof(struct linux_iovec)))
        return ERR(FAULT);
    _Static_assert(sizeof(struct linux_iovec) == sizeof(struct ar_segment), "read in place");
    for (uint64_t i = 0; i < count; i++) {
        uint64_t base = list->segments[i].address, length = list->segments[i].length;
        if ((int64_t)length < 0)
            return ERR(INVAL);
        if (!user_range_ok((const void *)base, length))
            return ERR(FAULT);
        if (length > LX_RW_MAX - list->total)
            length = LX_RW_MAX - list->total;
        if (length == 0)
            continue;
        list->segments[list->count++] = (struct ar_segment){base, length};
        list->total += length;
    }
    return 0;
}

/* Find byte `skip`: the index of its segment; *offset inside that. */
static unsigned list_find(const struct iov_list *list, uint64_t skip, uint64_t *offset)
{
    unsigned i = 0;
    while (i < list->count && skip >= list->segments[i].length)
        skip -= list->segments[i++].length;
    *offset = skip;
    return i;
}

void iov_shorten(struct iov_list *list, uint64_t total)
{
    if (total >= list->total)
        return;
    uint64_t offset;
    list->count = list_find(list, total, &offset);
    if (offset > 0)
        list->segments[list->count++].length = offset;
    list->total = total;
}

/* Copy between a buffer and the list's bytes from `skip` on. */
static long list_copy(const struct iov_list *list, uint64_t skip, char *buffer, uint64_t length,
                      bool to_user)
{
    uint64_t offset;
    for (unsigned i = list_find(list, skip, &offset); length > 0 && i < list->count;
         i++, offset = 0) {
        uint64_t part = list->segments[i].length - offset;
        if (part > length)
            part = length;
        void *user = (void *)(list->segments[i].address + offset);
        if (to_user ? user_write(user, buffer, part) : user_read(buffer, user, part))
            return ERR(FAULT);
        buffer += part;
        length -= part;
    }
    return 0;
}

long iov_put(const struct iov_list *list, uint64_t skip, void *bytes, uint64_t length)
{
    return list_copy(list, skip, bytes, length, true);
}

/* More segments than a message declares: all go through one buffer, so that the server still
 * sees one message. */
static long window_buffer(struct iov_window *window, const struct iov_list *list, uint64_t skip,
                          bool write)
{
    uint64_t length = list->total - skip;
    if (length > IOV_BUFFER)
        length = IOV_BUFFER;
    /* What a server takes out of a queue must not be lost to a bad segment afterwards. */
    if (write && user_touch(list->segments, list->count, true))
        return ERR(FAULT);
    window->buffer = private_alloc(length);
    if (!window->buffer)
        return ERR(NOMEM);
    if (!write && list_copy(list, skip, window->buffer, length, false)) {
        private_free(window->buffer);
        return ERR(FAULT);
    }
    window->buffered = (struct ar_segment){(uint64_t)window->buffer, length};
    window->segments = &window->buffered;
    window->count = 1;
    window->length = length;
    return 0;
}

long iov_window_begin(struct iov_window *window, const struct iov_list *list, uint64_t skip,
                      unsigned most, bool write)
{
    window->buffer = NULL;
    window->length = list->total - skip;
    if (skip == 0 && list->count <= most) {
        window->segments = list->segments;
        window->count = list->count;
        return 0;
    }
    window->segments = window->own;
    window->count = 0;
    uint64_t offset;
    unsigned first = list_find(list, skip, &offset);
    if (list->count - first > most)
        return window_buffer(window, list, skip, write);
    for (unsigned i = first; i < list->count; i++, offset = 0)
        window->own[window->count++] = (struct ar_segment){list->segments[i].address + offset,
                                                           list->segments[i].length - offset};
    return 0;
}

long iov_window_end(struct iov_window *window, const struct iov_list *list, uint64_t skip,
                    uint64_t received)
{
    if (!window->buffer)
        return 0;
    long error = list_copy(list, skip, window->buffer, received, true);
    private_free(window->buffer);
    window->buffer = NULL;
    return error;
}
