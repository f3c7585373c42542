/*
 * execve(2), execveat(2). SPDX-License-Identifier: MIT
 *
 * Everything that can fail is done first: arguments are copied into libposix's own memory,
 * headers are read and checked. Then proc.exec_begin ends the other threads and takes the old
 * memory away, and from there a failure can only end the process, as on Linux.
 */
#include "exec.h"
#include "thread.h"

#define PIE_BASE 0x555555554000ull
#define INTERPRETER_BASE 0x7fff10000000ull /* between where mmap starts downward and the stack */
#define COMMAND_LINE_MAX 4096u

struct posix_lock exec_lock;

#define STATE ((struct exec_state *)PRIVATE_EXEC)
#define STATE_SIZE PAGE_UP(sizeof(struct exec_state))

struct exec_state *exec_state_begin(void)
{
    uint64_t mapped;
    lock_take(&exec_lock);
    if (memory_map(PRIVATE_EXEC, STATE_SIZE, LINUX_PROT_READ | LINUX_PROT_WRITE, PROC_MAP_FIXED,
                   &mapped) == 0) {
        STATE->arguments.at = STATE->strings;
        return STATE;
    }
    lock_release(&exec_lock);
    return NULL;
}

void exec_state_end(void)
{
    exec_close(&STATE->program);
    exec_close(&STATE->interpreter);
    memory_unmap(PRIVATE_EXEC, STATE_SIZE);
    lock_release(&exec_lock);
}

/* ---- arguments ------------------------------------------------------------------------------- */

/* One array of string pointers. Limits as Linux's: 128 KiB a string, 2 MiB in all. */
static long strings_collect(struct exec_state *state, uint64_t vector, uint64_t *count)
{
    struct exec_strings *s = &state->arguments;
    for (*count = 0; vector; ++*count) {
        uint64_t string, used = s->length + 8 * (s->argc + s->envc + 4);
        if (user_read(&string, (void *)(vector + 8 * *count), 8))
            return -LINUX_EFAULT;
        if (!string)
            break;
        if (used >= EXEC_STRINGS_MAX)
            return -LINUX_E2BIG;
        uint64_t room = EXEC_STRINGS_MAX - used;
        long length = user_read_string(s->at + s->length, (void *)string,
                                       room < EXEC_STRING_MAX ? room : EXEC_STRING_MAX);
        if (length < 0)
            return length == -LINUX_ENAMETOOLONG ? -LINUX_E2BIG : length;
        s->length += (uint64_t)length + 1;
    }
    return 0;
}

static long arguments_collect(struct exec_state *state, uint64_t argv, uint64_t envp)
{
    struct exec_strings *s = &state->arguments;
    long error = strings_collect(state, argv, &s->argc);
    if (!error && s->argc == 0) { /* since Linux 5.18 a program always has an argv[0] */
        s->at[s->length++] = '\0';
        s->argc = 1;
    }
    return error ? error : strings_collect(state, envp, &s->envc);
}

/* ---- "#!" ------------------------------------------------------------------------------------ */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* argv[0] goes; in its place come the interpreter, its argument when there is one, and the
 * script's name. */
static long script_arguments(struct exec_state *state, const char *argument, const char *name)
{
    struct exec_strings *s = &state->arguments;
    uint64_t first = strlen(s->at) + 1,
             lengths[3] = {strlen(state->script) + 1, 0, strlen(name) + 1};
    if (argument[0])
        lengths[1] = strlen(argument) + 1;
    uint64_t added = lengths[0] + lengths[1] + lengths[2];
    if (s->length - first + added + 8 * (s->argc + s->envc + 8) > EXEC_STRINGS_MAX)
        return -LINUX_E2BIG;
    /* `name` may be the state's own script field: copy it before that changes. Here it has not. */
    memmove(s->at + added, s->at + first, s->length - first);
    memcpy(s->at, state->script, lengths[0]);
    memcpy(s->at + lengths[0], argument, lengths[1]);
    memcpy(s->at + lengths[0] + lengths[1], name, lengths[2]);
    s->length += added - first;
    s->argc += argument[0] ? 2 : 1;
    return 0;
}

/* 1: `head` is a script's, and state->script is now its interpreter; 0: it is none; -errno. */
static long script_apply(struct exec_state *state, char *head, long count, const char *name)
{
    char previous[EXEC_HEAD + 1];
    if (count < 2 || head[0] != '#' || head[1] != '!')
        return 0;
    char *end = memchr(head, '\n', (size_t)count);
    bool cut = !end && count == (long)EXEC_HEAD;
    if (!end)
        end = head + count;
    while (end > head + 2 && is_blank(end[-1]))
        end--;
    char *start = head + 2;
    while (start < end && is_blank(*start))
        start++;
    char *stop = start;
    while (stop < end && !is_blank(*stop) && *stop)
        stop++;
    if (start == stop || (cut && stop == end)) {
        posix_log("%s: not an executable: \"#!\" without an interpreter", name);
        return -LINUX_ENOEXEC;
    }
    char *argument = stop;
    while (argument < end && is_blank(*argument))
        argument++;
    *end = '\0'; /* there is room for one byte more */
    *stop = '\0';
    /* A script's script: its name is in state->script, and short, for it came out of a head like
     * this one. */
    if (name == state->script) {
        memcpy(previous, name, strlen(name) + 1);
        name = previous;
    }
    memcpy(state->script, start, (size_t)(stop - start) + 1);
    long error = script_arguments(state, argument < end ? argument : "", name);
    return error ? error : 1;
}

