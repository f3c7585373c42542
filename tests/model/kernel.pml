/*
 * Three threads that do to the kernel whatever threads can, in every order.
 * SPDX-License-Identifier: MIT
 *
 * Each step is one way into the kernel, taken by the real C (machine.c); what spin sees of it is
 * model_state, and the flags that are asserted after the step. The roles are there to keep
 * symmetric states away: the client calls, faults and waits; the server receives, replies, is
 * bound to the notification, and calls a server itself; the helper is a second client and a
 * second server.
 */
c_decl {
\#include "machine.h"
}
c_track "&model_state" "sizeof(struct model_state)" "Matched"

#define CLIENT 0
#define SERVER 1
#define HELPER 2

#define may model_state.may
inline check() {
    assert(c_expr { holds.no_crash });
    assert(c_expr { holds.destroyed_wakes });
    assert(c_expr { holds.one_queue });
    assert(c_expr { holds.no_dangling });
    assert(c_expr { holds.ready_runs });
    assert(c_expr { holds.no_lost_wakeup });
    assert(c_expr { holds.closed_first });
    assert(c_expr { holds.closed_exact });
    assert(c_expr { holds.reply_both_ways });
    assert(c_expr { holds.exactly_once });
    assert(c_expr { holds.no_lost_signal });
    assert(c_expr { holds.deadline_exact });
    assert(c_expr { holds.outcome_true })
}

/* One thing that the process may do next. */
#define STEP(possible, action) d_step { c_expr { possible } -> c_code { action; }; check() }
#define DOES(me, action) STEP(may.run[me], action)
#define UNTIL(me, action) STEP(scene.deadlines && may.run[me], action)

#define CALLS(me, gate)                                                                            \
    DOES(me, model_call(me, gate, FOREVER, false))                                                 \
    :: UNTIL(me, model_call(me, gate, POLL, false))                                                \
    :: UNTIL(me, model_call(me, gate, SOON, false))                                                \
    :: UNTIL(me, model_call(me, gate, LATE, false))
#define RECEIVES(me, endpoint, reply)                                                              \
    DOES(me, model_receive(me, endpoint, reply, FOREVER))                                          \
    :: UNTIL(me, model_receive(me, endpoint, reply, POLL))                                         \
    :: UNTIL(me, model_receive(me, endpoint, reply, SOON))                                         \
    :: UNTIL(me, model_receive(me, endpoint, reply, LATE))
#define REPLIES_AND_RECEIVES(me, endpoint, reply)                                                  \
    DOES(me, model_reply_receive(me, reply, endpoint, FOREVER))                                    \
    :: UNTIL(me, model_reply_receive(me, reply, endpoint, POLL))                                   \
    :: UNTIL(me, model_reply_receive(me, reply, endpoint, LATE))
#define WAITS(me)                                                                                  \
    DOES(me, model_wait(me, FOREVER))                                                              \
    :: UNTIL(me, model_wait(me, POLL))                                                             \
    :: UNTIL(me, model_wait(me, SOON))                                                             \
    :: UNTIL(me, model_wait(me, LATE))

