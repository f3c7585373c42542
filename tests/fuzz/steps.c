/*
 * What eight bytes of the input do. SPDX-License-Identifier: MIT
 *
 * byte 0 chooses the operation (a table with weights), bytes 1 to 6 its target and arguments,
 * each by what it must be: a slot is chosen among those that hold the right type, mostly. The
 * eighth byte says what goes into the IPC buffer and where an argument is bad. So a changed byte
 * changes one thing, and a deleted step leaves the others as they were.
 *
 * The inputs in corpus/ and crashes/ mean something only with this table: it is frozen. A new
 * operation goes at its end, where there are still values of byte 0 for it.
 */
#include "arch/arch.h"
#include "ipc/ipc.h"
#include "kernel_check.h"
#include "world.h"
#include <stdlib.h>
#include <string.h>

/* What an argument must be. TYPE | type: a slot with such a capability. */
enum argument {
    NOTHING, VALUE, EMPTY, ROOT, ANY, ADDRESS, RIGHTS, SMALL, LINE, BADGE, OFFSET, FLAG, TYPE = 64
};
#define SLOT_OF(type) (TYPE | (type))

enum kind { INVOKE, SEND, RECEIVE, REPLYING, SIGNAL, WAIT, PLAIN, DATA, TICK, INTERRUPT, EXCEPTION };

struct operation {
    uint8_t weight, kind;
    uint16_t code; /* system call or label */
    uint8_t target;
    uint8_t arguments[5];
};

