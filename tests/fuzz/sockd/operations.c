/* The operations and their weights: see steps.c. SPDX-License-Identifier: MIT */
#include "steps.h"
#include <string.h>

/* ---- making ---------------------------------------------------------------------------------- */

static void step_session(const uint8_t *bytes)
{
    struct request r;
    ask_begin(&r, bytes, SESSION_OPEN, BADGE_ROOT, 0);
    request_cap_foreign(&r, AR_NOTIFICATION, 0);
    if (ask_end(&r, bytes) == ST_OK && !r.lost)
        r.thread->session_badge = r.call.reply_caps[0].value;
}

static uint64_t type_of(const uint8_t *bytes)
{
    static const uint8_t types[] = {LX_SOCK_STREAM, LX_SOCK_DGRAM, LX_SOCK_SEQPACKET, LX_SOCK_RAW};
    uint64_t type = bytes[4] < 250 ? types[bytes[4] % 4] : bytes[4] % 16;
    return type | (bytes[5] % 4 == 0 ? LX_SOCK_NONBLOCK : 0);
}

static void step_socket(const uint8_t *bytes)
{
    struct request r;
    ask_begin(&r, bytes, SOCK_SOCKET, BADGE_ROOT, 3);
    r.words[0] = LX_AF_UNIX;
    r.words[1] = type_of(bytes);
    ask_end(&r, bytes);
}

static void step_pair(const uint8_t *bytes)
{
    struct request r;
    ask_begin(&r, bytes, SOCK_SOCKET_PAIR, BADGE_ROOT, 3);
    r.words[0] = LX_AF_UNIX;
    r.words[1] = type_of(bytes);
    ask_end(&r, bytes);
}

static void step_pipe(const uint8_t *bytes)
{
    struct request r;
    ask_begin(&r, bytes, SOCK_PIPE, BADGE_ROOT, 1);
    r.words[0] = (bytes[4] & 1 ? LX_O_NONBLOCK : 0) | (bytes[4] % 5 == 0 ? LX_O_DIRECT : 0);
    ask_end(&r, bytes);
}

static void step_event(const uint8_t *bytes)
{
    struct request r;
    ask_begin(&r, bytes, SOCK_EVENT, BADGE_ROOT, 3);
    r.words[0] = bytes[4] % 3 == 0;
    r.words[1] = r.words[0] ? 0 : edge_of(bytes[5]);
    r.words[2] = r.words[0] ? 0 : (uint64_t)(bytes[6] & 1) | (bytes[6] & 2 ? LX_EFD_NONBLOCK : 0);
    ask_end(&r, bytes);
}

/* ---- names and connections ------------------------------------------------------------------- */

static void step_bind(const uint8_t *bytes)
{
    struct request r;
    ask_begin(&r, bytes, SOCK_BIND_PREPARE, choose(KIND(OBJECT_SOCKET), bytes[2]), 1);
    r.words[0] = r.in_size = bytes[4] % 8 ? address_put(bytes[3]) : LX_SUN_PATH; /* autobind */
    if (r.words[0] == LX_SUN_PATH)
        world_in[0] = LX_AF_UNIX, world_in[1] = 0;
    if (ask_end(&r, bytes) != ST_OK || !r.call.reply_words[0] || bytes[5] % 4 == 0)
        return;
    uint64_t socket = r.badge; /* as libposix does, mostly */
    ask_begin(&r, bytes, SOCK_BIND_COMMIT, socket, 0);
    world_ask(&r);
}

static void step_bind_end(const uint8_t *bytes)
{
    struct request r;
    ask_begin(&r, bytes, bytes[4] % 2 ? SOCK_BIND_COMMIT : SOCK_BIND_ABORT,
              choose(KIND(OBJECT_SOCKET), bytes[2]), 0);
    ask_end(&r, bytes);
}

