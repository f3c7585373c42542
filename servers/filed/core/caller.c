/* Who asks, and what that one may do: path_resolution(7), inode(7). SPDX-License-Identifier: MIT */
#include "filed.h"

static const struct credentials nobody = {
    .ruid = 65534, .fsuid = 65534, .rgid = 65534, .fsgid = 65534};
static const struct credentials system_credentials;
const struct caller caller_system = {.credentials = &system_credentials, .root = true};

/* A principal that procd has not published gets no rights but everybody's; init alone comes
 * without a process. */
static const struct credentials *credentials_of(const struct filed *filed,
                                                const struct ipc_call *call)
{
    if (call->badge == BADGE_PRIVILEGED)
        return &system_credentials;
    uint32_t process = PRINCIPAL_PROCESS(call->principal);
    if (process >= CREDENTIALS_MAX || filed->config.credentials[process].pid == 0)
        return &nobody;
    return &filed->config.credentials[process];
}

struct caller caller_of(const struct filed *filed, const struct ipc_call *call)
{
    const struct credentials *credentials = credentials_of(filed, call);
    return (struct caller){credentials, credentials->fsuid, credentials->fsgid,
                           credentials->fsuid == 0};
}

struct caller caller_real(const struct filed *filed, const struct ipc_call *call)
{
    const struct credentials *credentials = credentials_of(filed, call);
    return (struct caller){credentials, credentials->ruid, credentials->rgid,
                           credentials->ruid == 0};
}

bool caller_in_group(const struct caller *caller, uint32_t gid)
{
    if (caller->gid == gid)
        return true;
    for (uint32_t i = 0; i < caller->credentials->group_count && i < CREDENTIALS_GROUPS; i++)
        if (caller->credentials->groups[i] == gid)
            return true;
    return false;
}

bool caller_owns(const struct caller *caller, const struct node *node)
{
    return caller->root || caller->uid == node->uid;
}

bool caller_may(const struct caller *caller, const struct node *node, unsigned may)
{
    /* Root may do everything but execute what nobody may execute. */
    if (caller->root)
        return !(may & MAY_EXEC) || node_is_directory(node) || (node->mode & 0111);
    unsigned granted = node->mode;
    if (caller->uid == node->uid)
        granted >>= 6;
    else if (caller_in_group(caller, node->gid))
        granted >>= 3;
    return (granted & may) == may;
}

bool caller_may_remove(const struct caller *caller, const struct node *directory,
                       const struct node *node)
{
    return !(directory->mode & S_ISVTX) || caller_owns(caller, node) ||
           caller->uid == directory->uid;
}