static const struct operation operations[] = {
    {16, SEND, AR_SYS_CALL, 0, {0}},
    {5, SEND, AR_SYS_CALL_UNTIL, 0, {0}},
    {9, RECEIVE, AR_SYS_RECV, SLOT_OF(AR_ENDPOINT), {0}},
    {9, RECEIVE, AR_SYS_REPLY_RECV, SLOT_OF(AR_ENDPOINT), {0}},
    {6, REPLYING, AR_SYS_REPLY, SLOT_OF(AR_REPLY), {0}},
    {6, SIGNAL, AR_SYS_SIGNAL, SLOT_OF(AR_NOTIFICATION), {0}},
    {4, WAIT, AR_SYS_WAIT, SLOT_OF(AR_NOTIFICATION), {0}},
    {4, PLAIN, AR_SYS_YIELD, 0, {0}},
    {1, PLAIN, AR_SYS_CLOCK, 0, {0}},
    {1, PLAIN, AR_SYS_COUNT, 0, {0}},
    {3, DATA, AR_SYS_DATA_READ, SLOT_OF(AR_REPLY), {0}},
    {5, DATA, AR_SYS_DATA_WRITE, SLOT_OF(AR_REPLY), {0}},
    {9, TICK, 0, 0, {0}},
    {4, INTERRUPT, 0, 0, {0}},
    {4, EXCEPTION, 0, 0, {0}},
    {18, INVOKE, AR_UNTYPED_RETYPE, SLOT_OF(AR_UNTYPED), {0}},
    {1, INVOKE, AR_UNTYPED_INFO, SLOT_OF(AR_UNTYPED), {0}},
    {9, INVOKE, AR_CNODE_COPY, ROOT, {EMPTY, ROOT, ANY, RIGHTS}},
    {6, INVOKE, AR_CNODE_MOVE, ROOT, {EMPTY, ROOT, ANY}},
    {8, INVOKE, AR_CNODE_DELETE, ROOT, {ANY, FLAG}},
    {5, INVOKE, AR_CNODE_REVOKE, ROOT, {ANY}},
    {2, INVOKE, AR_CNODE_INSPECT, ROOT, {ANY}},
    {3, INVOKE, AR_CNODE_COPY_RANGE, ROOT, {EMPTY, ROOT, ANY, SMALL}},
    {3, INVOKE, AR_CNODE_SET_LEAF, SLOT_OF(AR_CNODE), {SMALL, SLOT_OF(AR_CNODE)}},
    {1, INVOKE, AR_ENDPOINT_SET_ISSUER, SLOT_OF(AR_ENDPOINT), {VALUE}},
    {7, INVOKE, AR_GATE_BIND, SLOT_OF(AR_GATE), {SLOT_OF(AR_ENDPOINT), BADGE}},
    {2, INVOKE, AR_GATE_INFO, SLOT_OF(AR_GATE), {0}},
    {6, INVOKE, AR_TCB_CONFIGURE, SLOT_OF(AR_TCB),
     {SLOT_OF(AR_CNODE), SLOT_OF(AR_VSPACE), SLOT_OF(AR_FRAME), ADDRESS, SLOT_OF(AR_GATE)}},
    {3, INVOKE, AR_TCB_SET_PRIORITY, SLOT_OF(AR_TCB), {SMALL}},
    {1, INVOKE, AR_TCB_SET_PRINCIPAL, SLOT_OF(AR_TCB), {VALUE}},
    {1, INVOKE, AR_TCB_SET_FOREIGN, SLOT_OF(AR_TCB), {ADDRESS, ADDRESS, ADDRESS}},
    {5, INVOKE, AR_TCB_BIND_NOTIFICATION, SLOT_OF(AR_TCB), {SLOT_OF(AR_NOTIFICATION)}},
    {1, INVOKE, AR_TCB_READ_REGS, SLOT_OF(AR_TCB), {0}},
    {4, INVOKE, AR_TCB_WRITE_REGS, SLOT_OF(AR_TCB), {0}},
    {7, INVOKE, AR_TCB_RESUME, SLOT_OF(AR_TCB), {0}},
    {4, INVOKE, AR_TCB_CANCEL, SLOT_OF(AR_TCB), {0}},
    {3, INVOKE, AR_TCB_SUSPEND, SLOT_OF(AR_TCB), {0}},
    {1, INVOKE, AR_TCB_SET_NAME, SLOT_OF(AR_TCB), {VALUE, VALUE}},
    {1, INVOKE, AR_TCB_INFO, SLOT_OF(AR_TCB), {0}},
    {6, INVOKE, AR_VSPACE_MAP_TABLE, SLOT_OF(AR_VSPACE), {SLOT_OF(AR_TABLE), ADDRESS}},
    {10, INVOKE, AR_FRAME_MAP, SLOT_OF(AR_FRAME), {SLOT_OF(AR_VSPACE), ADDRESS, RIGHTS}},
    {4, INVOKE, AR_FRAME_UNMAP, SLOT_OF(AR_FRAME), {0}},
    {2, INVOKE, AR_FRAME_COPY, SLOT_OF(AR_FRAME), {SLOT_OF(AR_FRAME)}},
    {1, INVOKE, AR_FRAME_CLEAR, SLOT_OF(AR_FRAME), {0}},
    {1, INVOKE, AR_FRAME_READ, SLOT_OF(AR_FRAME), {OFFSET, SMALL}},
    {2, INVOKE, AR_FRAME_WRITE, SLOT_OF(AR_FRAME), {OFFSET, SMALL}},
    {1, INVOKE, AR_FRAME_INFO, SLOT_OF(AR_FRAME), {0}},
    {5, INVOKE, AR_IRQ_CONTROL_GET, SLOT_OF(AR_IRQ_CONTROL), {LINE, EMPTY}},
    {4, INVOKE, AR_IRQ_BIND, SLOT_OF(AR_IRQ), {SLOT_OF(AR_NOTIFICATION), BADGE}},
    {1, INVOKE, AR_IRQ_ACK, SLOT_OF(AR_IRQ), {0}},
    {2, INVOKE, AR_PORT_MINT, SLOT_OF(AR_PORT), {EMPTY, VALUE, VALUE}},
    {1, INVOKE, AR_PORT_IN8, SLOT_OF(AR_PORT), {VALUE}},
    {1, INVOKE, AR_PORT_OUT32, SLOT_OF(AR_PORT), {VALUE, VALUE}},
    {1, INVOKE, AR_PORT_OUT8_MANY, SLOT_OF(AR_PORT), {VALUE, SMALL}},
    {1, INVOKE, AR_LOG_WRITE, SLOT_OF(AR_LOG), {SMALL}},
    {1, INVOKE, 0, ANY, {VALUE, VALUE, VALUE, VALUE}},
};
enum { OPERATIONS = sizeof(operations) / sizeof(*operations) };
/* Values of byte 0 that have an operation. Those above mean what they mean less this; inputs that
 * are kept have none of them (drive --plain). */
