/* SPDX-License-Identifier: MIT */
#include "world.h"
#include "arch/arch.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ARENA = 8 << 20, KEEPER_LEAVES = 2, TRACE = 24, KEEPER_HIGH = 63 };
/* The keeper's slots while it makes a party. */
enum { M_ROOT, M_LEAF, M_SPACE, M_FREE, M_TABLES = 32 };

struct tcb *world_keeper;
uint64_t world_steps;
/* BUILDING: steps are neither counted nor checked. ENDING: the victims go too. */
static enum { BUILDING, RUNNING, ENDING } phase;
static struct { const char *what; uint64_t a, b; const struct tcb *who; } trace[TRACE];
static unsigned trace_next;

void world_trace(const char *what, uint64_t a, uint64_t b)
{
    trace[trace_next].what = what;
    trace[trace_next].a = a;
    trace[trace_next].b = b;
    trace[trace_next].who = core.current;
    trace_next = (trace_next + 1) % TRACE;
}

void world_report(void)
{
    fprintf(stderr, "step %lu of this process; the last %d, oldest first:\n",
            (unsigned long)world_steps, TRACE);
    for (unsigned i = 0; i < TRACE; i++) {
        unsigned at = (trace_next + i) % TRACE;
        if (trace[at].what)
            fprintf(stderr, "  thread %#lx %s %#lx %#lx\n",
                    (unsigned long)((uint64_t)trace[at].who - (uint64_t)host_arena.base),
                    trace[at].what, (unsigned long)trace[at].a, (unsigned long)trace[at].b);
    }
}

void world_entered(void)
{
    if (phase == BUILDING)
        return;
    world_steps++;
    host_check_invariants();
    if (phase == RUNNING)
        victims_check();
}

void world_enter(void)
{
    host_enter();
    world_entered();
}

int keeper_invoke(uint64_t target, uint32_t label, uint64_t w0, uint64_t w1, uint64_t w2,
                  uint64_t w3)
{
    struct ar_regs *regs = &world_keeper->regs;
    regs->rax = AR_SYS_INVOKE;
    regs->rdi = target;
    regs->rsi = AR_INFO(label, 5, 0, 0, 0);
    regs->rdx = w0;
    regs->r10 = w1;
    regs->r8 = w2;
    regs->r9 = w3;
    world_trace("keeper", label, target);
    do {
        regs->rip = USER_RIP;
        world_enter();
    } while (regs->rip != USER_RIP); /* it is done in pieces; nobody comes between */
    return (int)regs->rax;
}

static void must(int error)
{
    if (!error)
        return;
    fprintf(stderr, "the keeper cannot build the world: error %d\n", error);
    abort();
}

/* ---- boot ---------------------------------------------------------------------------------------- */

static void boot_untyped(struct cap *slot, unsigned size_bits, bool device)
{
    struct cap cap = {.type = AR_UNTYPED,
                      .rights = AR_ALL,
                      .flags = CAP_ORIGINAL | (device ? CAP_DEVICE : 0),
                      .size_bits = (uint8_t)size_bits,
                      .object = host_take_untyped(size_bits)};
    cap_insert(slot, &cap, NULL);
}

