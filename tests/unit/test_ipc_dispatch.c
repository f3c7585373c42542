/*
 * Generated code and the host world: requests are validated before a core sees them, stubs and
 * dispatchers agree, and gates close when their last copy is gone. SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <ipc/host.h>
#include <proto/console.h>
#include <proto/io.h>
#include <proto/session.h>
#include <proto/sock.h>

/* A core that remembers what it was asked. */
struct probe {
    unsigned calls, closed_count;
    uint64_t badge, closed_badge, kept;
    enum status answer;
    char text[16];
};

static enum status probe_pipe(void *state, struct ipc_call *call,
                              const struct sock_pipe_request *request)
{
    struct probe *probe = state;
    probe->calls++;
    if (request->flags == 99)
        return ST_INVAL;
    ipc_reply_gate(call, 16);
    ipc_reply_gate(call, 17);
    return ST_OK;
}

static enum status probe_stage(void *state, struct ipc_call *call,
                               const struct sock_stage_request *request,
                               struct sock_stage_reply *reply)
{
    struct probe *probe = state;
    (void)request;
    probe->calls++;
    if (probe->answer != ST_OK)
        return probe->answer;
    probe->badge = call->caps[0].kind == AR_RECEIVED_BADGE ? call->caps[0].value : 0;
    probe->kept = call->caps[0].kind == AR_RECEIVED_CAP ? call->caps[0].value : 0;
    reply->staged = call->cap_count;
    return ST_OK;
}

static enum status probe_claim(void *state, struct ipc_call *call,
                               const struct sock_claim_request *request,
                               struct sock_claim_reply *reply)
{
    struct probe *probe = state;
    (void)request;
    reply->left = 0;
    ipc_reply_slot(call, probe->kept, true);
    return ST_OK;
}

static enum status probe_read(void *state, struct ipc_call *call,
                              const struct io_read_request *request, struct io_read_reply *reply)
{
    struct probe *probe = state;
    probe->calls++;
    reply->count = strlen(probe->text);
    if (request->length < reply->count)
        reply->count = request->length;
    return ipc_data_put(call, 0, probe->text, reply->count);
}

static enum status probe_write(void *state, struct ipc_call *call,
                               const struct io_write_request *request, struct io_write_reply *reply)
{
    struct probe *probe = state;
    probe->calls++;
    reply->count = request->length;
    return ipc_data_get(call, 0, probe->text, request->length);
}

static enum status probe_poll(void *state, struct ipc_call *call,
                              const struct io_poll_request *request, struct io_poll_reply *reply)
{
    struct probe *probe = state;
    (void)request, (void)reply;
    ipc_wake(call->effects, probe->kept);
    return ST_WAIT;
}

static const struct sock_server sock = {
    .pipe = probe_pipe, .stage = probe_stage, .claim = probe_claim};
static const struct io_server io = {.read = probe_read, .write = probe_write, .poll = probe_poll};

static void probe_handle(void *state, struct ipc_call *call)
{
    if (!sock_dispatch(&sock, state, call))
        io_dispatch(&io, state, call);
}

static void probe_closed(void *state, uint64_t badge, struct ipc_effects *effects)
{
    struct probe *probe = state;
    (void)effects;
    probe->closed_count++;
    probe->closed_badge = badge;
}

static struct probe probe, other_probe;
static const struct host_core core = {&probe, probe_handle, probe_closed, ISSUER_SOCKD, NULL};
static const struct host_core other = {&other_probe, probe_handle, probe_closed, ISSUER_FILED, NULL};
static ar_cap root;

static int world(void **state)
{
    (void)state;
    host_reset();
    probe = other_probe = (struct probe){0};
    root = host_gate(&core, 2);
    return 0;
}