enum { OPERATION_BYTES = 232 };

static uint8_t types[PARTY_SLOTS]; /* what the current thread has */
static uint64_t seed;              /* for details, from the step's own bytes */

static uint64_t detail(uint64_t limit)
{
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    return (seed >> 33) % limit;
}

static uint64_t odd_value(uint8_t byte)
{
    static const uint64_t odd[] = {0, 1, 7, 64, 255, 256, 1023, 4095, 4096, 1ull << 21, 1ull << 31,
                                   UINT32_MAX, 1ull << 47, 1ull << 63, UINT64_MAX, UINT64_MAX - 4095};
    return odd[byte % 16];
}

/* ---- choosing ------------------------------------------------------------------------------------ */

static void types_read(const struct tcb *tcb)
{
    const struct cap *slot = cnode_slot(&tcb->cspace, 0);
    memset(types, 0, sizeof(types));
    if (!slot)
        return;
    for (unsigned i = 1; i < PARTY_SLOTS; i++)
        types[i] = slot[i].type;
}

/* The `byte`th slot whose type is `type` (-1: any but empty); any slot when there is none. */
static uint64_t slot_with(int type, uint8_t byte)
{
    uint8_t found[PARTY_SLOTS];
    unsigned count = 0;
    for (unsigned i = 1; i < PARTY_SLOTS; i++)
        if (type < 0 ? types[i] != AR_NULL : types[i] == type)
            found[count++] = (uint8_t)i;
    return count ? found[byte % count] : 1 + byte % (PARTY_SLOTS - 1u);
}

static uint64_t address_of(uint8_t byte)
{
    static const uint64_t places[] = {USER_FRAMES, USER_BUFFERS, 0x600000, 0x40000000,
                                      USER_TOP, USER_FRAMES, USER_TOP + 0x1fe000};
    if (byte % 7 == 4)
        return USER_TOP;
    return places[byte % 7] + (byte / 7 % 4) * 4096 + (byte >= 252 ? 8 : 0);
}

static uint64_t argument(uint8_t kind, uint8_t byte)
{
    if (byte >= 250 && kind != NOTHING)
        return odd_value((uint8_t)detail(16));
    if (kind & TYPE)
        return slot_with(kind & ~TYPE, byte);
    switch (kind) {
    case NOTHING:
        return 0;
    case EMPTY:
        return slot_with(AR_NULL, byte);
    case ROOT:
        return byte < 200 ? AR_CAP_SELF : slot_with(AR_CNODE, byte);
    case ANY:
        return slot_with(-1, byte);
    case ADDRESS:
        return address_of(byte);
    case RIGHTS:
        return byte % 8;
    case FLAG:
        return byte >= 240;
    case SMALL:
        return byte % 24;
    case LINE:
        return byte & 3 ? 1 + (byte & 4) / 4 * 3u : byte % 16u;
    case BADGE:
        return 1ull << byte % 8;
    case OFFSET:
        return (byte % 64) * 72;
    default:
        return byte < 128 ? byte : odd_value(byte);
    }
}

static bool sendable(unsigned type)
{
    return type != AR_NULL && type != AR_UNTYPED && type != AR_REPLY && type != AR_TABLE;
}

