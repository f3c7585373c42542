/*
 * Every invocation with every word wrong in every way that its declaration
 * (microkernel/api/invocations.toml) knows: the documented error, the number of the word, what was
 * expected, what was found; and no byte of the machine changes. SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "invocation_list.h"
#include "kernel_decode_cases.h"
#include "kernel_host.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LIST_SIZE = sizeof(invocation_list) / sizeof(invocation_list[0]), WORDS = AR_REGS_WORDS };

/* ---- the machine ----------------------------------------------------------------------------- */

static void retype(enum ar_type type, unsigned bits, ar_cap slot)
{
    assert_int_equal(host_invoke(host_main, UNTYPED, AR_UNTYPED_RETYPE, type, bits, slot, 1),
                     AR_OK);
}

static void insert(ar_cap slot, const struct cap *value)
{
    struct cap cap = *value;
    cap.rights = AR_ALL;
    cap_insert(host_slot(slot), &cap, NULL);
}

static int setup(void **state)
{
    (void)state;
    host_machine_start();
    retype(AR_FRAME, 21, LARGE_FRAME);
    retype(AR_CNODE, 8, CNODE);
    retype(AR_CNODE, 4, ROOT);
    retype(AR_ENDPOINT, 0, ENDPOINT);
    retype(AR_ENDPOINT, 0, ISSUED);
    retype(AR_GATE, 0, GATE);
    retype(AR_GATE, 0, FREE_GATE);
    retype(AR_NOTIFICATION, 0, NOTIFICATION);
    retype(AR_NOTIFICATION, 0, OTHER_NOTIFICATION);
    retype(AR_REPLY, 0, REPLY);
    retype(AR_TCB, 0, TCB);
    retype(AR_TCB, 0, NEW_TCB);
    retype(AR_VSPACE, 0, VSPACE);
    retype(AR_TABLE, 0, TABLE);
    retype(AR_FRAME, 12, FRAME);
    retype(AR_FRAME, 12, SOURCE_FRAME);
    for (unsigned i = 0; i < 3; i++) {
        retype(AR_TABLE, 0, TABLES + i);
        assert_int_equal(host_invoke(host_main, VSPACE, AR_VSPACE_MAP_TABLE, TABLES + i, MAPPED, 0, 0),
                         AR_OK);
    }
    retype(AR_FRAME, 12, MAPPED_FRAME);
    assert_int_equal(host_invoke(host_main, MAPPED_FRAME, AR_FRAME_MAP, VSPACE, MAPPED, AR_ALL, 0),
                     AR_OK);
    insert(IRQ_CONTROL, &(struct cap){.type = AR_IRQ_CONTROL, .flags = CAP_ORIGINAL});
    insert(IRQ, &(struct cap){.type = AR_IRQ, .object = IRQ_TAKEN});
    core.irq[IRQ_TAKEN].given = true;
    insert(PORT, &(struct cap){.type = AR_PORT, .flags = CAP_ORIGINAL, .object = 100 | 199 << 16});
    insert(LOG, &(struct cap){.type = AR_LOG, .flags = CAP_ORIGINAL});
    host_device(DEVICE_UNTYPED, 14);
    assert_int_equal(host_invoke(host_main, DEVICE_UNTYPED, AR_UNTYPED_RETYPE, AR_FRAME, 12,
                                 DEVICE_FRAME, 1),
                     AR_OK);
    retype(AR_CNODE, 4, FULL_ROOT);
    retype(AR_CNODE, 8, LEAF);
    assert_int_equal(host_invoke(host_main, FULL_ROOT, AR_CNODE_SET_LEAF, 1, LEAF, 0, 0), AR_OK);
    insert(SELF_TCB, &(struct cap){.type = AR_TCB, .object = (uint64_t)host_main});
    host_thread(READY_TCB, 5);
    host_main->buffer->words[4] = 0;
    assert_int_equal(host_syscall(host_main, AR_SYS_INVOKE, TCB,
                                  AR_INFO(AR_TCB_CONFIGURE, 5, 0, 0, 0),
                                  (uint64_t[]){ROOT, VSPACE, FRAME, 0x10000}, 0, 0),
                     AR_OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    host_check_invariants();
    host_machine_stop();
    return 0;
}

/* ---- calls that are right -------------------------------------------------------------------- */

struct call {
    const struct listed_invocation *invocation;
    ar_cap target;
    unsigned count, least; /* words; how many there must be */
    uint64_t words[AR_MSG_WORDS];
};

static bool good_call(const struct listed_invocation *invocation, struct call *call,
                      enum ar_error *outcome)
{
    for (unsigned i = 0; i < sizeof(good_calls) / sizeof(good_calls[0]); i++) {
        if (good_calls[i].label != invocation->label)
            continue;
        *call = (struct call){.invocation = invocation, .target = good_calls[i].target};
        memcpy(call->words, good_calls[i].words, sizeof(good_calls[i].words));
        call->words[5] = '\n';
        call->count = call->least = invocation->needed;
        for (const struct decode_word *word = invocation->words; word < invocation->words + 8;
             word++)
            if (word->kind == DECODE_DATA && word->high)
                call->least = 4 + (unsigned)(((call->words[word->word] << word->bits) + 7) / 8);
            else if (word->word >= call->count)
                call->count = word->word + 1u; /* a word that may be left out */
        if (call->count < call->least)
            call->count = call->least;
        if (outcome)
            *outcome = good_calls[i].outcome;
        return true;
    }
    return false;
}

static enum ar_error make(const struct call *call)
{
    memcpy(host_main->buffer->words, call->words, sizeof(call->words));
    return (enum ar_error)host_syscall(host_main, AR_SYS_INVOKE, call->target,
                                       AR_INFO(call->invocation->label, call->count, 0, 0, 0),
                                       call->words, 0, 0);
}

static void test_every_invocation_works_when_nothing_is_wrong(void **state)
{
    for (unsigned i = 0; i < LIST_SIZE; i++) {
        struct call call;
        enum ar_error outcome;
        if (!good_call(&invocation_list[i], &call, &outcome))
            fail_msg("no call of %s in the table", invocation_list[i].name);
        if (make(&call) != outcome)
            fail_msg("%s: %s", invocation_list[i].name,
                     ar_error_text((enum ar_error)host_main->regs.rax));
        teardown(state);
        setup(state);
    }
}

/* ---- calls that are wrong -------------------------------------------------------------------- */

static uint8_t *before;
static unsigned wrong_calls;

/* Make the call; it must fail as said and leave the machine as it was, but for the registers that
 * the answer is in. */
static void refused(const struct call *call, enum ar_error error, unsigned word, uint64_t expected,
                    uint64_t found)
{
    uint64_t bytes;
    uint8_t *memory = host_memory(&bytes);
    const char *name = call->invocation->name;
    static struct core core_before;
    memcpy(host_main->buffer->words, call->words, sizeof(call->words));
    memcpy(before, memory, bytes);
    core_before = core;
    struct ar_regs regs = host_main->regs, got;
    make(call);
    got = host_main->regs;
    host_main->regs = regs;
    core.work = core_before.work; /* starts anew with each entry */
    wrong_calls++;
    if (got.rax != error || got.rdx != word || got.r10 != expected || got.r8 != found ||
        got.rsi != AR_INFO(0, 3, 0, 0, 0))
        fail_msg("%s: expected error %u, word %u, %lx, %lx; got %lu, %lu, %lx, %lx", name, error,
                 word, expected, found, got.rax, got.rdx, got.r10, got.r8);
    if (memcmp(before, memory, bytes) != 0)
        fail_msg("%s: failed with error %u and changed something", name, error);
    if (memcmp(&core, &core_before, sizeof(core)) != 0)
        fail_msg("%s: failed with error %u and changed the scheduler", name, error);
}

static void refused_word(struct call call, unsigned word, uint64_t value, enum ar_error error,
                         uint64_t expected)
{
    call.words[word] = value;
    refused(&call, error, word, expected, value);
}

static void wrong_slot_numbers(const struct call *call, unsigned word, ar_cap zero_too)
{
    static const uint64_t numbers[] = {MISSING, SPACE_SLOTS, 1ull << 40, 1ull << 63, ~0ull};
    for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        refused_word(*call, word, numbers[i], AR_ERR_SLOT, SPACE_SLOTS);
    if (zero_too)
        refused_word(*call, word, 0, AR_ERR_SLOT, SPACE_SLOTS);
}

static void wrong_cap(struct call call, const struct decode_word *spec)
{
    ar_cap right = (ar_cap)call.words[spec->word];
    wrong_slot_numbers(&call, spec->word, false);
    call.words[spec->word] = EMPTY;
    refused(&call, AR_ERR_EMPTY, spec->word, spec->type, AR_NULL);
    if (!spec->optional && spec->kind != DECODE_ROOT) {
        call.words[spec->word] = 0;
        refused(&call, AR_ERR_EMPTY, spec->word, spec->type, AR_NULL);
    }
    for (unsigned type = 1; type < AR_TYPE_COUNT; type++) {
        call.words[spec->word] = slot_of_type[type];
        if (type != spec->type)
            refused(&call, AR_ERR_TYPE, spec->word, spec->type, type);
    }
    for (unsigned bit = 1; bit <= AR_ALL; bit <<= 1) {
        if (!(spec->rights & bit))
            continue;
        cap_copy(host_slot(WEAK), host_slot(right), AR_ALL & ~bit);
        call.words[spec->word] = WEAK;
        refused(&call, AR_ERR_RIGHTS, spec->word, spec->rights, AR_ALL & ~bit);
        cap_delete(host_slot(WEAK));
    }
    if (spec->bits) {
        call.words[spec->word] = spec->type == AR_FRAME ? LARGE_FRAME : ROOT;
        refused(&call, AR_ERR_SIZE, spec->word, spec->bits, spec->type == AR_FRAME ? 21 : 4);
    }
    if (spec->memory) {
        call.words[spec->word] = DEVICE_FRAME;
        refused(&call, AR_ERR_DEVICE, spec->word, 0, 1);
    }
}

static void wrong_empty(struct call call, const struct decode_word *spec)
{
    wrong_slot_numbers(&call, spec->word, true);
    for (unsigned type = 1; type < AR_TYPE_COUNT; type++) {
        call.words[spec->word] = slot_of_type[type];
        refused(&call, AR_ERR_OCCUPIED, spec->word, AR_NULL, type);
    }
}

static void wrong_number(const struct call *call, const struct decode_word *spec)
{
    enum ar_error error = spec->kind == DECODE_ADDRESS ? AR_ERR_ADDRESS : AR_ERR_RANGE;
    uint64_t too_big[] = {spec->high + 1, 1ull << 63, ~0ull};
    for (unsigned i = 0; i < 3; i++)
        refused_word(*call, spec->word, too_big[i], error, spec->high);
    if (spec->low)
        refused_word(*call, spec->word, spec->low - 1, error, spec->low);
    for (unsigned bit = 0; spec->kind != DECODE_DATA && bit < spec->bits; bit++)
        refused_word(*call, spec->word, call->words[spec->word] | 1ull << bit, AR_ERR_ALIGNMENT,
                     1ull << spec->bits);
}

static void wrong_mask(const struct call *call, const struct decode_word *spec)
{
    for (unsigned bit = 0; bit < 64; bit++) {
        uint64_t mask = 1ull << bit;
        if (!(spec->high & mask))
            refused_word(*call, spec->word, call->words[spec->word] | mask, AR_ERR_MASK,
                         spec->high);
        if (spec->low & mask)
            refused_word(*call, spec->word, call->words[spec->word] & ~mask, AR_ERR_RIGHTS,
                         spec->low);
    }
}

static void wrong_held(struct call call, const struct decode_word *spec)
{
    wrong_slot_numbers(&call, spec->word, false);
    call.words[spec->word] = EMPTY;
    refused(&call, AR_ERR_EMPTY, spec->word, AR_NULL, AR_NULL);
}

static void wrong_word(const struct call *call, const struct decode_word *spec)
{
    switch (spec->kind) {
    case DECODE_CAP:
    case DECODE_ROOT:
        wrong_cap(*call, spec);
        break;
    case DECODE_EMPTY:
        wrong_empty(*call, spec);
        break;
    case DECODE_SLOT:
        wrong_slot_numbers(call, spec->word, false);
        break;
    case DECODE_HELD:
        wrong_held(*call, spec);
        break;
    case DECODE_MASK:
        wrong_mask(call, spec);
        break;
    default:
        wrong_number(call, spec);
    }
}

static void wrong_target(struct call call)
{
    static const ar_cap outside[] = {MISSING, SPACE_SLOTS, 1u << 31, ~0u};
    const struct listed_invocation *invocation = call.invocation;
    ar_cap right = call.target;
    for (unsigned i = 0; i < 4; i++) {
        call.target = outside[i];
        refused(&call, AR_ERR_SLOT, AR_ARG_TARGET, SPACE_SLOTS, outside[i]);
    }
    call.target = EMPTY;
    refused(&call, AR_ERR_EMPTY, AR_ARG_TARGET, invocation->type, AR_NULL);
    for (unsigned type = 1; type < AR_TYPE_COUNT; type++) {
        call.target = slot_of_type[type];
        if (type != invocation->type)
            refused(&call, AR_ERR_LABEL, AR_ARG_TARGET, invocation->type, type);
    }
    call.target = AR_CAP_SELF;
    if (invocation->type != AR_CNODE)
        refused(&call, AR_ERR_LABEL, AR_ARG_TARGET, invocation->type, AR_CNODE);
    else if (invocation->not_self)
        refused(&call, AR_ERR_SLOT, AR_ARG_TARGET, SPACE_SLOTS, AR_CAP_SELF);
    for (unsigned bit = 1; bit <= AR_ALL; bit <<= 1) {
        if (!(invocation->rights & bit))
            continue;
        cap_copy(host_slot(WEAK), host_slot(right), AR_ALL & ~bit);
        call.target = WEAK;
        refused(&call, AR_ERR_RIGHTS, AR_ARG_TARGET, invocation->rights, AR_ALL & ~bit);
        cap_delete(host_slot(WEAK));
    }
    if (invocation->original) {
        cap_copy(host_slot(WEAK), host_slot(right), AR_ALL);
        call.target = WEAK;
        refused(&call, AR_ERR_RIGHTS, AR_ARG_TARGET, AR_ORIGINAL, AR_ALL);
        cap_delete(host_slot(WEAK));
    }
    if (invocation->bits) {
        call.target = LARGE_FRAME;
        refused(&call, AR_ERR_SIZE, AR_ARG_TARGET, invocation->bits, 21);
    }
}

static void wrong_length(struct call call)
{
    for (call.count = 0; call.count < call.least; call.count++)
        refused(&call, AR_ERR_LENGTH, call.count,
                call.count < call.invocation->needed ? call.invocation->needed : call.least,
                call.count);
    for (call.count = AR_MSG_WORDS + 1; call.count < 256; call.count += 19)
        refused(&call, AR_ERR_LENGTH, AR_MSG_WORDS, AR_MSG_WORDS, call.count);
}

static void test_every_word_wrong_in_every_way(void **state)
{
    uint64_t bytes;
    (void)state;
    host_memory(&bytes);
    before = malloc(bytes);
    for (unsigned i = 0; i < LIST_SIZE; i++) {
        struct call call;
        if (!good_call(&invocation_list[i], &call, NULL))
            continue;
        for (const struct decode_word *word = call.invocation->words;
             word < call.invocation->words + 8; word++)
            if (word->high || word->kind != DECODE_CAP || word->type)
                wrong_word(&call, word);
        wrong_target(call);
        wrong_length(call);
    }
    free(before);
    print_message("# %u wrong calls\n", wrong_calls);
}

/* ---- right words, but the objects are not in the state for it -------------------------------- */

static const struct listed_invocation *listed(uint32_t label)
{
    for (unsigned i = 0; i < LIST_SIZE; i++)
        if (invocation_list[i].label == label)
            return &invocation_list[i];
    fail_msg("invocation %x is not declared", label);
    return NULL;
}

static void test_every_error_of_state(void **state)
{
    uint64_t bytes;
    (void)state;
    host_memory(&bytes);
    before = malloc(bytes);
    host_invoke(host_main, ISSUED, AR_ENDPOINT_SET_ISSUER, 77, 0, 0, 0);
    cap_copy(host_slot(WEAK), host_slot(FREE_GATE), AR_ALL);
    host_invoke(host_main, READY_TCB, AR_TCB_BIND_NOTIFICATION, OTHER_NOTIFICATION, 0, 0, 0);
    for (unsigned i = 0; i < sizeof(state_cases) / sizeof(state_cases[0]); i++) {
        const struct state_case *test = &state_cases[i];
        struct call call = {.invocation = listed(test->label), .target = test->target, .count = 20};
        memcpy(call.words, test->words, sizeof(test->words));
        refused(&call, test->error, test->word, test->expected, test->found);
    }
    free(before);
}

static bool shown(uint32_t label, const struct listed_error *error)
{
    for (unsigned i = 0; i < sizeof(state_cases) / sizeof(state_cases[0]); i++)
        if (state_cases[i].label == label && state_cases[i].error == error->error &&
            state_cases[i].word == error->word)
            return true;
    return false;
}

/* One of each kind by hand, so that a fault of the generator does not hide on both sides. */
static void test_examples(void **state)
{
    static const struct {
        struct state_case call;
        unsigned count;
    } examples[] = {
        {{AR_FRAME_WRITE, FRAME, {8, 3}, AR_ERR_LENGTH, 6, 7, 6}, 6},
        {{AR_FRAME_WRITE, FRAME, {8, 57}, AR_ERR_RANGE, 1, 56, 57}, 64},
        {{AR_FRAME_WRITE, FRAME, {9, 1}, AR_ERR_ALIGNMENT, 0, 8, 9}, 64},
        {{AR_LOG_WRITE, LOG, {9}, AR_ERR_LENGTH, 5, 6, 5}, 5},
        {{AR_LOG_WRITE, LOG, {449}, AR_ERR_RANGE, 0, 448, 449}, 64},
        {{AR_FRAME_MAP, FRAME, {VSPACE, 0x7ffffffff000, AR_READ}, AR_ERR_ADDRESS, 1,
          0x7fffffffefff, 0x7ffffffff000}, 3},
        {{AR_FRAME_MAP, FRAME, {VSPACE, 0x10000, AR_WRITE}, AR_ERR_RIGHTS, 2, AR_READ, AR_WRITE},
         3},
        {{AR_FRAME_MAP, FRAME, {VSPACE, 0x10000, 15}, AR_ERR_MASK, 2, 7, 15}, 3},
        {{AR_FRAME_MAP, FRAME, {TCB, 0x10000, 1}, AR_ERR_TYPE, 0, AR_VSPACE, AR_TCB}, 3},
        {{AR_TCB_CONFIGURE, TCB, {ROOT, VSPACE, FRAME, 0x10001}, AR_ERR_ALIGNMENT, 3, 4096,
          0x10001}, 5},
        {{AR_TCB_SET_PRIORITY, TCB, {64}, AR_ERR_RANGE, 0, 63, 64}, 1},
        {{AR_TCB_WRITE_REGS, TCB, {0}, AR_ERR_LENGTH, 19, 20, 19}, 19},
        {{AR_IRQ_CONTROL_GET, IRQ_CONTROL, {5, LOG}, AR_ERR_OCCUPIED, 1, AR_NULL, AR_LOG}, 2},
        {{AR_TCB_RESUME, GATE, {0}, AR_ERR_LABEL, AR_ARG_TARGET, AR_TCB, AR_GATE}, 0},
    };
    uint64_t bytes;
    (void)state;
    host_memory(&bytes);
    before = malloc(bytes);
    for (unsigned i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
        const struct state_case *test = &examples[i].call;
        struct call call = {.invocation = listed(test->label), .target = test->target,
                            .count = examples[i].count};
        memcpy(call.words, test->words, sizeof(test->words));
        refused(&call, test->error, test->word, test->expected, test->found);
    }
    free(before);
}

static void test_every_declared_error_has_a_case(void **state)
{
    (void)state;
    for (unsigned i = 0; i < LIST_SIZE; i++)
        for (unsigned j = 0; j < 8 && invocation_list[i].errors[j].error; j++)
            if (!shown(invocation_list[i].label, &invocation_list[i].errors[j]))
                fail_msg("%s: no case shows error %u of word %u", invocation_list[i].name,
                         invocation_list[i].errors[j].error, invocation_list[i].errors[j].word);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_every_invocation_works_when_nothing_is_wrong),
        TEST(test_every_word_wrong_in_every_way),
        TEST(test_every_error_of_state),
        TEST(test_examples),
        TEST(test_every_declared_error_has_a_case),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
