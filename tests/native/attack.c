/*
 * Hostile threads issue a million wild system calls and every instruction that they should not,
 * beside victims who check all that they exchange. SPDX-License-Identifier: MIT
 *
 * Parameters (run.py --set): seed, calls (all attackers together), quick=1 (no lower bounds).
 *
 * The attackers' world lies in one Untyped of 2 MiB, which is filled with secrets, then retyped
 * into their threads, capability spaces and objects; when their calls are used up or they ruined
 * themselves, a revoke takes all of it, whatever they are blocked in, and the next generation
 * begins.
 */
#include "attack.h"

enum { PRIORITY = 20, WORLD_BITS = 21, WORLD_SLOTS = 192, BUDGET = 2500 };
enum { WATCH_NS = 300000, RUINED_CHECKS = 20, FLAGS = 0x202, PORT = 0x80, IRQ_LINE = 5 };
#define WORLD_WINDOW (NATIVE_FREE + 0x40000000)

static struct {
    ar_cap space, root;
    struct attack_shared *shared;
} spaces[ATTACK_SPACES];
static struct {
    struct native_thread place; /* stack and buffer; its TCB is never used */
    ar_cap tcb;
} attackers[ATTACK_THREADS];
static struct victims victims;
static ar_cap world, slots, fault_endpoint, fault_reply;
static unsigned next_slot;
static uint64_t faults, random_state;

static uint64_t random(void)
{
    random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
    return random_state >> 11 | 1;
}

/* ---- what lasts ------------------------------------------------------------------------------ */

static void last_page(ar_cap space)
{
    uint8_t *window = (uint8_t *)NATIVE_WINDOW;
    ar_cap frame = native_map(AR_INIT_VSPACE, NATIVE_WINDOW, 0, AR_READ | AR_WRITE);
    window[4094] = 0x0f; /* syscall */
    window[4095] = 0x05;
    native_ok("unmap", ar_invoke4(frame, AR_FRAME_UNMAP, 0, 0, 0, 0));
    native_map(space, ATTACK_LAST_PAGE, frame, AR_READ | AR_EXEC);
}

static void spaces_make(void)
{
    for (unsigned i = 0; i < ATTACK_SPACES; i++) {
        ar_cap space = spaces[i].space = native_space(), frame;
        native_load(space);
        frame = native_map(AR_INIT_VSPACE, ATTACK_SHARED + i * 0x1000ull, 0, AR_READ | AR_WRITE);
        native_map(space, ATTACK_SHARED, frame, AR_READ | AR_WRITE);
        spaces[i].shared = (struct attack_shared *)(ATTACK_SHARED + i * 0x1000ull);
        native_map(space, ATTACK_CODE, 0, AR_ALL);
        frame = native_map(space, ATTACK_SCRATCH, 0, AR_READ); /* for the table */
        native_ok("unmap", ar_invoke4(frame, AR_FRAME_UNMAP, 0, 0, 0, 0));
        last_page(space);
    }
    _Static_assert(sizeof(struct attack_shared) <= 4096, "one page");
    for (unsigned i = 0; i < ATTACK_THREADS; i++)
        attackers[i].place = native_thread_make(
            &(struct native_thread_plan){.space = spaces[i / ATTACK_EACH].space});
}

/* ---- what a generation has ------------------------------------------------------------------- */

/* The world's memory as it would be if the victims had used it. */
static void world_soil(void)
{
    ar_cap frame = slots;
    volatile uint64_t *words = (volatile uint64_t *)WORLD_WINDOW;
    native_ok("retype the world", ar_retype(world, AR_FRAME, WORLD_BITS, frame, 1));
    native_map(AR_INIT_VSPACE, WORLD_WINDOW, frame, AR_READ | AR_WRITE);
    for (unsigned i = 0; i < (1u << WORLD_BITS) / 8; i++)
        words[i] = SECRET(i);
    native_ok("delete", ar_cap_delete(frame));
}

