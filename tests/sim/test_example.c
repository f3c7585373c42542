/* docs/testing-servers.md: a reader waits, a writer dies. SPDX-License-Identifier: MIT */
#include "tap.h"
#include <sys/socket.h>
#include <sys/syscall.h>

static int ends[2];
static long got;

static void reader(void *argument)
{
    char bytes[8];
    (void)argument;
    SIM_CALL(SYS_close, ends[0]);
    got = SIM_CALL(SYS_read, ends[1], bytes, sizeof(bytes));
}

static void writer(void *argument)
{
    (void)argument;
    CHECK_EQUAL(SIM_CALL(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, ends), 0);
    CHECK(sim_fork(reader, NULL) > 0);
    SIM_CALL(SYS_pause);
}

static void death_is_an_end_of_file(void)
{
    int pid = sim_process_new(writer, NULL);
    CHECK_EQUAL(sim_run_all(), 2); /* one waits for bytes, one for a signal */
    sim_kill(pid);
    CHECK_EQUAL(sim_run_all(), 0);
    CHECK_EQUAL(got, 0);
}

int main(void)
{
    static const struct tap_case cases[] = {TAP_CASE(death_is_an_end_of_file)};
    return TAP_RUN(cases, .seed = 1);
}
