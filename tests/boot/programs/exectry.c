/*
 * exectry FILE…: execve each in a child of its own and say what came of it.
 * SPDX-License-Identifier: MIT
 */
#include "check.h"

int main(int argc, char **argv)
{
    struct rlimit no_core = {0};
    setrlimit(RLIMIT_CORE, &no_core);
    for (int i = 1; i < argc; i++) {
        int ends[2], error = 0, status = -1;
        pipe2(ends, O_CLOEXEC);
        fflush(stdout);
        pid_t pid = fork();
        if (pid == 0) {
            char *arguments[] = {argv[i], "argument", NULL}, *environment[] = {"PATH=/bin", NULL};
            execve(argv[i], arguments, environment);
            error = errno;
            write(ends[1], &error, sizeof error);
            _exit(0);
        }
        close(ends[1]);
        ssize_t n = read(ends[0], &error, sizeof error);
        close(ends[0]);
        waitpid(pid, &status, 0);
        if (n == sizeof error)
            printf("%s: %s\n", argv[i], error_name(error));
        else
            show_status(argv[i], status);
    }
    return 0;
}