static ar_cap make(enum ar_type type, unsigned bits)
{
    ar_cap slot = slots + next_slot++;
    native_check(next_slot <= WORLD_SLOTS, "the world needs more than %u slots", WORLD_SLOTS);
    native_ok("retype of the world", ar_retype(world, type, bits, slot, 1));
    return slot;
}

static ar_cap make_gate(ar_cap endpoint, uint64_t badge)
{
    ar_cap gate = make(AR_GATE, 0);
    native_ok("bind", ar_invoke4(gate, AR_GATE_BIND, endpoint, badge, 0, 0));
    return gate;
}

static void give_both(unsigned slot, ar_cap source, unsigned rights)
{
    for (unsigned i = 0; i < ATTACK_SPACES; i++)
        native_ok("give", ar_cap_copy(spaces[i].root, slot, AR_CAP_SELF, source, rights));
}

/* What cannot be copied. */
static void give_away(unsigned space, unsigned slot, ar_cap source)
{
    native_ok("give away", ar_cap_move(spaces[space].root, slot, AR_CAP_SELF, source));
}

static void give_own(unsigned i)
{
    ar_cap port = slots + next_slot++, irq = slots + next_slot++;
    give_away(i, SLOT_FREE_GATE, make(AR_GATE, 0));
    for (unsigned j = 0; j < 8; j++)
        give_away(i, SLOT_REPLIES + j, make(AR_REPLY, 0));
    give_away(i, SLOT_UNTYPED, make(AR_UNTYPED, 16));
    give_away(i, SLOT_UNTYPED + 1, make(AR_UNTYPED, 12));
    give_away(i, SLOT_TABLE, make(AR_TABLE, 0));
    native_ok("mint", ar_invoke4(AR_INIT_PORT, AR_PORT_MINT, port, PORT, PORT + 3, 0));
    give_away(i, SLOT_PORT, port);
    native_ok("get", ar_invoke4(AR_INIT_IRQ_CONTROL, AR_IRQ_CONTROL_GET, IRQ_LINE + i, irq, 0, 0));
    give_away(i, SLOT_IRQ, irq);
}

static void give_shared(void)
{
    for (unsigned i = 0; i < ATTACK_SPACES; i++) {
        give_both(SLOT_SPACES + i, spaces[i].space, AR_ALL);
        give_both(SLOT_ROOTS + i, spaces[i].root, AR_ALL);
    }
    give_both(SLOT_LEAF, make(AR_CNODE, AR_LEAF_BITS), AR_ALL);
    give_both(SLOT_CNODE, make(AR_CNODE, 2), AR_ALL);
    for (unsigned i = 0; i < 4; i++) {
        ar_cap endpoint = make(AR_ENDPOINT, 0);
        give_both(SLOT_ENDPOINTS + i, endpoint, i < 3 ? AR_SEND | AR_RECV : AR_ALL);
        give_both(SLOT_GATES + i, make_gate(endpoint, 0x100 + i), AR_SEND);
        give_both(SLOT_NOTIFICATIONS + i, make(AR_NOTIFICATION, 0), i < 3 ? AR_ALL : AR_SEND);
    }
    give_both(SLOT_VICTIM_GATE, victims.gate, AR_SEND);
    for (unsigned i = 0; i < 5; i++)
        give_both(SLOT_FRAMES + i, make(AR_FRAME, 12), i < 4 ? AR_ALL : AR_READ);
}

static void thread_make(unsigned i)
{
    struct native_thread *place = &attackers[i].place;
    struct ar_message m = {.info = AR_INFO(AR_TCB_CONFIGURE, 5, 0, 0, 0)};
    m.badge = attackers[i].tcb = make(AR_TCB, 0);
    m.words[0] = spaces[i / ATTACK_EACH].root;
    m.words[1] = place->space;
    m.words[2] = place->buffer_frame;
    m.words[3] = (uint64_t)place->buffer;
    native_buffer()->words[4] = make_gate(fault_endpoint, i);
    native_ok("configure", ar_syscall(AR_SYS_INVOKE, &m, 0, 0));
    native_ok("priority", ar_invoke4(attackers[i].tcb, AR_TCB_SET_PRIORITY, PRIORITY, 0, 0, 0));
    for (unsigned j = 0; j < ATTACK_SPACES; j++)
        native_ok("give", ar_cap_copy(spaces[j].root,
                                      SLOT_TCBS + (i + j * ATTACK_EACH) % ATTACK_THREADS,
                                      AR_CAP_SELF, attackers[i].tcb, AR_ALL));
}