static void boot(void)
{
    struct cap *leaves[KEEPER_LEAVES], *root_slot, *root;
    host_memory_start(ARENA);
    root_slot = host_take_slots(2);
    root = host_take_slots(KEEPER_LEAVES);
    for (unsigned i = 0; i < KEEPER_LEAVES; i++) {
        leaves[i] = host_take_slots(AR_LEAF_SLOTS);
        struct cap leaf = {.type = AR_CNODE, .rights = AR_ALL, .flags = CAP_ORIGINAL,
                           .size_bits = AR_LEAF_BITS, .extra = AR_LEAF_SLOTS,
                           .object = (uint64_t)leaves[i]};
        cap_insert(&root[i], &leaf, NULL);
    }
    struct cap space = {.type = AR_CNODE, .rights = AR_ALL, .flags = CAP_ORIGINAL, .size_bits = 1,
                        .extra = KEEPER_LEAVES, .object = (uint64_t)root};
    cap_insert(root_slot, &space, NULL);
    boot_untyped(&leaves[0][K_POOL], 18, false);
    boot_untyped(&leaves[0][K_POOL + 1], 18, false);
    boot_untyped(&leaves[0][K_VICTIM_POOL], 17, false);
    boot_untyped(&leaves[0][K_DEVICE], 21, true);
    boot_untyped(&leaves[0][K_LARGE], 21, false);
    struct cap irq = {.type = AR_IRQ_CONTROL, .rights = AR_ALL, .flags = CAP_ORIGINAL};
    struct cap port = {.type = AR_PORT, .rights = AR_ALL, .flags = CAP_ORIGINAL,
                       .object = 0xffff0000ull};
    struct cap log = {.type = AR_LOG, .rights = AR_ALL, .flags = CAP_ORIGINAL};
    cap_insert(&leaves[0][K_IRQ], &irq, NULL);
    cap_insert(&leaves[0][K_PORT], &port, NULL);
    cap_insert(&leaves[0][K_LOG], &log, NULL);
    world_keeper = host_take_thread(KEEPER_HIGH);
    cap_copy(&world_keeper->cspace, root_slot, AR_ALL);
    world_keeper->suspended = 0;
    world_keeper->state = AR_THREAD_READY;
    sched_ready(world_keeper);
    sched_pick();
}

/* ---- parties ------------------------------------------------------------------------------------- */

static void retype(uint64_t pool, enum ar_type type, unsigned bits, uint64_t first, unsigned count)
{
    must(keeper_invoke(pool, AR_UNTYPED_RETYPE, type, bits, first, count));
}

static void move_to(uint64_t base, uint64_t from, uint64_t to)
{
    must(keeper_invoke(base + M_ROOT, AR_CNODE_MOVE, to, AR_CAP_SELF, from, 0));
}

static void copy_to(uint64_t base, uint64_t from, uint64_t to, unsigned rights)
{
    keeper_invoke(base + M_ROOT, AR_CNODE_COPY, to, AR_CAP_SELF, from, rights);
}

/* Make objects and give the originals to the party, in slots from `to` on. */
static void give(uint64_t base, uint64_t pool, enum ar_type type, unsigned bits, uint64_t to,
                 unsigned count)
{
    retype(pool, type, bits, base + M_FREE, count);
    for (unsigned i = 0; i < count; i++)
        move_to(base, base + M_FREE + i, to + i);
}

static void map_tables(uint64_t base, uint64_t pool)
{
    static const struct { uint64_t address; unsigned slot; } tables[] = {
        {USER_FRAMES, 0}, {USER_FRAMES, P_TABLE}, {USER_FRAMES, P_TABLE2}, {USER_BUFFERS, P_TABLE3},
        {USER_TOP, P_TOP_TABLE}, {USER_TOP, P_TOP_TABLE2}};
    enum { TABLES = sizeof(tables) / sizeof(*tables) };
    retype(pool, AR_TABLE, 0, base + M_TABLES, TABLES);
    for (unsigned i = 0; i < TABLES; i++) {
        uint64_t address = tables[i].address;
        must(keeper_invoke(base + M_SPACE, AR_VSPACE_MAP_TABLE, base + M_TABLES + i, address, 0, 0));
        if (tables[i].slot)
            move_to(base, base + M_TABLES + i, tables[i].slot);
    }
    give(base, pool, AR_TABLE, 0, P_SPARE_TABLE, 2);
}

/* Thread `i` with its buffer; the party gets both. */
static void make_thread(uint64_t base, uint64_t pool, unsigned i, uint64_t fault_gate)
{
    uint64_t tcb = base + M_FREE + 8, frame = tcb + 1, address = USER_BUFFERS + i * 4096;
    retype(pool, AR_FRAME, 12, frame, 1);
    retype(pool, AR_TCB, 0, tcb, 1);
    must(keeper_invoke(frame, AR_FRAME_MAP, base + M_SPACE, address, AR_READ | AR_WRITE, 0));
    world_keeper->buffer->words[4] = fault_gate;
    must(keeper_invoke(tcb, AR_TCB_CONFIGURE, base + M_ROOT, base + M_SPACE, frame, address));
    must(keeper_invoke(tcb, AR_TCB_SET_PRIORITY, 20, 0, 0, 0));
    must(keeper_invoke(tcb, AR_TCB_SET_PRINCIPAL, 0x100 + base + i, 0, 0, 0));
    must(keeper_invoke(tcb, AR_TCB_RESUME, 0, 0, 0, 0));
    move_to(base, tcb, P_TCB + i);
    move_to(base, frame, P_BUFFER + i);
}