static void malformed_requests_never_reach_the_core(void **state)
{
    (void)state;
    struct host_call host;
    host_call_begin(&host, SOCK_PIPE, 2, 0); /* a word is missing */
    assert_true(sock_dispatch(&sock, &probe, &host.call));
    assert_int_equal(host.call.status, ST_MESSAGE);
    host_call_begin(&host, SOCK_PIPE, 2, 0);
    host_call_word(&host, 0);
    host_call_word(&host, 0); /* one too many */
    sock_dispatch(&sock, &probe, &host.call);
    assert_int_equal(host.call.status, ST_MESSAGE);
    host_call_begin(&host, SOCK_STAGE, 2, 0);
    host_call_word(&host, 2); /* above its maximum */
    sock_dispatch(&sock, &probe, &host.call);
    assert_int_equal(host.call.status, ST_MESSAGE);
    host_call_begin(&host, SOCK_PIPE, 2, 0);
    host_call_word(&host, 0);
    /* a capability that the operation does not take: dropped */
    host_call_slot(&host, 300, AR_GATE, ISSUER_FILED);
    sock_dispatch(&sock, &probe, &host.call);
    assert_int_equal(host.call.status, ST_MESSAGE);
    assert_int_equal(host_call_effects(&host, IPC_EFFECT_DROP, 300), 1);
    host_call_begin(&host, SOCK_PIPE + 0x100000, 2, 0);
    assert_false(sock_dispatch(&sock, &probe, &host.call));
    host_call_begin(&host, SOCK_LISTEN, 2, 0); /* not implemented here */
    host_call_word(&host, 0);
    sock_dispatch(&sock, &probe, &host.call);
    assert_int_equal(host.call.status, ST_INVAL);
    assert_int_equal(probe.calls, 0);
}

static void an_error_carries_no_words_and_drops_slots_but_not_badges(void **state)
{
    (void)state;
    struct host_call host;
    probe.answer = ST_BADF;
    host_call_begin(&host, SOCK_STAGE, 2, 0);
    host_call_word(&host, 0);
    host_call_slot(&host, 300, AR_GATE, ISSUER_FILED);
    host_call_badge(&host, 17);
    sock_dispatch(&sock, &probe, &host.call);
    assert_int_equal(host.call.status, ST_BADF);
    assert_int_equal(host.call.reply_word_count, 0);
    assert_int_equal(host.effects.count, 1);
    assert_int_equal(host_call_effects(&host, IPC_EFFECT_DROP, 300), 1);
}

static void stubs_carry_memory_both_ways_over_many_segments(void **state)
{
    (void)state;
    char out_a[3], out_b[8] = {0};
    struct ar_segment in[] = {{(uint64_t)"he", 2}, {(uint64_t)"", 0}, {(uint64_t)"llo!", 4}};
    struct ar_segment out[] = {{(uint64_t)out_a, sizeof(out_a)}, {(uint64_t)out_b, sizeof(out_b)}};
    struct ipc_transfer transfer = {.in = in, .in_count = 3};
    struct io_write_reply written;
    assert_int_equal(io_write(root, -1, 0, 6, &written, &transfer), ST_OK);
    assert_string_equal(probe.text, "hello!");
    /* more than was declared */
    assert_int_equal(io_write(root, -1, 0, 7, &written, &transfer), ST_FAULT);
    struct ipc_transfer back = {.out = out, .out_count = 2};
    struct io_read_reply read;
    assert_int_equal(io_read(root, -1, 0, 100, &read, &back), ST_OK);
    assert_int_equal(read.count, 6);
    assert_memory_equal(out_a, "hel", 3);
    assert_memory_equal(out_b, "lo!", 3);
}

static void gates_close_with_their_last_copy(void **state)
{
    (void)state;
    ar_cap slots[2] = {host_slot(), host_slot()};
    struct ipc_transfer transfer = {.recv_slots = slots, .recv_slot_count = 2};
    assert_int_equal(sock_pipe(root, 0, &transfer), ST_OK);
    assert_int_equal(transfer.received_count, 2);
    assert_int_equal(transfer.first_received.issuer, ISSUER_SOCKD);
    assert_int_equal(host_badge(slots[0]), 16);
    ar_cap copy = host_copy(slots[1]);
    host_delete(slots[1]);
    assert_int_equal(probe.closed_count, 0);
    host_delete(copy);
    assert_int_equal(probe.closed_count, 1);
    assert_int_equal(probe.closed_badge, 17);
    assert_int_equal(sock_pipe(slots[1], 0, NULL), ST_BADF);
    assert_int_equal(host_slots_used(), 2);
}