static void step_listen(const uint8_t *bytes)
{
    struct request r;
    ask_begin(&r, bytes, SOCK_LISTEN, choose(KIND(OBJECT_SOCKET), bytes[2]), 1);
    r.words[0] = bytes[4] < 224 ? bytes[4] % 4 : edge_of(bytes[4]);
    ask_end(&r, bytes);
}

/* The listener whose queue a successful connect went to had room. */
static void backlog_check(uint64_t badge)
{
    const struct socket *socket = chosen_socket(badge);
    if (!socket || !socket_connection_based(socket) || !socket->peer || !socket->peer->listener)
        return;
    const struct socket *listener = socket->peer->listener;
    CHECK(listener->accept_count <= listener->backlog + 1, "a connect went beyond the backlog");
}

static void connect(const uint8_t *bytes, uint64_t badge, uint8_t name)
{
    struct request r;
    ask_begin(&r, bytes, SOCK_CONNECT, badge, 1);
    r.words[0] = r.in_size = address_put(name);
    if (address_is_path(name))
        request_cap_own(&r, choose(KIND(OBJECT_NAME), bytes[5]));
    if (bytes[6] % 16 == 0) { /* AF_UNSPEC */
        world_in[0] = 0;
        r.words[0] = r.in_size = 16;
        r.cap_count = 0;
    }
    if (ask_end(&r, bytes) == ST_OK)
        backlog_check(r.badge);
}

static void step_connect(const uint8_t *bytes)
{
    for (unsigned times = bytes[6] % 16 == 1 ? 5 : 1; times; times--) /* many, until one waits */
        connect(bytes, choose(KIND(OBJECT_SOCKET), (uint8_t)(bytes[2] + times)), bytes[3]);
}

/* A listener and a client of it in one step: by chance both would take long to meet. */
static void step_server(const uint8_t *bytes)
{
    uint8_t name = bytes[3] % 6, type = bytes[4] % 2 ? 0 : 2;
    const uint8_t plain[STEP_BYTES] = {0, bytes[1] & 7, 0, name, type, 1, 1, 0};
    struct request r;
    step_socket(plain);
    uint64_t server = choose(KIND(OBJECT_SOCKET), bytes[2]);
    ask_begin(&r, plain, SOCK_BIND_PREPARE, server, 1);
    r.words[0] = r.in_size = address_put(name);
    world_ask(&r);
    ask_begin(&r, plain, SOCK_LISTEN, server, 1);
    r.words[0] = bytes[5] % 4;
    world_ask(&r);
    uint8_t client = (uint8_t)(bytes[2] + 1);
    connect(plain, choose(KIND(OBJECT_SOCKET), client), name);
}

static void step_accept(const uint8_t *bytes)
{
    struct request r;
    uint64_t badge = choose(KIND(OBJECT_SOCKET), bytes[2]);
    for (unsigned tries = 0; tries < 8; tries++) { /* a listener, if there is one near */
        const struct socket *socket = chosen_socket(badge);
        if (socket && socket->state == SOCKET_LISTENING)
            break;
        badge = choose(KIND(OBJECT_SOCKET), (uint8_t)(bytes[2] + tries + 1));
    }
    ask_begin(&r, bytes, SOCK_ACCEPT, badge, 1);
    r.words[0] = bytes[4] & 1 ? LX_SOCK_NONBLOCK : 0;
    r.out_size = bytes[5] & 1 ? 128 : 0;
    ask_end(&r, bytes);
}

static void step_shutdown(const uint8_t *bytes)
{
    struct request r;
    ask_begin(&r, bytes, SOCK_SHUTDOWN, choose(KIND(OBJECT_SOCKET), bytes[2]), 1);
    r.words[0] = bytes[4] < 240 ? bytes[4] % 3 : edge_of(bytes[4]);
    if (ask_end(&r, bytes) != ST_OK)
        return;
    const struct socket *socket = chosen_socket(r.badge);
    unsigned bits = (unsigned)r.words[0] + 1;
    CHECK(socket && (socket->shutdown & bits) == bits, "a shutdown without effect");
    if (socket->peer && socket_connection_based(socket))
        CHECK(!((bits & SHUT_SEND) && !(socket->peer->shutdown & SHUT_RECEIVE)) &&
                  !((bits & SHUT_RECEIVE) && !(socket->peer->shutdown & SHUT_SEND)),
              "the peer does not know of a shutdown");
}

