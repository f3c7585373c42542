/* Tables by process, as short as a run needs them: `run` includes it before everything else.
 * SPDX-License-Identifier: MIT */
#include "../../libipc/include/ipc/credentials.h"
#undef CREDENTIALS_MAX
#define CREDENTIALS_MAX 256u
