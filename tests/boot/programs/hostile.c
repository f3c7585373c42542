/*
 * A program that makes native system calls and tries to get what it was not given.
 * SPDX-License-Identifier: MIT
 *
 * hostile STAGE LABEL:WORDS:CAPS… : labels of the protocols, from their TOML files, so that
 * nothing here copies a number of them. Prints "refused: WHAT" or "GRANTED: WHAT".
 */
#include "hostile.h"

#define SLOTS 33000u /* descriptors, threads: as far as any capability of a process lies */
#define STATUS_PERM 1
#define STATUS_BADF 9
#define SLOT_NOTIFICATION POSIX_THREAD_SLOT(0, POSIX_TS_NOTIFICATION)

static int granted;

static void verdict(int refused, const char *what)
{
    printf("%s: %s\n", refused ? "refused" : "GRANTED", what);
    granted += !refused;
}

/* What this process holds: gates and its notification, nothing that makes, maps or runs
 * anything. */
static void look_around(void)
{
    unsigned kinds[AR_TYPE_COUNT] = {0}, others = 0;
    for (unsigned slot = 1; slot < SLOTS; slot++) {
        struct native back;
        if (native_invoke(AR_CAP_SELF, AR_CNODE_INSPECT, slot, 0, 0, 0, &back) == AR_OK &&
            back.rdx < AR_TYPE_COUNT)
            kinds[back.rdx]++;
    }
    for (unsigned type = 1; type < AR_TYPE_COUNT; type++)
        others += type == AR_GATE || type == AR_NOTIFICATION ? 0 : kinds[type];
    printf("capabilities: gates %d, notifications %u, others %u\n", kinds[AR_GATE] > 3,
           kinds[AR_NOTIFICATION], others);
    verdict(others == 0 && kinds[AR_NOTIFICATION] == 1,
            "a capability that is neither a gate nor the thread's notification");
}

static const struct { uint64_t label, w0, w1, w2, w3; const char *what; } invocations[] = {
    {AR_TCB_SET_PRINCIPAL, 1, 0, 0, 0, "forge a principal"},
    {AR_TCB_SET_PRIORITY, AR_PRIORITY_MAX, 0, 0, 0, "raise a priority"},
    {AR_TCB_WRITE_REGS, 0, 0, 0, 0, "write a thread's registers"},
    {AR_TCB_SET_FOREIGN, 0, 0, 0, 0, "make all calls native"},
    {AR_TCB_SUSPEND, 0, 0, 0, 0, "suspend a thread"},
    {AR_UNTYPED_RETYPE, AR_ENDPOINT, 0, 40, 1, "make an endpoint"},
    {AR_GATE_BIND, POSIX_SLOT_SOCKD, 4711, 0, 0, "bind a gate to a made-up badge"},
    {AR_ENDPOINT_SET_ISSUER, 3, 0, 0, 0, "set an issuer"},
    {AR_FRAME_MAP, POSIX_SLOT_PROCD, 0x10000000, 7, 0, "map a frame"},
    {AR_FRAME_READ, 0, 8, 0, 0, "read a frame"},
    {AR_VSPACE_MAP_TABLE, POSIX_SLOT_PROCD, 0x10000000, 0, 0, "map a page table"},
    {AR_CNODE_SET_LEAF, 9, POSIX_SLOT_PROCD, 0, 0, "set a leaf of the capability space"},
    {AR_IRQ_CONTROL_GET, 4, 40, 0, 0, "take an interrupt line"},
    {AR_PORT_OUT32, 0xf4, 0x20, 0, 0, "write to a port"},
    {AR_LOG_WRITE, 8, 0, 0, 0, "write to the system log"},
};

static void invoke_everything(void)
{
    for (unsigned i = 0; i < sizeof invocations / sizeof *invocations; i++) {
        unsigned done = 0;
        for (unsigned slot = 1; slot < 520; slot++)
            done += native_invoke(slot, invocations[i].label, invocations[i].w0, invocations[i].w1,
                                  invocations[i].w2, invocations[i].w3, NULL) == AR_OK;
        for (unsigned slot = POSIX_SLOT_THREADS; slot < POSIX_SLOT_THREADS + 32; slot++)
            done += native_invoke(slot, invocations[i].label, invocations[i].w0, invocations[i].w1,
                                  invocations[i].w2, invocations[i].w3, NULL) == AR_OK;
        verdict(done == 0, invocations[i].what);
    }
}