/* ---- descriptors in flight ------------------------------------------------------------------- */

static void stage(const uint8_t *bytes)
{
    struct request r;
    ask_begin(&r, bytes, SOCK_STAGE, BADGE_ROOT, 1);
    r.words[0] = bytes[4] % 8 == 0;
    unsigned count = bytes[5] < 160 ? 1 : bytes[5] % 9;
    for (unsigned i = 0; i < count; i++) {
        bool foreign = bytes[6] >> (i % 8) & 1;
        if (foreign && bytes[3] % 4 == 0)
            request_cap_foreign(&r, AR_GATE, ISSUER_FILED);
        else
            request_cap_own(&r, choose(bytes[3] < 250 ? KIND_DESCRIPTOR : KIND_ANY,
                                       (uint8_t)(bytes[2] + i)));
    }
    ask_end(&r, bytes);
}

/* Up to what one message may carry, and beyond. */
static void step_stage(const uint8_t *bytes)
{
    for (unsigned times = bytes[5] == 251 || bytes[5] == 242 ? 34 : 1; times; times--)
        stage(bytes);
}

static void step_claim(const uint8_t *bytes)
{
    struct request r;
    ask_begin(&r, bytes, SOCK_CLAIM, BADGE_ROOT, 1);
    r.words[0] = bytes[4] % 4 == 0;
    ask_end(&r, bytes);
}

/* ---- options, flags and the rest ------------------------------------------------------------- */

static void step_poll(const uint8_t *bytes)
{
    static const uint32_t events[] = {LX_POLLIN,  LX_POLLOUT, LX_POLLIN | LX_POLLOUT, LX_POLLRDHUP,
                                      WAKE_WRITE, WAKE_READ,  LX_POLLPRI,             0xffff};
    struct request r;
    ask_begin(&r, bytes, IO_POLL, choose(KIND_DESCRIPTOR, bytes[2]), 2);
    r.words[0] = events[bytes[4] % 8];
    r.words[1] = bytes[5] % 4 ? 1 + bytes[5] / 4 : 0; /* a number, mostly */
    ask_end(&r, bytes);
}

static const uint8_t options[] = {
    LX_SO_SNDBUF,   LX_SO_PASSCRED,   LX_SO_RCVLOWAT,    LX_SO_PEEK_OFF, LX_SO_SNDBUFFORCE,
    LX_SO_PEERCRED, LX_SO_PEERNAME,   LX_SO_PEERGROUPS,  LX_SO_ERROR,    LX_SO_RCVBUF,
    LX_SO_LINGER,   LX_SO_RCVTIMEO,   LX_SO_SNDTIMEO_NEW, LX_SO_COOKIE,  LX_SO_RCVBUFFORCE,
    LX_SO_TYPE,     LX_SO_ACCEPTCONN, LX_SO_MARK,        LX_SO_PRIORITY, LX_SO_OOBINLINE};

static uint64_t option_of(uint8_t byte)
{
    return byte < 224 ? options[byte % sizeof(options)] : byte - 160u;
}

static void step_get_option(const uint8_t *bytes)
{
    struct request r;
    ask_begin(&r, bytes, SOCK_GET_OPTION, choose(KIND(OBJECT_SOCKET), bytes[2]), 3);
    r.words[0] = LX_SOL_SOCKET;
    r.words[1] = option_of(bytes[4]);
    r.words[2] = bytes[5] < 200 ? bytes[5] : edge_of(bytes[5]);
    r.out_size = 256;
    ask_end(&r, bytes);
}

