/*
 * The world around sockd's core: the kernel, the shell and hostile threads of several users.
 * SPDX-License-Identifier: MIT
 *
 * The world counts the copies of each gate, owns the slots of what travels, lends the caller's
 * memory, carries out effects and, after every entry into the core, checks all of its state.
 */
#ifndef FUZZ_SOCKD_WORLD_H
#define FUZZ_SOCKD_WORLD_H

#include "core.h"
#include "fuzz.h"
#include <ipc/session.h>
#include <posix_abi.h>
#include <proto/session.h>

enum {
    THREADS = 7, /* the last one's process has no entry in the table of credentials */
    PROCESSES = 4,
    BADGES = BADGE_OBJECTS + 256,
    SLOTS = 4096, /* 0 is none */
    MEMORY = 256 * 1024,
    STREAMS = 4096
};

enum slot_use { SLOT_FREE, SLOT_GATE, SLOT_OTHER, SLOT_NOTIFICATION };

/* What a thread waits for since its last request, to see that it is woken. */
enum wait_kind {
    WAIT_NONE, WAIT_POLL, WAIT_READ, WAIT_WRITE, WAIT_CONNECT, WAIT_SPLICE, WAIT_LOCK, WAIT_FORESEEN,
    WAIT_SET
};
enum { WAIT_ENTRIES = 16 }; /* of a poll set's, looked at */
struct blocked {
    enum wait_kind kind;
    uint64_t badge, ino, peer_ino;
    uint64_t to_badge, to_ino; /* of a splice; peer_ino is its target's peer then */
    uint32_t events;           /* of a lock: the mode */
    uint32_t question;         /* of io.poll: its number */
    unsigned entries;          /* of a poll set: what was asked, and of which object */
    uint32_t entry[WAIT_ENTRIES];
    uint64_t entry_ino[WAIT_ENTRIES];
};

struct thread {
    uint64_t principal, session_badge;
    bool woken; /* since it last made a request */
    uint64_t notification; /* the slot of the last one it gave away */
    struct blocked blocked;
};

/* Bytes of one direction of a connection, or of a pipe: what was sent must come in order. */
struct stream {
    uint64_t ino, sent, received;
    bool lossy; /* packets: what has no room is lost */
};

struct world {
    struct sockd *core;
    struct sockd_limits limits;
    unsigned copies[BADGES]; /* of each gate, outside */
    bool closing[BADGES];    /* no copies: the closed message is on its way */
    uint8_t slots[SLOTS];    /* enum slot_use: what the core owns */
    unsigned next_slot, slots_owned;
    struct thread threads[THREADS];
    bool datagrams_unknown; /* some were sent whose bytes nobody knows */
    uint64_t heap_before;
};
extern struct world world;
extern struct credentials world_credentials[CREDENTIALS_MAX];

/* One request; world_ask fills the reply. */
struct request {
    struct thread *thread;
    uint64_t badge;
    uint32_t label;
    unsigned word_count, cap_count;
    uint64_t words[AR_MSG_WORDS];
    struct ipc_cap caps[AR_MSG_CAPS];
    uint64_t in_size, out_size; /* declared memory */
    uint64_t in_bad, out_bad;   /* the byte at this offset is not there; UINT64_MAX: all is */
    unsigned fail_at;           /* this allocation fails; 0: none */
    unsigned effects_before;    /* wake-ups that are on the list already */
    bool lost;                  /* the reply does not arrive */
    struct ipc_call call;       /* out */
};
extern uint8_t world_in[MEMORY], world_out[MEMORY];

enum status world_ask(struct request *request);
void request_cap_own(struct request *request, uint64_t badge);
void request_cap_foreign(struct request *request, enum ar_type type, uint64_t issuer);
/* One copy of a gate less. The closed message goes out at once, or is on its way. */
void world_close(uint64_t badge, bool at_once);
/* The badge of what has this number, or one that leads to nothing. */
uint64_t world_badge(uint64_t ino);
/* Is a wake-up for it among the effects of this request? */
bool world_wakes(const struct thread *thread);
void world_deliver_closed(uint64_t badge);
void world_expired(void);
void world_credentials_set(unsigned process, uint32_t uid, uint32_t nofile);
/* Copy the step into the trace. */
void world_trace(const char *what, const struct request *request);
struct stream *world_stream(uint64_t ino);
enum { STREAM_STEP = 31 }; /* from one byte to the next, but where 256 more begin */
uint8_t stream_byte(const struct stream *stream, uint64_t position);

/* check.c: everything that must hold between two entries. Ends the process if it does not. */
void sockd_check(const struct sockd *sockd);
_Noreturn void check_failed(const char *text, const char *file, int line);
#define CHECK(condition, text) ((condition) ? (void)0 : check_failed(text, __FILE__, __LINE__))

/* check_waits.c: nobody who waits has been forgotten. */
void waits_check(const struct sockd *sockd);
/* A thread's request was answered with ST_WAIT, or its poll is armed. */
void waits_note(const struct sockd *sockd, const struct request *request);
/* A wake-up brings this answer (ipc/answer.h, 0: none) to a thread that waits so. */
void answer_check(struct sockd *sockd, const struct blocked *blocked, uint32_t answer);

#endif
