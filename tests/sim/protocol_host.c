/* protocol_client.h on the simulator: prints each message, for tests/boot/test_protocol.py: label,
 * words, capabilities, then status, words and capabilities of the reply. SPDX-License-Identifier: MIT */
#include "sim.h"
#include "trace.h"
#define CALL(...) SIM_CALL(__VA_ARGS__)
#include "protocol_client.h"
#include <stdio.h>

static void words_print(unsigned count, const uint64_t *words)
{
    for (unsigned i = 0; i < count; i++)
        printf(" %llu", (unsigned long long)words[i]);
    printf(" | ");
}

static void message_print(const struct sim_message *message)
{
    printf("%u |", message->label);
    words_print(message->word_count, message->words);
    printf("%u | %u |", message->cap_count, message->status);
    words_print(message->reply_word_count, message->reply_words);
    printf("%u\n", message->reply_cap_count);
}

static void client(void *argument)
{
    (void)argument;
    client_run();
}

int main(void)
{
    sim_begin(&(struct sim_options){.seed = 1});
    sim_trace_to(message_print);
    sim_process_new(client, NULL);
    unsigned blocked = sim_run_all();
    return !sim_end() || blocked;
}