static void step_set_option(const uint8_t *bytes)
{
    struct request r;
    ask_begin(&r, bytes, SOCK_SET_OPTION, choose(KIND(OBJECT_SOCKET), bytes[2]), 3);
    r.words[0] = LX_SOL_SOCKET;
    r.words[1] = option_of(bytes[4]);
    r.words[2] = bytes[5] < 224 ? 16 : edge_of(bytes[5] ^ 128);
    r.in_size = bytes[5] < 160 ? 16 : 4096;
    uint64_t value[2] = {bytes[6] < 128 ? bytes[6] * (bytes[3] + 1u) : edge_of(bytes[6] ^ 128),
                         edge_of(bytes[3])};
    memcpy(world_in, value, sizeof(value));
    ask_end(&r, bytes);
}

static void step_get_name(const uint8_t *bytes)
{
    struct request r;
    ask_begin(&r, bytes, SOCK_GET_NAME, choose(KIND(OBJECT_SOCKET), bytes[2]), 1);
    r.words[0] = bytes[4] & 1;
    r.out_size = 128;
    ask_end(&r, bytes);
}

static void step_ioctl(const uint8_t *bytes)
{
    static const uint32_t requests[] = {LX_TIOCOUTQ, LX_FIONREAD,    LX_FIONBIO,
                                        LX_FIOASYNC, LX_SIOCATMARK, 0x5401};
    struct request r;
    ask_begin(&r, bytes, IO_IOCTL, choose(KIND_DESCRIPTOR, bytes[2]), 2);
    r.words[0] = requests[bytes[4] % 6];
    r.in_size = r.out_size = 4;
    world_in[0] = bytes[5] & 1;
    world_in[1] = world_in[2] = world_in[3] = 0;
    ask_end(&r, bytes);
}

static void step_flags(const uint8_t *bytes)
{
    struct request r;
    ask_begin(&r, bytes, IO_SET_FLAGS, choose(KIND_DESCRIPTOR, bytes[2]), 2);
    r.words[1] = bytes[5];
    r.words[0] = (bytes[4] & 1 ? LX_O_NONBLOCK : 0) | (bytes[4] % 7 == 0 ? LX_O_DIRECT : 0) |
                 (bytes[4] & 2 ? LX_O_ASYNC : 0);
    ask_end(&r, bytes);
}

/* Every other operation of io, with words that mean little. */
static void step_io(const uint8_t *bytes)
{
    static const struct {
        uint32_t label;
        uint8_t words;
    } operations[] = {{IO_STAT, 0},     {IO_GET_FLAGS, 0},      {IO_PATH, 0}, {IO_SEEK, 2},
                      {IO_TRUNCATE, 1}, {IO_READ_DIRECTORY, 1}, {IO_SYNC, 0}, {IO_SET_ATTRIBUTES, 6},
                      {IO_LOCK, 5},     {IO_ALLOCATE, 3},       {IO_OWNER, 4}};
    struct request r;
    unsigned which = bytes[4] % 11;
    ask_begin(&r, bytes, operations[which].label, choose(KIND_ANY, bytes[2]),
              operations[which].words);
    for (unsigned i = 0; i < 6; i++)
        r.words[i] = edge_of((uint8_t)(bytes[5] + i * bytes[6]));
    r.out_size = 4096;
    if (operations[which].label == IO_SET_ATTRIBUTES)
        r.words[0] &= 31;
    ask_end(&r, bytes);
}

static void step_table(const uint8_t *bytes)
{
    struct request r;
    ask_begin(&r, bytes, SOCK_TABLE, BADGE_ROOT, 1);
    r.words[0] = bytes[4] < 240 ? (bytes[4] & 1 ? LX_O_NONBLOCK : 0) : edge_of(bytes[4]);
    ask_end(&r, bytes);
}

/* ---- epoll ----------------------------------------------------------------------------------- */