/* Call `slot`; the server's status, or 1000 + the kernel's error. */
static uint64_t call(uint64_t slot, uint64_t label, unsigned words, unsigned caps, uint64_t w0)
{
    struct native registers = {.rax = AR_SYS_CALL,
                               .rdi = slot,
                               .rsi = AR_INFO(label, words, caps, 0, 0),
                               .rdx = w0,
                               .rbx = (uint64_t)HOSTILE_BUFFER,
                               .r12 = (uint64_t)HOSTILE_BUFFER};
    native_call(&registers);
    return registers.rax == AR_OK ? AR_INFO_LABEL(registers.rsi) : 1000 + registers.rax;
}

/* Slots that are empty, outside, or enormous. */
static void foreign_slots(void)
{
    static const uint64_t slots[] = {
        0,     40,    63,       255,        300,        32000,       32767,      33000,
        65535, 65536, 1u << 20, 0x7fffffff, 0xffffffff, 0x100000001, 1ull << 40, ~0ull};
    unsigned done = 0;
    for (unsigned i = 0; i < sizeof slots / sizeof *slots; i++)
        done += call(slots[i], 0x205 /* any */, 0, 0, 0) < 1000;
    verdict(done == 0, "call through a slot that is not ours");
    done = 0;
    for (unsigned i = 0; i < sizeof slots / sizeof *slots; i++) {
        done += native_invoke(AR_CAP_SELF, AR_CNODE_COPY, 41, slots[i], POSIX_SLOT_PROCD, AR_ALL,
                              NULL) == AR_OK &&
                slots[i] != 0;
        done += native_invoke(slots[i] ? slots[i] : 300, AR_CNODE_COPY, 42, AR_CAP_SELF,
                              POSIX_SLOT_PROCD, AR_ALL, NULL) == AR_OK;
    }
    native_invoke(AR_CAP_SELF, AR_CNODE_DELETE, 41, 0, 0, 0, NULL);
    verdict(done == 0, "copy from or into another capability space");
    done = 0;
    for (uint64_t label = 0; label < AR_LABEL_USER; label++)
        done += call(POSIX_SLOT_SOCKD, label, 4, 0, 0) < 1000 ||
                call(POSIX_SLOT_PROCD, label, 4, 0, 0) < 1000;
    verdict(done == 0, "send a label that only the kernel may send (closed, fault, time-out)");
    done = 0;
    struct native receive = {
        .rax = AR_SYS_RECV, .rdi = POSIX_SLOT_SOCKD, .r12 = POSIX_SLOT_PROCD, .r13 = 0};
    native_call(&receive);
    done += receive.rax == AR_OK;
    struct native reply = {.rax = AR_SYS_REPLY, .rdi = POSIX_SLOT_PROCD};
    native_call(&reply);
    done += reply.rax == AR_OK;
    struct native data = {
        .rax = AR_SYS_DATA_READ, .rdi = POSIX_SLOT_PROCD, .r10 = (uint64_t)HOSTILE_BUFFER, .r8 = 8};
    native_call(&data);
    done += data.rax == AR_OK;
    struct native signal = {.rax = AR_SYS_SIGNAL, .rdi = POSIX_SLOT_PROCD, .rdx = ~0ull};
    native_call(&signal);
    done += signal.rax == AR_OK;
    struct native unknown = {.rax = AR_SYS_COUNT + 7};
    native_call(&unknown);
    done += unknown.rax != AR_ERR_SYSCALL;
    verdict(done == 0, "receive, reply, read a caller or signal through a gate");
}

/* The only capabilities of ours that no server made are notifications; none may travel as a
 * descriptor. */
static void home_made_descriptor(uint64_t stage)
{
    /* Honest descriptors first, more than a message holds: libposix opens this thread's session with
     * sockd to stage them. */
    enum { MANY = AR_MSG_CAPS + 1 };
    int pair[2], fds[MANY];
    union { char room[CMSG_SPACE(sizeof(fds))]; struct cmsghdr align; } control = {0};
    struct iovec vector = {.iov_base = "x", .iov_len = 1};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = &control,
                             .msg_controllen = sizeof control};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    *header = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(fds))};
    for (int i = 0; i < MANY; i++)
        fds[i] = 1;
    memcpy(CMSG_DATA(header), fds, sizeof(fds));
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    printf("honest descriptors: %d\n", (int)sendmsg(pair[0], &message, 0));
    HOSTILE_BUFFER->caps_out[0] = SLOT_NOTIFICATION;
    HOSTILE_BUFFER->recv_slot_count = 0;
    uint64_t status = call(POSIX_SLOT_SOCKD, stage, 1, 1, 0);
    printf("staging a notification: status %d\n", (int)status);
    verdict(status == STATUS_BADF, "pass a notification as a descriptor");
    HOSTILE_BUFFER->caps_out[0] = 63; /* an empty slot */
    verdict(call(POSIX_SLOT_SOCKD, stage, 1, 1, 0) >= 1000, "pass an empty slot as a descriptor");
    HOSTILE_BUFFER->caps_out[0] = 0x7fffffff;
    verdict(call(POSIX_SLOT_SOCKD, stage, 1, 1, 0) >= 1000,
            "pass a slot that is not ours as a descriptor");
    verdict(call(POSIX_SLOT_SOCKD, stage, 1, 200, 0) >= 1000,
            "pass 200 capabilities in one message");
    verdict(call(POSIX_SLOT_SOCKD, stage, 255, 0, 0) >= 1000, "send 255 words");
}

