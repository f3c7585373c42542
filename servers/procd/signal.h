/* Pending signals and their siginfo. SPDX-License-Identifier: MIT */
#ifndef PROCD_SIGNAL_H
#define PROCD_SIGNAL_H

#include <ipc/status.h>
#include <stdbool.h>
#include <stdint.h>

enum linux_signal {
    SIG_HUP = 1, SIG_INT = 2, SIG_QUIT = 3, SIG_ILL = 4, SIG_TRAP = 5, SIG_BUS = 7, SIG_FPE = 8,
    SIG_KILL = 9, SIG_SEGV = 11,
    SIG_ALRM = 14, SIG_CHLD = 17, SIG_CONT = 18, SIG_STOP = 19, SIG_TSTP = 20, SIG_TTIN = 21,
    SIG_TTOU = 22,
    SIG_WINCH = 28, SIG_REALTIME = 32, SIG_MAX = 64
};
#define SIGNAL_BIT(signal) (1ull << ((signal) - 1))
#define SIGNALS_STOP \
    (SIGNAL_BIT(SIG_STOP) | SIGNAL_BIT(SIG_TSTP) | SIGNAL_BIT(SIG_TTIN) | SIGNAL_BIT(SIG_TTOU))

/* si_code values that procd gives. */
enum signal_code {
    CODE_KERNEL = 0x80, CODE_MAPERR = 1, CODE_ACCERR = 2, CODE_FPE_INTDIV = 1, CODE_ILL_OPN = 2,
    CODE_BUS_ADRALN = 1, CODE_TRAP_BRKPT = 1,
    CODE_EXITED = 1, CODE_KILLED = 2, CODE_DUMPED = 3, CODE_STOPPED = 5, CODE_CONTINUED = 6
};

struct signal_info {
    unsigned signal;
    int64_t code;
    uint64_t pid, uid, value, status;
};

struct signal_entry {
    struct signal_entry *next;
    struct signal_info info;
};

/* Standard signals are pending once, real-time ones queue in order; SIGNALS_QUEUED_MAX bounds
 * what one process's senders can pin here (RLIMIT_SIGPENDING's role). */
#define SIGNALS_QUEUED_MAX 256u
struct signals {
    uint64_t pending; /* SIGNAL_BIT of each */
    struct signal_entry *first, *last;
    unsigned count;
};

/* ST_AGAIN when a real-time signal finds the queue full. A standard one always becomes pending. */
enum status signals_add(struct signals *signals, const struct signal_info *info);
/* The lowest-numbered pending one outside `blocked`; false: none. `peek` leaves it. */
bool signals_take(struct signals *signals, uint64_t blocked, bool peek, struct signal_info *info);
void signals_remove(struct signals *signals, uint64_t mask);

#endif