/* ---- the file -------------------------------------------------------------------------------- */

static long program_open(struct exec_state *state, int dirfd, uint64_t user_path, bool nofollow,
                         bool opened)
{
    char head[EXEC_HEAD + 1];
    const char *name = state->path;
    for (unsigned depth = 0; depth <= EXEC_SCRIPTS_MAX; depth++) {
        long error = 0;
        if (!opened)
            error = exec_open(state, name, dirfd, user_path, nofollow, &state->program,
                              POSIX_SLOT_EXEC_FD);
        if (error)
            return error;
        long count = file_read_at(state->program.slot, state->program.server, head, EXEC_HEAD, 0);
        if (count < 0)
            return count;
        long script = script_apply(state, head, count, name);
        if (script < 0)
            return script;
        if (!script)
            return exec_elf_check(&state->program, name);
        exec_close(&state->program);
        name = state->script;
        dirfd = LINUX_AT_FDCWD;
        user_path = 0;
        nofollow = opened = false;
    }
    return -LINUX_ELOOP;
}

static long interpreter_open(struct exec_state *state)
{
    const char *path = state->program.interpreter;
    if (!path[0])
        return 0;
    long error =
        exec_open(state, path, LINUX_AT_FDCWD, 0, false, &state->interpreter, POSIX_SLOT_SCRATCH);
    if (error) {
        posix_log("%s: its interpreter %s cannot be opened", state->path, path);
        return error;
    }
    error = exec_elf_check(&state->interpreter, path);
    return error == -LINUX_ENOEXEC ? -LINUX_ELIBBAD : error;
}

/* The file's own name, for /proc/self/exe. */
static void real_path_find(struct exec_state *state)
{
    struct ar_segment segment = {(uint64_t)state->real_path, sizeof(state->real_path) - 1};
    struct ipc_transfer transfer = {.out = &segment, .out_count = 1};
    struct posix_retry retry = {.transfer = &transfer, .server = state->program.server};
    struct io_path_reply reply;
    long error = POSIX_CALL(&retry, io_path(state->program.slot, &reply, &transfer));
    if (error || reply.length >= sizeof(state->real_path)) {
        memcpy(state->real_path, state->path, strlen(state->path) + 1);
        return;
    }
    state->real_path[reply.length] = '\0';
}

/* ---- the change ------------------------------------------------------------------------------ */

/* All other threads end and the old memory goes. Locks are held so that none of them dies in the
 * middle of a change. */
static long old_image_end(struct exec_file *program)
{
    bool alone = process.threads == 1;
    struct proc_exec_begin_reply reply = {0};
    enum status status;
    locks_take_all();
    /* A shell that runs itself, as busybox does: the text is here already. Alone, for nobody may
     * be changing it now. */
    const struct posix_text *text = &program->text;
    bool same = alone && text->high && memcmp(text, &process.text, sizeof(*text)) == 0;
    for (;;) {
        status =
            proc_exec_begin(POSIX_SLOT_PROCD, same ? text->low : 0, same ? text->high : 0, &reply);
        if (status == ST_WAIT)
            wait_uninterrupted();
        else if (status != ST_SESSION || session_open_with(ISSUER_PROCD))
            break;
    }
    if (status == ST_OK) {
        program->kept_end = reply.kept ? text->high : 0;
        process.text.high = 0;
        process.threads = 1;
        futex_forget_all();
    }
    locks_release_all();
    if (status == ST_OK && !alone) { /* procd may have given us the first thread's id */
        struct proc_ids_reply ids;
        if (proc_ids(POSIX_SLOT_PROCD, 0, &ids) == ST_OK && ids.tid)
            thread_self()->tid = (uint32_t)ids.tid;
    }
    return status_to_errno(status);
}

static void names_set(struct exec_state *state)
{
    struct posix_thread *thread = thread_self();
    const char *base = state->path;
    for (const char *c = base; *c; c++)
        if (*c == '/' && c[1])
            base = c + 1;
    memset(thread->name, 0, sizeof(thread->name));
    memcpy(thread->name, base, strnlen(base, sizeof(thread->name) - 1));
    memcpy(process.name, thread->name, sizeof(process.name));
    size_t length = strlen(state->real_path) + 1;
    process.exe[0] = '\0';
    if (length <= sizeof(process.exe))
        memcpy(process.exe, state->real_path, length);
}