static void step_epoll_ctl(const uint8_t *bytes)
{
    static const uint32_t events[] = {LX_POLLIN, LX_POLLOUT, LX_POLLIN | LX_POLLOUT, 0, LX_POLLRDHUP};
    static const uint32_t behaviour[] = {0, 0, 0, LX_EPOLLET, LX_EPOLLONESHOT, LX_EPOLLEXCLUSIVE,
                                         LX_EPOLLET | LX_EPOLLONESHOT, LX_EPOLLWAKEUP};
    struct request r;
    ask_begin(&r, bytes, SOCK_EPOLL_CTL, choose(KIND(OBJECT_EPOLL), bytes[2]), 7);
    r.words[0] = bytes[4] < 192 ? 1 : bytes[4] % 6;
    r.words[1] = bytes[6] % 4;
    r.words[2] = events[bytes[5] % 5] | behaviour[bytes[5] >> 5];
    r.words[3] = bytes[3];
    r.words[4] = bytes[6] >= 192;
    r.words[5] = bytes[6] >> 2 & 3;
    r.words[6] = bytes[3] % 4;
    if (bytes[6] < 224)
        request_cap_own(&r, choose(bytes[4] % 4 ? KIND_DESCRIPTOR : KIND(OBJECT_EPOLL), bytes[3]));
    ask_end(&r, bytes);
}

static void step_epoll_wait(const uint8_t *bytes)
{
    struct request r;
    ask_begin(&r, bytes, SOCK_EPOLL_WAIT, choose(KIND(OBJECT_EPOLL), bytes[2]), 4);
    r.words[0] = bytes[4] < 224 ? bytes[4] % 8 : edge_of(bytes[4]);
    r.words[1] = bytes[5] & 1;
    r.words[2] = bytes[5] >> 1 & 1;
    r.words[3] = bytes[5] >> 2 & 1;
    r.out_size = 4096;
    ask_end(&r, bytes);
}

/* What libposix does for foreign interests: list them, say what is ready. */
static void step_epoll_report(const uint8_t *bytes)
{
    struct request r;
    ask_begin(&r, bytes, SOCK_EPOLL_FOREIGN, choose(KIND(OBJECT_EPOLL), bytes[2]), 1);
    r.words[0] = bytes[4] < 240 ? bytes[4] % 4 : edge_of(bytes[4]);
    r.out_size = 32 * 40;
    if (ask_end(&r, bytes) != ST_OK)
        return;
    uint64_t badge = r.badge, count = r.call.reply_words[0] < 8 ? r.call.reply_words[0] : 8;
    uint64_t listed[8 * 5], said[8 * 3];
    memcpy(listed, world_out, sizeof(listed));
    for (uint64_t i = 0; i < 8; i++) {
        said[3 * i] = i < count ? listed[5 * i] : i;
        said[3 * i + 1] = bytes[5] & 7;
        said[3 * i + 2] = bytes[6] % 4;
    }
    memcpy(world_in, said, sizeof(said));
    ask_begin(&r, bytes, SOCK_EPOLL_REPORT, badge, 1);
    r.words[0] = bytes[3] < 240 ? bytes[3] % 9 : edge_of(bytes[3]);
    r.in_size = sizeof(said);
    world_ask(&r);
}

/* Any label, any words. */
static void step_raw(const uint8_t *bytes)
{
    struct request r;
    uint32_t label = bytes[3] < 128 ? SOCK_SOCKET + bytes[3] % 32 : IO_READ + bytes[3] % 32;
    if (bytes[3] >= 240)
        label = (uint32_t)(bytes[3] - 240u) << 8 | bytes[4];
    ask_begin(&r, bytes, label, bytes[2] < 32 ? BADGE_ROOT : choose(KIND_ANY, bytes[2]),
              bytes[4] % 11);
    for (unsigned i = 0; i < 10; i++)
        r.words[i] = edge_of((uint8_t)(bytes[5] + i * bytes[6]));
    r.in_size = r.out_size = length_of((uint8_t)(bytes[5] ^ bytes[6]));
    bytes_unknown(&r);
    ask_end(&r, bytes);
    if (label == SOCK_SPLICE || label == SOCK_DROP)
        stream_forget(r.badge, false);
    if (label == SOCK_SPLICE && r.cap_count > 0)
        stream_forget(r.caps[0].value, true);
}