/* A thread writes into its own IPC buffer what it likes; `byte` says how wild. */
static void buffer_fill(struct tcb *tcb, uint8_t byte)
{
    struct ar_ipc_buffer *buffer = tcb->buffer;
    if (tcb->ipc_frame.type != AR_FRAME)
        return;
    for (unsigned i = 0; i < AR_MSG_CAPS; i++) {
        uint64_t slot = 1 + detail(PARTY_SLOTS - 1);
        for (unsigned tries = 0; tries < 6 && !sendable(types[slot]) && byte < 240; tries++)
            slot = 1 + detail(PARTY_SLOTS - 1);
        buffer->caps_out[i] = slot | (detail(3) ? 0ull : AR_CAP_MOVE);
        buffer->recv_slots[i] = byte < 224 ? slot_with(AR_NULL, (uint8_t)(byte + i)) : detail(300);
    }
    buffer->recv_slot_count = byte & 1 ? 8 : detail(10);
    for (unsigned i = 0; i < 3; i++) {
        buffer->in[i].address = address_of((uint8_t)detail(256)) + (byte & 2 ? detail(4096) : 0);
        buffer->in[i].length = byte & 4 ? odd_value((uint8_t)detail(16)) : detail(6000);
        buffer->out[i].address = address_of((uint8_t)detail(256)) + (byte & 2 ? detail(4096) : 0);
        buffer->out[i].length = byte & 4 ? odd_value((uint8_t)detail(16)) : detail(6000);
    }
}

/* ---- system calls -------------------------------------------------------------------------------- */

static uint64_t deadline_of(uint8_t byte)
{
    if (byte % 4 == 0)
        return byte % 8 ? 0 : odd_value(byte);
    return byte % 4 == 1 ? AR_NO_DEADLINE : host_clock + byte * 1000ull;
}

static void retype_arguments(struct ar_regs *regs, const uint8_t *bytes)
{
    static const uint8_t made[] = {AR_CNODE, AR_CNODE, AR_ENDPOINT, AR_ENDPOINT, AR_GATE, AR_GATE,
                                   AR_GATE, AR_NOTIFICATION, AR_REPLY, AR_REPLY, AR_TCB, AR_VSPACE,
                                   AR_TABLE, AR_FRAME, AR_FRAME, AR_UNTYPED};
    static const uint8_t cnodes[] = {1, 2, 8, 8}, untyped[] = {12, 13, 14, 16};
    uint8_t type = made[bytes[2] % 16];
    regs->rdx = bytes[2] >= 250 ? bytes[5] : type;
    regs->r10 = type == AR_CNODE ? cnodes[bytes[3] % 4]
                : type == AR_UNTYPED ? untyped[bytes[3] % 4]
                                     : bytes[3] % 8 ? 12 : 21;
    if (bytes[3] >= 250)
        regs->r10 = odd_value(bytes[5]);
    regs->r8 = slot_with(AR_NULL, bytes[4]);
    regs->r9 = bytes[5] < 250 ? 1u + bytes[5] % 3 : odd_value(bytes[5]);
}

