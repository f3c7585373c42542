/*
 * What an invocation's words must be, as data: the table that microkernel/api/apigen.py makes of
 * api/invocations.toml. SPDX-License-Identifier: MIT
 */
#ifndef OBJECT_DECODE_H
#define OBJECT_DECODE_H

#include "object/object.h"

enum decode_kind {
    DECODE_CAP,     /* a slot with a capability as the members below say: into call->caps[word] */
    DECODE_EMPTY,   /* an empty slot: into call->caps[word] */
    DECODE_SLOT,    /* a slot, empty or not: into call->caps[word] */
    DECODE_HELD,    /* a slot that holds something: into call->caps[word] */
    DECODE_ROOT,    /* a CNode's slot or AR_CAP_SELF: its capability into call->caps[word] */
    DECODE_NUMBER,  /* low..high, a multiple of 1 << bits */
    DECODE_ADDRESS, /* the same, with errors that speak of addresses */
    DECODE_MASK,    /* no bits but high, and all those of low */
    DECODE_DATA,    /* 0..high units of 1 << bits bytes, which follow from word 4 on */
};

/* In which capability space a slot is. */
enum decode_space { DECODE_OWN, DECODE_TARGET, DECODE_WORD_1 /* a DECODE_ROOT */ };

struct decode_word {
    uint8_t word; /* its number */
    uint8_t kind, space;
    uint8_t type, rights;     /* CAP: enum ar_type, enum ar_rights */
    uint8_t bits;             /* CAP: size_bits, 0: any */
    uint8_t optional, memory; /* CAP: 0 is no capability; not device memory */
    uint64_t low, high;
};

struct decode_entry {
    enum ar_error (*act)(struct invocation *call);
    const struct decode_word *words, *end; /* those with something to check */
    uint8_t needed;             /* words that the message must have */
    uint8_t rights, bits;       /* of the target: enum ar_rights; size_bits, 0: any */
    uint8_t original, not_self; /* the target is no copy; is in a slot */
};

/* The invocations on one type of object, numbered in a row. */
struct decode_object {
    uint32_t first, count;
    const struct decode_entry *entries;
};
extern const struct decode_object decode_objects[AR_TYPE_COUNT];

#endif