/* Operations that are init's, sent through this process's own gates. */
static void privileged_operations(int count, char **labels)
{
    for (int i = 0; i < count; i++) {
        char *rest; /* label:words:capabilities, so that the request is well-formed */
        uint64_t label = strtoull(labels[i], &rest, 0),
                 slot = label >> 8 == 6 ? POSIX_SLOT_PROCD : POSIX_SLOT_CONSOLED;
        unsigned words = (unsigned)strtoul(rest + 1, &rest, 0),
                 caps = (unsigned)strtoul(rest + 1, NULL, 0);
        for (unsigned c = 0; c < caps; c++)
            HOSTILE_BUFFER->caps_out[c] = POSIX_SLOT_FD + c;
        uint64_t status = call(slot, label, words, caps, 1);
        char what[64];
        snprintf(what, sizeof what, "operation %s, which is init's: status %d", labels[i],
                 (int)status);
        verdict(status == STATUS_PERM, what);
    }
}

/* Requests that no client stub would make: any label, any number of words. The servers must
 * answer and live on. */
static int random_requests(void *argument)
{
    uint64_t seed = (uint64_t)(uintptr_t)argument;
    for (int i = 0; i < 1500; i++) {
        seed = seed * 6364136223846793005ull + 1442695040888963407ull;
        uint64_t protocol = 1 + (seed >> 33) % 7, op = (seed >> 40) % 34;
        uint64_t slot =
            (seed >> 50) % 6 < 4 ? 1 + (seed >> 52) % 4 : POSIX_SLOT_FD + (seed >> 52) % 8;
        /* threads, exit, exec: ends us */
        if (protocol == 6 && (op == 4 || op == 5 || op == 6 || op == 7 || op == 8))
            continue;
        for (unsigned w = 0; w < AR_MSG_WORDS; w++)
            HOSTILE_BUFFER->words[w] = (seed >> (w % 40)) & (w % 3 ? 0xff : ~0ull);
        struct native registers = {.rax = AR_SYS_CALL,
                                   .rdi = slot,
                                   .rsi = AR_INFO(protocol << 8 | op, (seed >> 20) % 20, 0, 0, 0),
                                   .rdx = seed >> 60,
                                   .r10 = seed,
                                   .r8 = ~seed,
                                   .r9 = seed >> 30,
                                   .rbx = (uint64_t)HOSTILE_BUFFER,
                                   .r12 = (uint64_t)HOSTILE_BUFFER};
        native_call(&registers);
    }
    return 0;
}

static void afterwards(void)
{
    int pair[2];
    char room[8] = "";
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0 && write(pair[0], "alive", 5) == 5)
        read(pair[1], room, 5);
    int fd = open("/etc/passwd", O_RDONLY);
    char start[4];
    printf("afterwards: sockets %s, files %d\n", room, read(fd, start, 4) == 4);
    /* and a fork with yet other requests */
    int status = in_child((int (*)(void *))random_requests, (void *)1);
    printf("afterwards: fork %d\n", status >= 0);
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc < 2) {
        printf("usage: hostile SOCK_STAGE LABEL…\n");
        return 2;
    }
    if (native_find() != 0) {
        printf("no way into libposix's text was found\n");
        return 3;
    }
    look_around();
    invoke_everything();
    foreign_slots();
    home_made_descriptor(strtoull(argv[1], NULL, 0));
    privileged_operations(argc - 2, argv + 2);
    for (uintptr_t seed = 1; seed <= 4; seed++)
        in_child(random_requests, (void *)(seed * 77777));
    afterwards();
    printf("%d granted\n", granted);
    return granted ? 1 : 0;
}