static void make_frames(uint64_t base, uint64_t pool)
{
    retype(pool, AR_FRAME, 12, base + M_FREE, 2);
    for (unsigned i = 0; i < 2; i++) {
        must(keeper_invoke(base + M_FREE + i, AR_FRAME_MAP, base + M_SPACE, USER_FRAMES + i * 4096,
                           i ? AR_READ : AR_ALL, 0));
        move_to(base, base + M_FREE + i, P_FRAME + i);
    }
}

/* What one party has of the other; either may be missing just now. */
static void introduce(unsigned to, unsigned of)
{
    uint64_t base = K_PARTY + to * K_PARTY_SLOTS, other = K_PARTY + of * K_PARTY_SLOTS;
    static const uint8_t from[] = {P_GATE2, P_NOTIFICATION, P_TCB2, P_FRAME};
    for (unsigned i = 0; i < sizeof(from); i++)
        keeper_invoke(base + M_ROOT, AR_CNODE_COPY, P_OTHER_GATE + i, other + M_ROOT, from[i],
                      i == 3 ? AR_READ : AR_SEND);
}

/* Its own memory, and from it a space of two slots: in the first a leaf that nothing
 * else names, with so much in it that deleting it takes several entries. */
static void give_untyped(uint64_t base, uint64_t pool)
{
    uint64_t untyped = base + M_FREE, tree = untyped + 1, leaf = untyped + 2;
    retype(pool, AR_UNTYPED, 17, untyped, 1);
    retype(untyped, AR_CNODE, AR_LEAF_BITS, leaf, 1);
    retype(untyped, AR_CNODE, 1, tree, 1);
    must(keeper_invoke(tree, AR_CNODE_SET_LEAF, 0, leaf, 0, 0));
    must(keeper_invoke(tree, AR_CNODE_COPY, 1, AR_CAP_SELF, base + M_SPACE, AR_ALL));
    must(keeper_invoke(tree, AR_CNODE_COPY_RANGE, 2, tree, 1, 100)); /* 1 to 2, 2 to 3, ... */
    move_to(base, untyped, P_UNTYPED);
    move_to(base, tree, P_TREE);
}

/* Mapped where a server may be asked to write. */
static void show_victims_frame(uint64_t base)
{
    must(keeper_invoke(AR_CAP_SELF, AR_CNODE_COPY, base + M_FREE, AR_CAP_SELF, K_VICTIMS + 3,
                       AR_READ));
    must(keeper_invoke(base + M_FREE, AR_FRAME_MAP, base + M_SPACE, USER_FRAMES + 2 * 4096,
                       AR_READ, 0));
    move_to(base, base + M_FREE, P_VICTIM_FRAME);
}

