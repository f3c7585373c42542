/*
 * The first process: procd started it in libposix, with nothing but the servers' gates, three
 * descriptors and the words of its command. SPDX-License-Identifier: MIT
 */
#include "exec.h"

#define DEFAULT_PATH "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
#define EXIT_NOT_FOUND 127u
#define EXIT_CANNOT_RUN 126u
#define EXIT_SYSTEM 125u

void posix_start_first(uint64_t pid, uint64_t tid, const struct posix_start *start);

/* There is no program yet whose output this could be: tools/run shows the line (START_LINE in
 * machine.py). */
_Noreturn static void fail(unsigned status, const char *what, const char *why)
{
    posix_log("cannot start %s: %s", what, why);
    process_exit(status, 0, false);
}

static const char *path_variable(const struct posix_start *start)
{
    const char *string = start->strings;
    for (uint64_t i = 0; i < start->argc + start->envc; i++) {
        if (i >= start->argc && strncmp(string, "PATH=", 5) == 0)
            return string + 5;
        string += strlen(string) + 1;
    }
    return DEFAULT_PATH;
}

/* A try may have changed the arguments (a script's): each one starts from the command's own. */
static long try_run(struct exec_state *state, const struct posix_start *start,
                    const char *directory, size_t length)
{
    const char *name = start->strings;
    size_t name_length = strlen(name) + 1;
    size_t slash = length && directory[length - 1] != '/';
    if (length + slash + name_length > sizeof(state->path))
        return -LINUX_ENAMETOOLONG;
    memcpy(state->strings, start->strings, start->length);
    state->arguments =
        (struct exec_strings){state->strings, start->length, start->argc, start->envc};
    memcpy(state->path, directory, length);
    state->path[length] = '/';
    memcpy(state->path + length + slash, name, name_length);
    return exec_run(state, LINUX_AT_FDCWD, 0, false, false);
}

/* As execvp(3): 0, or the most telling error. */
static long search_and_run(struct exec_state *state, const struct posix_start *start)
{
    const char *name = start->strings, *path = path_variable(start);
    if (strchr(name, '/'))
        return try_run(state, start, "", 0);
    long result = -LINUX_ENOENT;
    while (*path) {
        const char *end = strchr(path, ':');
        size_t length = end ? (size_t)(end - path) : strlen(path);
        long error = try_run(state, start, path, length);
        if (error != -LINUX_ENOENT && error != -LINUX_ENOTDIR && error != -LINUX_EACCES)
            return error;
        if (error == -LINUX_EACCES)
            result = error;
        path += length + (end != NULL);
    }
    return result;
}

void posix_start_first(uint64_t pid, uint64_t tid, const struct posix_start *start)
{
    const char *what;
    long error = process_begin(pid, tid, start->boot_seconds, &what);
    if (!cpu_has_fsgsbase()) {
        posix_log("this processor lacks FSGSBASE, which libposix needs");
        process_exit(EXIT_SYSTEM, 0, false);
    }
    if (error)
        fail(EXIT_SYSTEM, what, status_name((enum status)-error));
    if (start->argc == 0)
        fail(EXIT_NOT_FOUND, "no program", "the command is empty");
    struct exec_state *state = exec_state_begin();
    if (!state)
        fail(EXIT_SYSTEM, start->strings, "out of memory");
    if (start->length > EXEC_STRINGS_MAX)
        fail(EXIT_SYSTEM, start->strings, "the arguments are too long");
    error = search_and_run(state, start);
    if (error == -LINUX_ENOENT || error == -LINUX_ENOTDIR)
        fail(EXIT_NOT_FOUND, start->strings, "not found");
    if (error)
        fail(EXIT_CANNOT_RUN, start->strings,
             error == -LINUX_EACCES ? "permission denied" :
             error == -LINUX_ENOEXEC ? "not an executable (the system log says why)" :
                                       status_name((enum status)-error));
    exec_state_end();
}