static long image_load(struct exec_state *state)
{
    long error = exec_elf_load(&state->program);
    if (!error && state->interpreter.slot) {
        state->interpreter.bias = INTERPRETER_BASE - state->interpreter.low;
        error = exec_elf_load(&state->interpreter);
    }
    process.brk_start = process.brk_end = state->program.high + state->program.bias;
    return error ? error : exec_stack_build(state);
}

static void new_image_tell(struct exec_state *state)
{
    const char *end = state->arguments.at;
    for (uint64_t i = 0; i < state->arguments.argc; i++)
        end += strlen(end) + 1;
    uint64_t line = (uint64_t)(end - state->arguments.at);
    if (line > COMMAND_LINE_MAX)
        line = COMMAND_LINE_MAX;
    uint64_t path = strlen(state->real_path) + 1;
    struct ar_segment segments[3] = {
        {(uint64_t)process.name, sizeof(process.name)}, {(uint64_t)state->real_path, path},
        {(uint64_t)state->arguments.at, line},
    };
    struct ipc_transfer transfer = {.in = segments, .in_count = 3};
    struct posix_retry retry = {.transfer = &transfer, .server = ISSUER_PROCD};
    POSIX_CALL(&retry, proc_exec_end(POSIX_SLOT_PROCD, path, line, &transfer));
}

static void frame_start(const struct exec_state *state)
{
    struct posix_thread *thread = thread_self();
    thread->frame = (struct posix_frame){
        .rip = state->interpreter.slot ? state->interpreter.entry : state->program.entry,
        .rsp = state->stack_pointer, .rflags = 0x202,
    };
    thread->system_call = UINT64_MAX;
    thread->clear_child_tid = thread->robust_list = 0;
    wakeups_taken();
    fs_base_write(0);
    fpu_load_initial();
}

long exec_run(struct exec_state *state, int dirfd, uint64_t user_path, bool nofollow, bool opened)
{
    long error = PROC_CALL(proc_ids(POSIX_SLOT_PROCD, 0, &state->ids));
    if (!error && opened)
        error = exec_permitted(state, &state->program);
    if (!error)
        error = program_open(state, dirfd, user_path, nofollow, opened);
    if (!error)
        error = interpreter_open(state);
    if (error)
        return error;
    real_path_find(state);
    state->program.bias = state->program.header.type == ELF_DYN ? PIE_BASE - state->program.low : 0;
    exec_elf_text(&state->program);
    error = old_image_end(&state->program);
    if (error)
        return error;
    /* No way back from here. */
    signal_reset_for_exec();
    fd_close_on_exec();
    names_set(state);
    error = image_load(state);
    if (error) {
        posix_log("%s: cannot be loaded: %s", state->path, status_name((enum status)-error));
        process_exit(0, LINUX_SIGKILL, false);
    }
    process.text = state->program.text;
    new_image_tell(state);
    frame_start(state);
    return 0;
}

/* ---- system calls ---------------------------------------------------------------------------- */

static long exec_file_descriptor(struct exec_state *state, int fd)
{
    struct fd_info info;
    long error = fd_begin(fd, NULL, &info);
    if (error)
        return error;
    slot_delete(POSIX_SLOT_EXEC_FD);
    if (ar_cap_copy(AR_CAP_SELF, POSIX_SLOT_EXEC_FD, AR_CAP_SELF, info.slot, AR_ALL))
        error = -LINUX_ENOMEM;
    fd_end(&info);
    state->program.slot = POSIX_SLOT_EXEC_FD;
    state->program.server = info.server;
    format_text(state->path, sizeof(state->path), "/dev/fd/%d", fd);
    return error;
}

static long exec_at(int dirfd, uint64_t path, uint64_t argv, uint64_t envp, unsigned flags)
{
    if (flags & ~(unsigned)(LINUX_AT_EMPTY_PATH | LINUX_AT_SYMLINK_NOFOLLOW))
        return -LINUX_EINVAL;
    struct exec_state *state = exec_state_begin();
    if (!state)
        return -LINUX_ENOMEM;
    bool opened = false;
    long error = user_read_string(state->path, (void *)path, sizeof(state->path));
    if (error == 0 && (flags & LINUX_AT_EMPTY_PATH)) {
        opened = true;
        error = exec_file_descriptor(state, dirfd);
    } else if (error == 0) {
        error = -LINUX_ENOENT;
    }
    bool relative = state->path[0] != '/' && dirfd != LINUX_AT_FDCWD && !opened;
    if (error >= 0)
        error = arguments_collect(state, argv, envp);
    if (!error)
        error =
            exec_run(state, dirfd, relative ? path : 0, flags & LINUX_AT_SYMLINK_NOFOLLOW, opened);
    exec_state_end();
    return error; /* 0: rax of the new program */
}

long sys_execve(const uint64_t a[6])
{
    return exec_at(LINUX_AT_FDCWD, a[0], a[1], a[2], 0);
}

long sys_execveat(const uint64_t a[6])
{
    return exec_at((int)a[0], a[1], a[2], a[3], (unsigned)a[4]);
}
