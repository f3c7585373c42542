/*
 * What tools/bench sockets measures: rows, in one order, each an operation repeated so many
 * times. SPDX-License-Identifier: MIT
 *
 * The same static binary runs on Aramid and on Linux, so there is nothing in it but Linux's own
 * calls. main.c times and prints, rows.c has the operations.
 */
#ifndef BENCH_H
#define BENCH_H

/* An operation that fails ends the program: a row with errors in it measures nothing. */
#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition))                                                                          \
            bench_fail(#condition, __FILE__, __LINE__);                                            \
    } while (0)
_Noreturn void bench_fail(const char *what, const char *file, int line);

struct row {
    const char *name;
    unsigned count; /* of operations in a full run */
    int argument;   /* a socket type, a size, a number of descriptors: the row's own */
    /* What lasts as long as the row. NULL: nothing. */
    void (*begin)(const struct row *row);
    void (*end)(const struct row *row);
    /* `count` operations. */
    void (*run)(const struct row *row, unsigned count);
    /* Their other half, in a process of its own. NULL: the row has one process. */
    void (*peer)(const struct row *row, unsigned count);
};
extern const struct row rows[];
extern const unsigned row_count;

/* `pairs` connected sockets that nobody uses stay open. */
void idle_pairs_open(unsigned pairs);

#endif