static bool done(unsigned i)
{
    const struct attack_shared *shared = spaces[i / ATTACK_EACH].shared;
    return shared->calls[i] >= shared->budget;
}

/* At its beginning again; it knows from the shared page how far it was. */
static void thread_restart(unsigned i)
{
    struct ar_regs regs = {.rip = (uint64_t)attack_main,
                           .rsp = attackers[i].place.stack_top - 8,
                           .rflags = FLAGS,
                           .rdi = i,
                           .gs_base = (uint64_t)attackers[i].place.buffer};
    ar_invoke4(attackers[i].tcb, AR_TCB_SET_FOREIGN, 0, 0, 0, 0);
    native_write_regs(attackers[i].tcb, &regs);
}

static void generation_make(void)
{
    next_slot = 1;
    world_soil();
    for (unsigned i = 0; i < ATTACK_SPACES; i++) {
        ar_cap leaf = make(AR_CNODE, AR_LEAF_BITS);
        spaces[i].root = make(AR_CNODE, 4);
        native_ok("set a leaf", ar_invoke4(spaces[i].root, AR_CNODE_SET_LEAF, 0, leaf, 0, 0));
        for (unsigned j = 0; j < ATTACK_THREADS; j++) {
            spaces[i].shared->random[j] = random();
            spaces[i].shared->calls[j] = 0;
        }
        spaces[i].shared->budget = BUDGET;
    }
    for (unsigned i = 0; i < ATTACK_SPACES; i++)
        give_own(i);
    give_shared();
    for (unsigned i = 0; i < ATTACK_THREADS; i++)
        thread_make(i);
    for (unsigned i = 0; i < ATTACK_THREADS; i++) {
        thread_restart(i);
        native_ok("resume", ar_invoke4(attackers[i].tcb, AR_TCB_RESUME, 0, 0, 0, 0));
    }
}

/* ---- running it ------------------------------------------------------------------------------ */

static uint64_t calls_of_generation(void)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < ATTACK_THREADS; i++)
        sum += spaces[i / ATTACK_EACH].shared->calls[i];
    return sum;
}

/* A message came: a fault, or a fault gate's last copy is gone. */
static void handle(const struct ar_message *m)
{
    unsigned i = (unsigned)m->badge;
    if (AR_INFO_LABEL(m->info) != AR_LABEL_FAULT)
        return;
    struct ar_message answer = {.badge = fault_reply};
    native_check(i < ATTACK_THREADS, "a fault of thread %u", i);
    faults++;
    if (done(i))
        ar_invoke4(attackers[i].tcb, AR_TCB_SUSPEND, 0, 0, 0, 0);
    else
        thread_restart(i);
    ar_syscall(AR_SYS_REPLY, &answer, 0, 0);
}

/* Undo what they did to each other, as far as it goes. */
static void unblock(unsigned check)
{
    for (unsigned i = 0; i < ATTACK_THREADS; i++) {
        if (done(i))
            continue;
        ar_invoke4(attackers[i].tcb, AR_TCB_CANCEL, 0, 0, 0, 0);
        ar_invoke4(attackers[i].tcb, AR_TCB_SET_PRIORITY, PRIORITY, 0, 0, 0);
        if (check == RUINED_CHECKS / 2)
            thread_restart(i);
        ar_invoke4(attackers[i].tcb, AR_TCB_RESUME, 0, 0, 0, 0);
    }
}

