/*
 * The victims: a client and a server, each in a space of its own, that check every word,
 * capability, signal and vector register of their exchange. SPDX-License-Identifier: MIT
 */
#include "attack.h"

enum { LABEL = AR_LABEL_USER + 0x55, WORDS_MAX = 24, CAP_EVERY = 4, VECTORS = 16 };
#define VICTIM_SHARED (NATIVE_FREE + 0x100000)

static ar_cap endpoint, gate, reply, notification, send_only, slots;
static volatile uint64_t *const counters = (volatile uint64_t *)VICTIM_SHARED;

static uint32_t mix(uint64_t sequence, unsigned index)
{
    return (uint32_t)((sequence * 0x9e3779b97f4a7c15ull + index * 0x85ebca6bull) >> 17);
}

static unsigned length(uint64_t sequence)
{
    return 2 + (unsigned)(sequence % (WORDS_MAX - 2));
}

static void message_fill(struct ar_message *m, uint64_t sequence, unsigned salt)
{
    m->words[0] = SECRET(sequence);
    for (unsigned i = 1; i < 4; i++)
        m->words[i] = i < length(sequence) ? SECRET(mix(sequence, i + salt)) : 0;
    for (unsigned i = 4; i < length(sequence); i++)
        native_buffer()->words[i] = SECRET(mix(sequence, i + salt));
}

static void message_check(const struct ar_message *m, uint64_t sequence, unsigned salt)
{
    native_equal("victim: words", AR_INFO_WORDS(m->info), length(sequence));
    native_equal("victim: sequence", m->words[0], SECRET(sequence));
    for (unsigned i = 1; i < length(sequence); i++)
        native_equal("victim: a word", i < 4 ? m->words[i] : native_buffer()->words[i],
                     SECRET(mix(sequence, i + salt)));
}

/* All vector registers, through memory of our own. */
static uint64_t vectors[VECTORS][2] __attribute__((aligned(16)));

#define EACH_VECTOR(X)                                                                             \
    X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)

static void vectors_load(uint64_t sequence)
{
    for (unsigned i = 0; i < VECTORS; i++)
        vectors[i][0] = vectors[i][1] = SECRET(mix(sequence, 100 + i));
#define LOAD(n) __asm__ volatile("movaps %0, %%xmm" #n : : "m"(vectors[n]));
    EACH_VECTOR(LOAD)
}

static void vectors_check(uint64_t sequence)
{
#define STORE(n) __asm__ volatile("movaps %%xmm" #n ", %0" : "=m"(vectors[n]));
    EACH_VECTOR(STORE)
    for (unsigned i = 0; i < VECTORS; i++)
        native_check(vectors[i][0] == SECRET(mix(sequence, 100 + i)) &&
                         vectors[i][1] == vectors[i][0],
                     "victim: vector register %u is %lx", i, vectors[i][0]);
}

static void client_main(uint64_t unused)
{
    (void)unused;
    for (uint64_t sequence = 1;; sequence++) {
        bool pass = sequence % CAP_EVERY == 0;
        struct ar_message m = {.badge = gate,
                               .info = AR_INFO(LABEL, length(sequence), pass, 0, 0)};
        uint64_t bits, wanted = 1ull << (sequence % 60);
        vectors_load(sequence);
        message_fill(&m, sequence, 0);
        native_buffer()->caps_out[0] = send_only;
        native_ok("victim: call", ar_syscall(sequence & 1 ? AR_SYS_CALL : AR_SYS_CALL_UNTIL, &m, 0,
                                             AR_NO_DEADLINE));
        message_check(&m, sequence, 50);
        native_equal("victim: label", AR_INFO_LABEL(m.info), LABEL + 1);
        vectors_check(sequence);
        if (pass) {
            native_ok("victim: wait",
                      ar_wait(notification, ar_clock_ns() + NATIVE_PATIENCE_NS, &bits));
            native_equal("victim: bits", bits, wanted);
        }
        counters[0] = sequence;
    }
}

/* The capability that came: a signal for the client. */
static void server_signal(uint64_t sequence)
{
    const struct ar_received *received = &native_buffer()->received[0];
    native_equal("victim: kind of the capability", received->kind, AR_RECEIVED_CAP);
    native_equal("victim: its type", received->type, AR_NOTIFICATION);
    native_equal("victim: its slot", received->value, slots);
    native_ok("victim: signal", ar_signal(slots, 1ull << (sequence % 60)));
    native_ok("victim: delete", ar_cap_delete(slots));
}

static void stranger(const struct ar_message *m)
{
    for (unsigned i = 0; i < AR_INFO_CAPS(m->info); i++)
        if (native_buffer()->received[i].kind == AR_RECEIVED_CAP)
            native_ok("victim: delete", ar_cap_delete((ar_cap)native_buffer()->received[i].value));
    counters[1]++;
}

static void server_main(uint64_t unused)
{
    struct ar_ipc_buffer *buffer = native_buffer();
    struct ar_message m = {.badge = endpoint};
    uint64_t expected = 1;
    (void)unused;
    for (unsigned i = 0; i < AR_MSG_CAPS; i++)
        buffer->recv_slots[i] = slots + i;
    buffer->recv_slot_count = AR_MSG_CAPS;
    for (;;) {
        native_ok("victim: receive", ar_syscall(AR_SYS_REPLY_RECV, &m, reply, AR_NO_DEADLINE));
        uint64_t badge = m.badge;
        struct ar_message answer = {.badge = endpoint};
        if (badge == VICTIM_BADGE) {
            native_equal("victim: label", AR_INFO_LABEL(m.info), LABEL);
            message_check(&m, expected, 0);
            if (expected % CAP_EVERY == 0)
                server_signal(expected);
            answer.info = AR_INFO(LABEL + 1, length(expected), 0, 0, 0);
            message_fill(&answer, expected++, 50);
        } else {
            native_equal("victim: badge", badge, ATTACKER_BADGE);
            stranger(&m);
        }
        m = answer;
    }
}

struct victims victims_start(unsigned priority)
{
    struct victims victims;
    ar_cap spaces[2] = {native_space(), native_space()};
    endpoint = native_retype(AR_ENDPOINT, 0);
    gate = native_copy(native_gate(endpoint, VICTIM_BADGE), AR_SEND);
    reply = native_retype(AR_REPLY, 0);
    notification = native_retype(AR_NOTIFICATION, 0);
    send_only = native_copy(notification, AR_SEND);
    slots = native_slots(AR_MSG_CAPS);
    ar_cap counter_frame = native_map(AR_INIT_VSPACE, VICTIM_SHARED, 0, AR_READ | AR_WRITE);
    for (unsigned i = 0; i < 2; i++) {
        native_load(spaces[i]);
        native_map(spaces[i], VICTIM_SHARED, counter_frame, AR_READ | AR_WRITE);
    }
    victims.endpoint = endpoint;
    victims.gate = native_gate(endpoint, ATTACKER_BADGE);
    victims.rounds = &counters[0];
    victims.strangers = &counters[1];
    victims.server = native_thread_start(server_main, 0, priority, spaces[0]);
    victims.client = native_thread_start(client_main, 0, priority, spaces[1]);
    return victims;
}
