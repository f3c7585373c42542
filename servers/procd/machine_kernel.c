/* The machine that procd's core runs on in the guest: kernel invocations.
 * SPDX-License-Identifier: MIT */
#include "objects.h"
#include <ipc/buffer.h>
#include <ipc/kernel.h>
#include <string.h>

#define FRAME_WORDS 56u /* in one invocation */
#define FIRST_WORD 4u

static uint32_t kernel_frame_create(void *machine)
{
    (void)machine;
    return frame_get();
}

static void kernel_frame_destroy(void *machine, uint32_t frame)
{
    (void)machine;
    frame_put(frame);
}

static void kernel_frame_clear(void *machine, uint32_t frame)
{
    (void)machine;
    kernel_must(ar_invoke4(frame_slot(frame), AR_FRAME_CLEAR, 0, 0, 0, 0), "clear a frame");
}

static void kernel_frame_copy(void *machine, uint32_t to, uint32_t from)
{
    (void)machine;
    kernel_must(ar_invoke4(frame_slot(to), AR_FRAME_COPY, frame_slot(from), 0, 0, 0),
                "copy a frame");
}

static void kernel_frame_write(void *machine, uint32_t frame, size_t offset, const void *data,
                               size_t length)
{
    (void)machine;
    while (length) {
        size_t bytes = length < FRAME_WORDS * 8 ? length : FRAME_WORDS * 8;
        struct ar_message m;
        memcpy(&ipc_buffer()->words[FIRST_WORD], data, bytes);
        kernel_must(ar_invoke(frame_slot(frame), AR_FRAME_WRITE, offset, bytes / 8, 0, 0,
                              FIRST_WORD + (unsigned)(bytes / 8), &m), "write a frame");
        offset += bytes;
        data = (const char *)data + bytes;
        length -= bytes;
    }
}

static void kernel_frame_read(void *machine, uint32_t frame, size_t offset, void *data,
                              size_t length)
{
    (void)machine;
    while (length) {
        size_t bytes = length < FRAME_WORDS * 8 ? length : FRAME_WORDS * 8;
        kernel_must(ar_invoke4(frame_slot(frame), AR_FRAME_READ, offset, bytes / 8, 0, 0),
                    "read a frame");
        memcpy(data, &ipc_buffer()->words[FIRST_WORD], bytes);
        offset += bytes;
        data = (char *)data + bytes;
        length -= bytes;
    }
}

static void kernel_trace(void *machine, enum ar_trace what, const uint64_t words[5])
{
    static enum { UNKNOWN, TRACED, NOT_TRACED } state;
    (void)machine;
    if (state == UNKNOWN)
        state = ar_trace(AR_TRACE_ASK, 0, 0, 0, 0, 0) == AR_OK ? TRACED : NOT_TRACED;
    if (state == TRACED)
        ar_trace(what, words[0], words[1], words[2], words[3], words[4]);
}

static uint64_t kernel_now_ns(void *machine)
{
    (void)machine;
    return server_clock_ns();
}

static void kernel_log(void *machine, const char *line)
{
    (void)machine;
    server_log("%s", line);
}

static void kernel_counts(void *machine, struct machine_counts *counts)
{
    (void)machine;
    objects_counts(counts);
    counts->nodes = kernel_slots_nodes();
    counts->threads = kernel_threads_count();
}

const struct procd_machine_ops kernel_machine_ops = {
    .frame_create = kernel_frame_create, .frame_destroy = kernel_frame_destroy,
    .frame_clear = kernel_frame_clear,
    .frame_copy = kernel_frame_copy, .frame_write = kernel_frame_write,
    .frame_read = kernel_frame_read,
    .space_create = kernel_space_create, .space_destroy = kernel_space_destroy,
    .page_map = kernel_page_map,
    .page_protect = kernel_page_protect, .page_unmap = kernel_page_unmap,
    .slots_create = kernel_slots_create,
    .slots_destroy = kernel_slots_destroy, .slots_grow = kernel_slots_grow,
    .slots_copy = kernel_slots_copy,
    .slots_place_gates = kernel_slots_place_gates, .slots_move_in = kernel_slots_move_in,
    .slots_empty = kernel_slots_empty, .slots_used = kernel_slots_used,
    .thread_create = kernel_thread_create,
    .thread_destroy = kernel_thread_destroy, .thread_resume = kernel_thread_resume,
    .thread_suspend = kernel_thread_suspend, .thread_read = kernel_thread_read,
    .thread_write = kernel_thread_write,
    .thread_info = kernel_thread_info, .thread_signal = kernel_thread_signal,
    .thread_set_principal = kernel_thread_set_principal, .thread_set_name = kernel_thread_set_name,
    .trace = kernel_trace, .now_ns = kernel_now_ns, .log = kernel_log,
    .counts = kernel_counts,
};
