/*
 * The short way of few bytes over a connected SOCK_STREAM: most of what sockd is ever asked. Each answers
 * true when it has done all of it. Otherwise something is unusual (an error, a wait, more than one
 * message, somebody who records) and nothing has changed: then the general way (stream.c,
 * stream_receive.c) decides. SPDX-License-Identifier: MIT
 */
#ifndef SOCKD_STRAIGHT_H
#define SOCKD_STRAIGHT_H

#include "core.h"

/* Send the request's tail, which is to be `length` bytes. */
bool straight_send(struct sockd *sockd, struct ipc_call *call, uint64_t length);
/* And all its capabilities. */
bool straight_send_rights(struct sockd *sockd, struct ipc_call *call, uint64_t length);

/* What straight_receive has taken. */
struct straight {
    struct socket *socket;
    uint64_t count;
    uint32_t pid, serial, uid, gid; /* of the sender; only of a socket with OPTIONS_SENDER */
    struct rights *rights;          /* a ref, or NULL */
};
/* Receive up to `length` bytes into the reply's tail: only for a caller that takes one. */
bool straight_receive(struct sockd *sockd, struct ipc_call *call, uint64_t length,
                      struct straight *out);

#endif