/* ---- what is no request ---------------------------------------------------------------------- */

static void step_close(const uint8_t *bytes)
{
    world_close(choose(bytes[3] < 200 ? KIND_DESCRIPTOR : KIND_ANY, bytes[2]), bytes[4] % 4 != 0);
}

static void step_duplicate(const uint8_t *bytes)
{
    uint64_t badge = choose(KIND_ANY, bytes[2]);
    if (world.copies[badge] && world.copies[badge] < 3)
        world.copies[badge]++;
}

/* Closed messages that were on their way; or one for a badge that nobody has. */
static void step_closed(const uint8_t *bytes)
{
    for (uint64_t badge = 0; badge < BADGES; badge++)
        if (world.closing[badge] && (bytes[4] & 1 || badge % 8 == bytes[3] % 8)) {
            world_deliver_closed(badge);
            world_close(0, false);
        }
    world_expired();
}

static void step_credentials(const uint8_t *bytes)
{
    static const uint32_t uids[] = {0, 1000, 1001, 1002};
    static const uint32_t limits[] = {0, 1, 3, 1024};
    world_credentials_set(1 + bytes[2] % PROCESSES, uids[bytes[3] % 4], limits[bytes[4] % 4]);
}

/* ---- the table ------------------------------------------------------------------------------- */

/* Frozen: corpus and crashes mean something only with it. New ones at the end. */
static const struct {
    const char *name;
    uint8_t weight;
    void (*run)(const uint8_t *bytes);
} table[] = {
    {"session", 6, step_session},     {"socket", 8, step_socket},     {"pair", 10, step_pair},
    {"pipe", 4, step_pipe},           {"event", 3, step_event},       {"bind", 12, step_bind},
    {"bind_end", 3, step_bind_end},   {"listen", 6, step_listen},     {"connect", 12, step_connect},
    {"server", 5, step_server},       {"accept", 8, step_accept},     {"send", 22, step_send},
    {"send_to", 8, step_send_to},     {"receive", 22, step_receive},  {"read", 10, step_read},
    {"write", 10, step_write},        {"poll", 12, step_poll},        {"stage", 14, step_stage},
    {"claim", 4, step_claim},         {"shutdown", 5, step_shutdown}, {"get_name", 2, step_get_name},
    {"get_option", 3, step_get_option}, {"set_option", 8, step_set_option},
    {"ioctl", 3, step_ioctl},         {"flags", 3, step_flags},       {"io", 3, step_io},
    {"raw", 4, step_raw},             {"close", 16, step_close},      {"duplicate", 3, step_duplicate},
    {"closed", 4, step_closed},       {"credentials", 3, step_credentials},
    {"table", 2, step_table},         {"receive_more", 6, step_receive_more},
    {"epoll_ctl", 6, step_epoll_ctl}, {"epoll_wait", 4, step_epoll_wait},
    {"epoll_report", 2, step_epoll_report},
};
#define OPERATIONS (sizeof(table) / sizeof(table[0]))

static unsigned operation_of(uint8_t byte)
{
    unsigned sum = 0;
    for (unsigned i = 0; i < OPERATIONS; i++)
        if (byte < (sum += table[i].weight))
            return i;
    return byte % OPERATIONS;
}

uint8_t operation_byte(uint8_t byte)
{
    unsigned wanted = operation_of(byte), first = 0;
    for (unsigned i = 0; i < wanted; i++)
        first += table[i].weight;
    return (uint8_t)first;
}

void operation_run(const uint8_t bytes[STEP_BYTES])
{
    unsigned which = operation_of(bytes[0]);
    table[which].run(bytes);
}