static void too_few_receive_slots_lose_the_gates_and_say_so(void **state)
{
    (void)state;
    ar_cap slot = host_slot();
    struct ipc_transfer transfer = {.recv_slots = &slot, .recv_slot_count = 1};
    assert_int_equal(sock_pipe(root, 0, &transfer), ST_SLOTS);
    assert_int_equal(probe.closed_count, 2);
    assert_int_equal(host_slots_used(), 1);
}

static void own_gates_arrive_as_badges_and_others_as_slots(void **state)
{
    (void)state;
    struct sock_stage_reply reply;
    ar_cap mine = host_gate(&core, 20), foreign = host_gate(&other, 21);
    uint64_t caps[] = {mine};
    struct ipc_transfer transfer = {.caps = caps, .cap_count = 1};
    assert_int_equal(sock_stage(root, 0, &reply, &transfer), ST_OK);
    assert_int_equal(probe.badge, 20);
    caps[0] = foreign | AR_CAP_MOVE;
    assert_int_equal(sock_stage(root, 0, &reply, &transfer), ST_OK);
    assert_int_not_equal(probe.kept, 0);
    assert_int_equal(host_badge(foreign), 0);
    assert_int_equal(other_probe.closed_count, 0); /* in flight, the core holds it */
    ar_cap slot = host_slot();
    struct ipc_transfer claim = {.recv_slots = &slot, .recv_slot_count = 1};
    struct sock_claim_reply left;
    assert_int_equal(sock_claim(root, 0, &left, &claim), ST_OK);
    assert_int_equal(host_badge(slot), 21);
    host_delete(slot);
    assert_int_equal(other_probe.closed_badge, 21);
}

static void effects_reach_notifications(void **state)
{
    (void)state;
    struct io_poll_reply reply;
    ar_cap notification = host_notification();
    probe.kept = notification;
    assert_int_equal(io_poll(root, 1, 1, &reply), ST_WAIT);
    assert_int_equal(host_signals(notification), 1);
    assert_int_equal(host_signals(notification), 0);
}

static void the_printer_names_the_fields(void **state)
{
    (void)state;
    char line[120];
    const uint64_t words[] = {(uint64_t)-1, 0, 5, 0};
    io_print(line, sizeof(line), IO_READ, false, words, 3);
    assert_string_equal(line, "io.read(offset=-1, flags=0, length=5)");
    io_print(line, sizeof(line), IO_READ, true, words + 2, 2);
    assert_string_equal(line, "io.read ->(count=5, armed=0)");
    io_print(line, sizeof(line), IO_READ, false, words, 1);
    assert_non_null(strstr(line, "?"));
}

static void statuses_have_names(void **state)
{
    (void)state;
    assert_string_equal(status_name(ST_OK), "OK");
    assert_string_equal(status_name(ST_CONNREFUSED), "CONNREFUSED");
    assert_string_equal(status_name((enum status)9999), "?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(malformed_requests_never_reach_the_core, world),
        cmocka_unit_test_setup(an_error_carries_no_words_and_drops_slots_but_not_badges, world),
        cmocka_unit_test_setup(stubs_carry_memory_both_ways_over_many_segments, world),
        cmocka_unit_test_setup(gates_close_with_their_last_copy, world),
        cmocka_unit_test_setup(too_few_receive_slots_lose_the_gates_and_say_so, world),
        cmocka_unit_test_setup(own_gates_arrive_as_badges_and_others_as_slots, world),
        cmocka_unit_test_setup(effects_reach_notifications, world),
        cmocka_unit_test_setup(the_printer_names_the_fields, world),
        cmocka_unit_test_setup(statuses_have_names, world),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    host_reset();
    return failed;
}