static void invoke_arguments(struct tcb *tcb, const struct operation *op, const uint8_t *bytes)
{
    struct ar_regs *regs = &tcb->regs;
    uint64_t words[5];
    uint32_t label = op->code ? op->code : (uint32_t)detail(256);
    for (unsigned i = 0; i < 5; i++)
        words[i] = argument(op->arguments[i], bytes[2 + i]);
    regs->rax = AR_SYS_INVOKE;
    regs->rdi = argument(op->target, bytes[1]);
    regs->rsi = AR_INFO(label, bytes[7] < 250 ? 5 : bytes[6], 0, 0, 0);
    regs->rdx = words[0];
    regs->r10 = words[1];
    regs->r8 = words[2];
    regs->r9 = words[3];
    if (label == AR_UNTYPED_RETYPE)
        retype_arguments(regs, bytes);
    if (tcb->ipc_frame.type != AR_FRAME)
        return;
    tcb->buffer->words[4] = label == AR_TCB_CONFIGURE && bytes[7] & 1 ? 0 : words[4];
    if (label != AR_TCB_WRITE_REGS)
        return;
    regs->rsi = AR_INFO(label, bytes[7] < 250 ? AR_REGS_WORDS : bytes[6], 0, 0, 0);
    regs->rdx = USER_RIP;
    for (unsigned i = 4; i < AR_REGS_WORDS; i++)
        tcb->buffer->words[i] = detail(4) ? detail(PARTY_SLOTS) : odd_value((uint8_t)detail(16));
    tcb->buffer->words[7] = AR_INFO(detail(0x200), detail(70), detail(10), detail(16), detail(16));
}

static void send_arguments(struct tcb *tcb, const uint8_t *bytes)
{
    struct ar_regs *regs = &tcb->regs;
    unsigned caps = bytes[3] % 3 ? 0 : 1 + (bytes[3] / 3 % 8);
    regs->rdi = bytes[1] >= 250 ? detail(300)
                                : slot_with(bytes[1] % 8 ? AR_GATE : AR_ENDPOINT, bytes[2]);
    regs->rsi = AR_INFO(bytes[4] < 250 ? AR_LABEL_USER + bytes[4] : bytes[4] & 7,
                        bytes[5] < 250 ? bytes[5] % 20 : bytes[5], caps, bytes[6] % 4, bytes[6] / 4 % 4);
    regs->rdx = detail(1000);
}

static void message_arguments(struct tcb *tcb, const struct operation *op, const uint8_t *bytes)
{
    struct ar_regs *regs = &tcb->regs;
    regs->rax = op->code == AR_SYS_COUNT ? AR_SYS_COUNT + bytes[1] : op->code;
    regs->rdi = argument(op->target, bytes[1]);
    regs->rsi = AR_INFO(bytes[4], bytes[5] % 80, bytes[3] % 4 ? 0 : bytes[3] / 4 % 10, 0, 0);
    regs->rdx = op->kind == SIGNAL ? 1ull << bytes[2] % 10 >> 1 : detail(1000);
    regs->r12 = argument(SLOT_OF(AR_REPLY), bytes[2]);
    regs->r13 = deadline_of(bytes[6]);
    if (op->kind == SEND)
        send_arguments(tcb, bytes);
    if (op->kind == DATA) {
        regs->rdx = bytes[2] < 200 ? detail(3000) : odd_value(bytes[2]);
        regs->r10 = address_of(bytes[3]) + (bytes[4] & 1 ? detail(4096) : 0);
        regs->r8 = bytes[5] < 240 ? detail(9000) : odd_value(bytes[5]);
    }
    buffer_fill(tcb, bytes[7]);
}

/* A revoke that says it is done: of an original nothing else is left, of an Untyped's memory
 * nothing. */
static void revoked_check(const struct cap *slot)
{
    const struct cap *next = cap_next(slot);
    if (slot->type == AR_UNTYPED && next && check_bytes(next))
        CHECK(next->object - slot->object >= 1ull << slot->size_bits, slot);
    else if (slot->flags & CAP_ORIGINAL && check_bytes(slot))
        CHECK(!next || next->object != slot->object, slot);
}

static void enter(struct tcb *tcb)
{
    struct cap *slot;
    const struct ar_regs *regs = &tcb->regs;
    uint64_t number = regs->rdx;
    bool revokes = regs->rax == AR_SYS_INVOKE && regs->rdi == AR_CAP_SELF &&
                   AR_INFO_LABEL(regs->rsi) == AR_CNODE_REVOKE;
    world_enter();
    if (revokes && check_find(tcb, AR_TCB) && regs->rip == USER_RIP && regs->rax == AR_OK &&
        (slot = cnode_slot(&tcb->cspace, number)))
        revoked_check(slot);
}