static void generation_run(void)
{
    uint64_t before = 0, watch = ar_clock_ns() + WATCH_NS;
    for (unsigned idle = 0; idle < RUINED_CHECKS;) {
        struct ar_message m = {.badge = fault_endpoint};
        native_ok("receive", ar_syscall(AR_SYS_RECV, &m, fault_reply, watch));
        if (AR_INFO_LABEL(m.info) != AR_LABEL_TIMEOUT)
            handle(&m);
        if (ar_clock_ns() < watch)
            continue;
        uint64_t calls = calls_of_generation();
        idle = calls == before ? idle + 1 : 0;
        before = calls;
        unsigned finished = 0;
        for (unsigned i = 0; i < ATTACK_THREADS; i++)
            finished += done(i);
        if (finished == ATTACK_THREADS)
            return;
        unblock(idle);
        watch = ar_clock_ns() + WATCH_NS;
    }
}

static void check_secrets(uint64_t generation)
{
    for (unsigned i = 0; i < ATTACK_SPACES; i++) {
        const struct attack_shared *shared = spaces[i].shared;
        native_check(!shared->seen,
                     "generation %lu: a secret was seen: %lx, place %lu (1000: registers, 2000: "
                     "buffer, 3000: vectors, 4000 and 5000: fresh frame), call %lu",
                     generation, shared->seen, shared->seen_where, shared->seen_call);
    }
}

static void report(uint64_t calls, uint64_t generations)
{
    uint64_t outcomes[AR_ERR_COUNT] = {0}, instructions = 0, received = 0, frames = 0;
    for (unsigned i = 0; i < ATTACK_SPACES; i++) {
        for (unsigned e = 0; e < AR_ERR_COUNT; e++)
            outcomes[e] += spaces[i].shared->outcomes[e];
        instructions += spaces[i].shared->instructions;
        received += spaces[i].shared->received;
        frames += spaces[i].shared->fresh_frames;
    }
    native_print("attack: %lu system calls in %lu generations; %lu hostile instructions, "
                 "%lu faults, %lu messages, %lu fresh frames\n",
                 calls, generations, instructions, faults, received, frames);
    native_print("attack: outcomes");
    for (unsigned e = 0; e < AR_ERR_COUNT; e++)
        native_print(" %u:%lu", e, outcomes[e]);
    native_print("\nattack: the victims exchanged %lu messages and answered %lu calls of "
                 "strangers\n", *victims.rounds, *victims.strangers);
    if (native_parameter("quick", 0))
        return;
    native_check(outcomes[AR_OK] > calls / 20, "only %lu calls had success", outcomes[AR_OK]);
    native_check(received > 1000 && frames > 1000 && instructions > 1000 &&
                     *victims.strangers > 1000,
                 "too little of something (above)");
    native_check(*victims.rounds > 10000, "the victims hardly ran");
}

void native_main(const struct ar_boot_info *boot)
{
    uint64_t seed = native_parameter("seed", 20261123), calls = 0, generation = 0;
    uint64_t wanted = native_parameter("calls", 1000000);
    (void)boot;
    native_print("attack: seed %lu\n", seed);
    random_state = seed;
    victims = victims_start(PRIORITY);
    spaces_make();
    world = native_retype(AR_UNTYPED, WORLD_BITS);
    slots = native_slots(WORLD_SLOTS);
    fault_endpoint = native_retype(AR_ENDPOINT, 0);
    fault_reply = native_retype(AR_REPLY, 0);
    for (; calls < wanted; generation++) {
        uint64_t rounds = *victims.rounds;
        generation_make();
        generation_run();
        calls += calls_of_generation();
        native_ok("revoke the world", ar_invoke4(AR_CAP_SELF, AR_CNODE_REVOKE, world, 0, 0, 0));
        native_ok("revoke the ports",
                  ar_invoke4(AR_CAP_SELF, AR_CNODE_REVOKE, AR_INIT_PORT, 0, 0, 0));
        check_secrets(generation);
        for (uint64_t give_up = ar_clock_ns() + NATIVE_PATIENCE_NS; *victims.rounds == rounds;) {
            native_check(ar_clock_ns() < give_up, "generation %lu: the victims do not go on",
                         generation);
            native_sleep(1000000);
        }
    }
    report(calls, generation);
}
