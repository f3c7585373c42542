/* tests/sim/protocol_client.h in the guest. SPDX-License-Identifier: MIT */
#include <unistd.h>
#define CALL(...) CALL_(__VA_ARGS__, 0, 0, 0, 0, 0, 0, )
#define CALL_(number, a, b, c, d, e, f, ...)                                                       \
    syscall(number, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
#include "../../sim/protocol_client.h"

int main(void)
{
    client_run();
    return 0;
}
