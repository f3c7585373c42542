/* Operation x state x result: what the recording reaches. SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "drive.h"

enum { ROWS = 16384, KEY = 80 };

static struct row {
    char key[KEY];
    uint64_t count;
} rows[ROWS];

static void row_count(const char *key)
{
    uint32_t hash = 2166136261u;
    for (const char *c = key; *c; c++)
        hash = (hash ^ (uint8_t)*c) * 16777619u;
    for (uint32_t i = 0; i < ROWS; i++) {
        struct row *row = &rows[(hash + i) % ROWS];
        if (row->count == 0)
            snprintf(row->key, KEY, "%s", key);
        if (strcmp(row->key, key) == 0) {
            row->count++;
            return;
        }
    }
}

static const char *result_name(const struct result *result)
{
    if (result->ret >= 0)
        return "ok";
    return errno_name(-result->ret);
}

void table_count(const struct model *model, const struct op *op, const struct step *step)
{
    char key[KEY];
    const char *state = model_state(model, op);
    bool ended = op->kind == OP_WAIT;
    for (int i = 0; i < step->events; i++) {
        const struct result *result = &step->event[i].result;
        int worker = step->event[i].worker;
        bool own = worker == op->worker;
        if (worker >= SIGNALS) {
            row_count(result->ret ? "signal SIGPIPE" : "signal SIGURG");
            continue;
        }
        ended |= own;
        const struct op *done = own ? op : &model->worker[worker].op;
        snprintf(key, KEY, "%s | %s | %s%s", op_names[done->kind], own ? state : "was blocked", result_name(result),
                 own ? "" : " later");
        row_count(key);
        snprintf(key, KEY, "%s %s", op_names[done->kind], result_name(result));
        row_count(key);
        if (result->ret < 0) {
            snprintf(key, KEY, "errno %s", result_name(result));
            row_count(key);
        }
        for (int n = 0; done->kind == OP_POLL && n < result->count; n++) {
            snprintf(key, KEY, "mask %x", result->out[n]);
            row_count(key);
        }
    }
    if (!ended && op->kind != OP_EXIT) {
        snprintf(key, KEY, "%s | %s | blocks", op_names[op->kind], state);
        row_count(key);
    }
}

static int row_compare(const void *a, const void *b)
{
    return strcmp(((const struct row *)a)->key, ((const struct row *)b)->key);
}

void table_print(FILE *file)
{
    static struct row sorted[ROWS];
    int count = 0;
    for (int i = 0; i < ROWS; i++)
        if (rows[i].count)
            sorted[count++] = rows[i];
    qsort(sorted, (size_t)count, sizeof(sorted[0]), row_compare);
    for (int i = 0; i < count; i++)
        fprintf(file, "%8llu  %s\n", (unsigned long long)sorted[i].count, sorted[i].key);
}
