/* What the operations share: see steps.c. SPDX-License-Identifier: MIT */
#ifndef FUZZ_SOCKD_STEPS_H
#define FUZZ_SOCKD_STEPS_H

#include "world.h"

#define KIND(kind) (1u << (kind))
#define KIND_ANY (~0u)
#define KIND_DESCRIPTOR (~(KIND(OBJECT_NAME) | KIND(OBJECT_SESSION)))

/* One of the gates that somebody has, of one of these kinds; when there is none, one that is
 * stale or nobody's. */
uint64_t choose(unsigned kinds, uint8_t which);
struct socket *chosen_socket(uint64_t badge); /* NULL: none */
uint64_t length_of(uint8_t byte);
uint64_t edge_of(uint8_t byte);
uint64_t address_put(uint8_t which);
bool address_is_path(uint8_t which);

void ask_begin(struct request *request, const uint8_t *bytes, uint32_t label, uint64_t badge,
               unsigned words);
enum status ask_end(struct request *request, const uint8_t *bytes);

/* operations.c: the table. */
void operation_run(const uint8_t bytes[STEP_BYTES]);
/* The first value of byte 0 that means the same operation. */
uint8_t operation_byte(uint8_t byte);

/* operations_data.c: what carries bytes. */
void step_send(const uint8_t *bytes);
void step_send_to(const uint8_t *bytes);
void step_receive(const uint8_t *bytes);
void step_receive_more(const uint8_t *bytes);
void step_read(const uint8_t *bytes);
void step_write(const uint8_t *bytes);
/* This request may send or take bytes that are not followed: do not look at those any more. */
void bytes_unknown(const struct request *request);
/* Nor at what is written there, or read there; datagrams, neither. */
void stream_forget(uint64_t badge, bool writes);
/* The stream that what is written here joins, or that is read here; NULL: datagrams, or nothing. */
struct stream *stream_of(uint64_t badge, bool writes);
/* The right bytes into world_in from `offset` on; so many of them were taken; such came. */
void payload_fill(uint64_t badge, uint64_t offset, uint64_t length);
void payload_sent(uint64_t badge, uint64_t asked, uint64_t count);
/* check_bytes.c: the bytes of a stream from a position on; those of a datagram between two. */
void stream_fill(uint8_t *to, uint64_t count, const struct stream *stream, uint64_t position);
bool stream_is(const uint8_t *from, uint64_t count, const struct stream *stream, uint64_t position);
void datagram_fill(uint8_t *to, uint64_t from, uint64_t end, const uint32_t header[2]);
bool datagram_is(const uint8_t *bytes, uint64_t from, uint64_t end, const uint32_t header[2]);
void stream_received(struct stream *stream, uint64_t count, bool peek);
void datagram_received(uint64_t count, uint64_t full_length);

/* operations_more.c: the second table. Is the step of it? As operation_byte. */
enum { MORE_FIRST = 12, MORE_LAST = 19 };
bool more_is(const uint8_t bytes[STEP_BYTES]);
uint8_t more_byte(uint8_t byte);
void more_run(const uint8_t bytes[STEP_BYTES]);

#endif
