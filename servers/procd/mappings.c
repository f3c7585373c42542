/* The memory requests: map, unmap, protect, remap, discard. SPDX-License-Identifier: MIT */
#include "procd.h"

enum remap_flag { REMAP_MAYMOVE = 1, REMAP_FIXED = 2 };

/* [address, *end) is whole pages that a request may touch: the program's half, or libposix's
 * private window. */
static enum status range_check(uint64_t address, uint64_t length, uint64_t *end)
{
    if (address % PAGE_SIZE || length == 0 || length > USER_END)
        return ST_INVAL;
    *end = address + ((length + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1));
    if (*end <= address || *end > USER_END)
        return ST_NOMEM;
    if (address<POSIX_END && * end> POSIX_BASE &&
        !(address >= POSIX_PRIVATE && *end <= POSIX_PRIVATE_END))
        return ST_INVAL;
    return ST_OK;
}

/* Where the mapping goes; what was there before goes when FIXED says so. */
static enum status map_place(struct space *space, const struct proc_map_request *request,
                             uint64_t *start, uint64_t *end)
{
    bool fixed = request->flags & (PROC_MAP_FIXED | PROC_MAP_FIXED_NOREPLACE);
    uint64_t length = (request->length + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);
    if (request->length == 0)
        return ST_INVAL;
    if (request->length > USER_END)
        return ST_NOMEM;
    if (!fixed) {
        uint64_t hint = request->flags & PROC_MAP_HINT ? request->address & ~(PAGE_SIZE - 1) : 0;
        *start = region_find_gap(space, length, hint);
        *end = *start + length;
        return *start ? ST_OK : ST_NOMEM;
    }
    *start = request->address;
    enum status status = range_check(*start, request->length, end);
    if (status)
        return status;
    if (*start < USER_LOW)
        return ST_PERM;
    if (request->flags & PROC_MAP_FIXED_NOREPLACE && region_overlaps(space, *start, *end))
        return ST_EXIST;
    return ST_OK;
}

enum status op_map(void *state, struct ipc_call *call, const struct proc_map_request *request,
                   struct proc_map_reply *reply)
{
    struct thread *caller = procd_caller(state, call);
    if (!caller)
        return ST_PERM;
    struct process *process = caller->process;
    struct space *space = &process->space;
    struct region region = {.protection = (uint32_t)request->protection};
    enum status status = map_place(space, request, &region.start, &region.end);
    if (status)
        return status;
    uint64_t pages = (region.end - region.start) / PAGE_SIZE;
    /* Shared memory costs us its object even without access. */
    bool charged = (request->protection && !(request->flags & PROC_MAP_STACK)) ||
                   request->flags & PROC_MAP_SHARED;
    int64_t freed = -(int64_t)region_charged_pages(space, region.start, region.end);
    if (charged && !account_may_map(state, process, (int64_t)pages + freed))
        return ST_NOMEM;
    if (space->mapped + pages > process->limits[LIMIT_AS].soft / PAGE_SIZE)
        return ST_NOMEM;
    region.flags =
        (charged ? REGION_CHARGED : 0) | (request->flags & PROC_MAP_STACK ? REGION_STACK : 0);
    if (request->flags & PROC_MAP_SHARED) {
        region.flags |= REGION_SHARED;
        region.object = pages <= UINT32_MAX ? object_create((uint32_t)pages) : NULL;
        if (!region.object)
            return ST_NOMEM;
    }
    if (region_overlaps(space, region.start, region.end))
        status = space_unmap(space, region.start, region.end);
    if (status) {
        object_release(space, region.object);
        return status;
    }
    reply->address = region.start;
    return space_add(space, &region, request->flags & PROC_MAP_POPULATE && request->protection);
}

enum status op_unmap(void *state, struct ipc_call *call, const struct proc_unmap_request *request)
{
    struct thread *caller = procd_caller(state, call);
    uint64_t end;
    if (!caller)
        return ST_PERM;
    if (range_check(request->address, request->length, &end) != ST_OK)
        return ST_INVAL;
    return space_unmap(&caller->process->space, request->address, end);
}

enum status op_protect(void *state, struct ipc_call *call,
                       const struct proc_protect_request *request)
{
    struct thread *caller = procd_caller(state, call);
    uint64_t end;
    if (!caller)
        return ST_PERM;
    if (request->length == 0 && request->address % PAGE_SIZE == 0)
        return ST_OK;
    enum status status = range_check(request->address, request->length, &end);
    if (status)
        return status;
    struct space *space = &caller->process->space;
    int64_t more =
        region_charge_change(space, request->address, end, (uint32_t)request->protection);
    if (request->protection & PROTECT_WRITE)
        more += (int64_t)pages_shared(space, request->address, end);
    if (!account_may_map(state, caller->process, more))
        return ST_NOMEM;
    return space_protect(space, request->address, end, (uint32_t)request->protection);
}