/* What any thread may do to the others, and to the objects they use. */
#define RULES(me)                                                                                  \
    STEP(may.go_on[me], model_go_on(me))                                                           \
    :: STEP(may.run[me] && may.cancel[0], model_cancel(me, 0))                                     \
    :: STEP(may.run[me] && may.cancel[1], model_cancel(me, 1))                                     \
    :: STEP(may.run[me] && may.cancel[2], model_cancel(me, 2))                                     \
    :: STEP(may.run[me] && may.suspend[0], model_suspend(me, 0))                                   \
    :: STEP(may.run[me] && may.suspend[1], model_suspend(me, 1))                                   \
    :: STEP(may.run[me] && may.suspend[2], model_suspend(me, 2))                                   \
    :: STEP(may.run[me] && may.resume[0], model_resume(me, 0))                                     \
    :: STEP(may.run[me] && may.resume[1], model_resume(me, 1))                                     \
    :: STEP(may.run[me] && may.resume[2], model_resume(me, 2))                                     \
    :: STEP(may.run[me] && may.close[0], model_delete(me, SLOT_COPY + 0))                          \
    :: STEP(may.run[me] && may.close[1], model_delete(me, SLOT_COPY + 1))                          \
    :: STEP(may.run[me] && may.close[2], model_delete(me, SLOT_COPY + 2))                          \
    :: STEP(may.run[me] && may.copy[0], model_copy(me, 0))                                         \
    :: STEP(may.run[me] && may.copy[1], model_copy(me, 1))                                         \
    :: STEP(may.run[me] && may.copy[2], model_copy(me, 2))                                         \
    :: STEP(may.run[me] && may.take, model_take(me))                                               \
    :: STEP(may.run[me] && may.destroy[SLOT_ENDPOINT + 0], model_delete(me, SLOT_ENDPOINT + 0))    \
    :: STEP(may.run[me] && may.destroy[SLOT_ENDPOINT + 1], model_delete(me, SLOT_ENDPOINT + 1))    \
    :: STEP(may.run[me] && may.destroy[SLOT_GATE + 0], model_delete(me, SLOT_GATE + 0))            \
    :: STEP(may.run[me] && may.destroy[SLOT_GATE + 1], model_delete(me, SLOT_GATE + 1))            \
    :: STEP(may.run[me] && may.destroy[SLOT_GATE + 2], model_delete(me, SLOT_GATE + 2))            \
    :: STEP(may.run[me] && may.destroy[SLOT_REPLY + 0], model_delete(me, SLOT_REPLY + 0))          \
    :: STEP(may.run[me] && may.destroy[SLOT_REPLY + 1], model_delete(me, SLOT_REPLY + 1))          \
    :: STEP(may.run[me] && may.destroy[SLOT_THREAD + 0], model_delete(me, SLOT_THREAD + 0))        \
    :: STEP(may.run[me] && may.destroy[SLOT_THREAD + 1], model_delete(me, SLOT_THREAD + 1))        \
    :: STEP(may.run[me] && may.destroy[SLOT_THREAD + 2], model_delete(me, SLOT_THREAD + 2))        \
    :: STEP(may.run[me] && may.destroy[SLOT_NOTIFICATION], model_delete(me, SLOT_NOTIFICATION))

proctype client() {
    do
    :: CALLS(CLIENT, 0)
    :: CALLS(CLIENT, 2)
    :: STEP(scene.moving && may.run[CLIENT], model_call(CLIENT, 0, FOREVER, true))
    :: STEP(scene.moving && may.run[CLIENT], model_call(CLIENT, 2, FOREVER, true))
    :: WAITS(CLIENT)
    :: STEP(scene.faults && may.run[CLIENT], model_fault(CLIENT))
    :: RULES(CLIENT)
    od
}

proctype server() {
    do
    :: RECEIVES(SERVER, 0, 0)
    :: DOES(SERVER, model_reply(SERVER, 0))
    :: REPLIES_AND_RECEIVES(SERVER, 0, 0)
    :: CALLS(SERVER, 2)
    :: RULES(SERVER)
    od
}

proctype helper() {
    do
    :: CALLS(HELPER, 1)
    :: STEP(may.run[HELPER] && may.original[1], model_call_original(HELPER, 1))
    :: STEP(may.run[HELPER] && may.bind, model_bind(HELPER, SERVER, true))
    :: STEP(may.run[HELPER] && may.unbind, model_bind(HELPER, SERVER, false))
    :: RECEIVES(HELPER, 0, 1)
    :: RECEIVES(HELPER, 1, 1)
    :: DOES(HELPER, model_reply(HELPER, 1))
    :: REPLIES_AND_RECEIVES(HELPER, 1, 1)
    :: DOES(HELPER, model_signal(HELPER))
    :: WAITS(HELPER)
    :: RULES(HELPER)
    od
}

proctype interrupts() {
    do
    :: STEP(may.expire, model_expire(false))
    :: STEP(may.expire, model_expire(true))
    :: STEP(may.interrupt, model_interrupt())
    od
}

init {
    atomic {
        c_code { model_start(); };
        run client();
        run server();
        run helper();
        run interrupts()
    }
}