static void make_party(unsigned party)
{
    uint64_t base = K_PARTY + party * K_PARTY_SLOTS, pool = K_POOL + party;
    retype(pool, AR_CNODE, 2, base + M_ROOT, 1);
    retype(pool, AR_CNODE, AR_LEAF_BITS, base + M_LEAF, 1);
    copy_to(base, base + M_ROOT, P_ROOT, AR_ALL); /* not yet: there is no leaf */
    must(keeper_invoke(base + M_ROOT, AR_CNODE_SET_LEAF, 0, base + M_LEAF, 0, 0));
    copy_to(base, base + M_ROOT, P_ROOT, AR_ALL);
    give(base, pool, AR_CNODE, AR_LEAF_BITS, P_LEAF, 1);
    retype(pool, AR_VSPACE, 0, base + M_SPACE, 1);
    copy_to(base, base + M_SPACE, P_SPACE, AR_ALL);
    map_tables(base, pool);
    make_frames(base, pool);
    give(base, pool, AR_REPLY, 0, P_REPLY, 2);
    give(base, pool, AR_NOTIFICATION, 0, P_NOTIFICATION, 1);
    retype(pool, AR_ENDPOINT, 0, base + M_FREE, 1);
    retype(pool, AR_GATE, 0, base + M_FREE + 1, 2);
    must(keeper_invoke(base + M_FREE + 1, AR_GATE_BIND, base + M_FREE, 10 + party, 0, 0));
    must(keeper_invoke(base + M_FREE + 2, AR_GATE_BIND, base + M_FREE, 20 + party, 0, 0));
    for (unsigned i = 0; i < PARTY_THREADS; i++)
        make_thread(base, pool, i, base + M_FREE + 1);
    move_to(base, base + M_FREE, P_ENDPOINT);
    move_to(base, base + M_FREE + 1, P_GATE);
    move_to(base, base + M_FREE + 2, P_GATE2);
    give_untyped(base, pool);
    copy_to(base, party ? K_PORT : K_IRQ, P_DEVICE, AR_ALL);
    copy_to(base, K_LOG, P_DEVICE2, AR_ALL);
    introduce(party, !party);
    introduce(!party, party);
    copy_to(base, K_VICTIMS + 1, P_VICTIM_GATE, AR_SEND);
    copy_to(base, K_VICTIMS + 2, P_VICTIM_NOTIFICATION, AR_SEND);
    show_victims_frame(base);
}

static void keeper_yields(void)
{
    world_keeper->priority = 0;
    world_keeper->regs.rip = USER_RIP;
    world_keeper->regs.rax = AR_SYS_YIELD;
    world_enter();
}

static void renew_party(unsigned party)
{
    uint64_t pool = K_POOL + party, large = party ? K_DEVICE : K_LARGE;
    uint64_t base = K_PARTY + party * K_PARTY_SLOTS;
    world_keeper->priority = KEEPER_HIGH;
    must(keeper_invoke(AR_CAP_SELF, AR_CNODE_REVOKE, pool, 0, 0, 0));
    must(keeper_invoke(AR_CAP_SELF, AR_CNODE_REVOKE, large, 0, 0, 0));
    must(keeper_invoke(AR_CAP_SELF, AR_CNODE_REVOKE, party ? K_PORT : K_IRQ, 0, 0, 0));
    make_party(party);
    retype(large, party ? AR_UNTYPED : AR_FRAME, 21, base + M_FREE, 1);
    move_to(base, base + M_FREE, P_LARGE);
}

void world_party(unsigned party)
{
    renew_party(party);
    keeper_yields();
}

/* ---- start and end ------------------------------------------------------------------------------- */

/* Nobody can run and the keeper sleeps: the timer fires. */
static void halted(void)
{
    if (core.timer_ns == AR_NO_DEADLINE) {
        fprintf(stderr, "the processor halts and no timer will wake it\n");
        abort();
    }
    if (host_clock < core.timer_ns)
        host_clock = core.timer_ns;
    sched_tick(host_clock);
}

void world_start(void)
{
    phase = BUILDING;
    boot();
    host_on_halt = halted;
    host_user_low = host_user_high = 0;
    host_check_history = true;
    memset(trace, 0, sizeof(trace));
    retype(K_VICTIM_POOL, AR_NOTIFICATION, 0, K_NOTIFICATION, 1);
    victims_make();
    for (unsigned i = 0; i < PARTIES; i++)
        renew_party(i);
    keeper_yields();
    phase = RUNNING;
    host_check_start();
    host_check_invariants();
}

/* After the last step the keeper takes everything back; then no thread is left but itself. */
void world_end(void)
{
    phase = ENDING;
    host_clock += 1ull << 40; /* whoever sleeps, the keeper too, wakes up */
    sched_tick(host_clock);
    sched_unready(world_keeper);
    world_keeper->priority = KEEPER_HIGH;
    sched_ready(world_keeper);
    sched_pick();
    world_entered();
    for (unsigned slot = K_POOL; slot <= K_DEVICE; slot++)
        must(keeper_invoke(AR_CAP_SELF, AR_CNODE_REVOKE, slot, 0, 0, 0));
    if (core.all_threads != world_keeper || world_keeper->all_next) {
        fprintf(stderr, "revoking every Untyped left a thread behind\n");
        abort();
    }
}