enum status op_discard(void *state, struct ipc_call *call,
                       const struct proc_discard_request *request)
{
    struct thread *caller = procd_caller(state, call);
    uint64_t end;
    if (!caller)
        return ST_PERM;
    if (request->length == 0 && request->address % PAGE_SIZE == 0)
        return ST_OK;
    enum status status = range_check(request->address, request->length, &end);
    return status ? status : space_discard(&caller->process->space, request->address, end);
}

/* Make [old end, new end) part of the mapping, where it is free. */
static enum status remap_grow(struct procd *procd, struct space *space, const struct region *region,
                              uint64_t old_end, uint64_t new_end)
{
    (void)procd;
    const struct region more = {.start = old_end,
                                .end = new_end,
                                .protection = region->protection,
                                .flags =
                                    region->flags & ~(uint32_t)(REGION_STACK | REGION_BORROWED)};
    return space_add(space, &more, false);
}

enum status op_remap(void *state, struct ipc_call *call, const struct proc_remap_request *request,
                     struct proc_remap_reply *reply)
{
    struct thread *caller = procd_caller(state, call);
    uint64_t old_end, new_end, target = request->new_address;
    if (!caller)
        return ST_PERM;
    struct space *space = &caller->process->space;
    bool fixed = request->flags & REMAP_FIXED;
    if (request->flags & ~3ull || (fixed && !(request->flags & REMAP_MAYMOVE))
        || range_check(request->address, request->old_length, &old_end) != ST_OK
        || range_check(request->address, request->new_length, &new_end) == ST_INVAL)
        return ST_INVAL;
    const struct region *region = region_find(space, request->address);
    if (!region || region->end < old_end || region->flags & REGION_SYSTEM)
        return ST_FAULT;
    uint64_t start = request->address, old_length = old_end - start, new_length = new_end - start;
    reply->address = start;
    if (!fixed && new_length <= old_length)
        return new_length == old_length ? ST_OK : space_unmap(space, new_end, old_end);
    int64_t more = (int64_t)(new_length / PAGE_SIZE) - (int64_t)(old_length / PAGE_SIZE);
    if (region->flags & REGION_CHARGED && !account_may_map(state, caller->process, more))
        return ST_NOMEM;
    if (more > 0 && region->object)
        return ST_NOMEM; /* a shared object has the size it was made with */
    if (!fixed && new_end <= USER_END && !region_overlaps(space, old_end, new_end)
        && !(start < POSIX_BASE && new_end > POSIX_BASE))
        return remap_grow(state, space, region, old_end, new_end);
    if (!(request->flags & REMAP_MAYMOVE))
        return ST_NOMEM;
    if (fixed) {
        uint64_t target_end;
        if (range_check(target, new_length, &target_end) != ST_OK || target < USER_LOW
            || (target < old_end && target_end > start))
            return ST_INVAL;
        enum status status = space_unmap(space, target, target_end);
        if (status)
            return status;
    } else if (!(target = region_find_gap(space, new_length, 0))) {
        return ST_NOMEM;
    }
    reply->address = target;
    return space_move(space, start, old_length, target, new_length);
}

enum status op_grow_slots(void *state, struct ipc_call *call,
                          const struct proc_grow_slots_request *request)
{
    struct procd *procd = state;
    struct thread *caller = procd_caller(procd, call);
    if (!caller)
        return ST_PERM;
    if (!account_has_room(procd))
        return ST_NOMEM;
    bool grown =
        procd->machine->slots_grow(procd->context, caller->process->slots, (uint32_t)request->slot);
    return grown ? ST_OK : ST_NOMEM;
}

enum status op_fault_fixup(void *state, struct ipc_call *call,
                           const struct proc_fault_fixup_request *request)
{
    struct thread *caller = procd_caller(state, call);
    if (!caller)
        return ST_PERM;
    if (request->start > request->end || request->start < POSIX_BASE || request->end > POSIX_END
        || request->fixup < POSIX_BASE || request->fixup >= POSIX_END)
        return ST_INVAL;
    caller->process->fixup_start = request->start;
    caller->process->fixup_end = request->end;
    caller->process->fixup = request->fixup;
    return ST_OK;
}