/* ---- everything else ----------------------------------------------------------------------------- */

static void tick(uint8_t byte)
{
    host_clock += byte < 64 ? byte * 500ull : SCHED_SLICE_NS;
    world_trace("tick", host_clock, core.timer_ns);
    sched_tick(host_clock);
    sched_pick();
    world_entered();
}

static void exception(struct tcb *tcb, const uint8_t *bytes)
{
    uint64_t words[FAULT_WORDS] = {bytes[1] & 1 ? AR_FAULT_PAGE : AR_FAULT_EXCEPTION,
                                   address_of(bytes[2]), bytes[3], tcb->regs.rip, tcb->regs.rsp,
                                   tcb->regs.rflags};
    world_trace("fault", words[0], words[1]);
    if (!ipc_fault(tcb, words)) {
        tcb->suspended = 1; /* nobody handles it */
        sched_unready(tcb);
    }
    sched_pick();
    world_entered();
}

/* Nobody else can run: let time pass, sleep, or make a party anew. */
static void keeper_step(const uint8_t *bytes)
{
    struct ar_regs *regs = &world_keeper->regs;
    if (core.deadlines && bytes[1] < 128) {
        host_clock = core.deadlines->deadline;
        tick(0);
    } else if (bytes[1] < 140) { /* sleep: the processor halts */
        regs->rip = USER_RIP;
        regs->rax = AR_SYS_WAIT;
        regs->rdi = K_NOTIFICATION;
        regs->r13 = host_clock + 1 + bytes[2];
        world_trace("keeper sleeps until", regs->r13, 0);
        world_enter();
    } else {
        world_party(bytes[2] % PARTIES);
    }
}

static const struct operation *choose(uint8_t byte)
{
    static uint8_t table[OPERATION_BYTES];
    static bool ready;
    unsigned at = 0;
    for (unsigned i = 0; !ready && i < OPERATIONS; i++)
        for (unsigned n = 0; n < operations[i].weight; n++)
            table[at++] = (uint8_t)i;
    if (!ready && at != OPERATION_BYTES)
        abort(); /* the weights' sum */
    ready = true;
    return &operations[table[byte % OPERATION_BYTES]];
}

void step_plain(uint8_t bytes[STEP_BYTES])
{
    bytes[0] %= OPERATION_BYTES;
}

void step_run(const uint8_t bytes[STEP_BYTES])
{
    const struct operation *op = choose(bytes[0]);
    struct tcb *tcb = core.current;
    memcpy(&seed, bytes, sizeof(seed));
    seed >>= 8; /* without byte 0 */
    host_clock += 1 + bytes[7] % 16;
    if (op->kind == TICK) {
        tick(bytes[1]);
        return;
    }
    if (op->kind == INTERRUPT) {
        world_trace("interrupt", 1 + bytes[1] % 5u, 0);
        irq_arrived(1 + bytes[1] % 5);
        sched_pick();
        world_entered();
        return;
    }
    if (tcb == world_keeper) {
        keeper_step(bytes);
        return;
    }
    if (victims_step())
        return;
    if (tcb->regs.rip == USER_RIP - 2) { /* the kernel asked for the same call again */
        tcb->regs.rip = USER_RIP;
        world_trace("again", tcb->regs.rax, tcb->regs.rdi);
        enter(tcb);
        return;
    }
    types_read(tcb);
    if (op->kind == EXCEPTION) {
        exception(tcb, bytes);
        return;
    }
    tcb->regs.rip = USER_RIP;
    if (op->kind == INVOKE)
        invoke_arguments(tcb, op, bytes);
    else
        message_arguments(tcb, op, bytes);
    world_trace(op->kind == INVOKE ? "invokes" : "calls", op->code, tcb->regs.rdi);
    enter(tcb);
}
