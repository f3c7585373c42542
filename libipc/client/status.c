/* Names of statuses, for logs and test output. SPDX-License-Identifier: MIT */
#include <ipc/status.h>

const char *status_name(enum status status)
{
    switch (status) {
    case ST_OK:
        return "OK";
#define X(name, value)                                                                             \
    case ST_##name:                                                                                \
        return #name;
        IPC_STATUS_LIST(X)
#undef X
    }
    return "?";
}
