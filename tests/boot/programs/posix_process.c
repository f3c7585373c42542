/* fork, vfork, exec, spawn, wait, dup, fcntl, close-on-exec, shared offsets.
 * SPDX-License-Identifier: MIT */
#include "check.h"
#include <spawn.h>

extern char **environ;

static int report_self(int argc, char **argv)
{
    printf("exec'd: %d arguments, last %s, X=%s, descriptor 20 %s, 21 %s, umask %o\n", argc,
           argv[argc - 1], getenv("X") ? getenv("X") : "none",
           fcntl(20, F_GETFD) < 0 ? "closed" : "open", fcntl(21, F_GETFD) < 0 ? "closed" : "open",
           umask(0));
    sigset_t blocked;
    sigprocmask(SIG_BLOCK, NULL, &blocked);
    struct sigaction usr1, usr2;
    sigaction(SIGUSR1, NULL, &usr1);
    sigaction(SIGUSR2, NULL, &usr2);
    printf("exec'd: USR1 blocked %d, handler reset %d, ignored stays %d\n",
           sigismember(&blocked, SIGUSR1), usr1.sa_handler == SIG_DFL, usr2.sa_handler == SIG_IGN);
    return 13;
}

static void nothing(int signal)
{
    (void)signal;
}

static void exec_tests(const char *self)
{
    int status;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(1, 20);
        fcntl(20, F_SETFD, FD_CLOEXEC);
        dup2(1, 21);
        umask(027);
        signal(SIGUSR1, nothing);
        signal(SIGUSR2, SIG_IGN);
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGUSR1);
        sigprocmask(SIG_BLOCK, &set, NULL);
        char *argv[] = {"self", "report", "", "two words", NULL}, *envp[] = {"X=value of x", NULL};
        execve(self, argv, envp);
        _exit(99);
    }
    waitpid(pid, &status, 0);
    show_status("fork and exec", status);
    pid = vfork();
    if (pid == 0) {
        execl(self, "self", "report", "vfork", (char *)NULL);
        _exit(99);
    }
    waitpid(pid, &status, 0);
    show_status("vfork and exec", status);
    volatile int shared = 1;
    pid = vfork();
    if (pid == 0) {
        shared = 2;
        _exit(4);
    }
    printf("vfork shares memory and waits: %d\n", shared);
    waitpid(pid, &status, 0);
    show_status("vfork and exit", status);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, "/tmp/spawn.out", O_WRONLY | O_CREAT | O_TRUNC,
                                     0600);
    char *argv[] = {"self", "report", "spawned", NULL};
    printf("posix_spawn: %d\n", posix_spawn(&pid, self, &actions, NULL, argv, environ));
    waitpid(pid, &status, 0);
    show_status("posix_spawn", status);
    struct stat about;
    printf("its output went to the file: %d\n",
           stat("/tmp/spawn.out", &about) == 0 && about.st_size > 50);
    unlink("/tmp/spawn.out");
    printf("posix_spawn of nothing: %s\n",
           error_name(posix_spawn(&pid, "/nothing", NULL, NULL, argv, environ)));
    SHOW(execve("/nothing", argv, environ));
    SHOW(execve("/tmp", argv, environ));
    SHOW(execve("/tmp/../etc/../tmp/x/y", argv, environ));
}

static void shared_offsets(void)
{
    char letters[8] = "";
    int fd = open("/tmp/offsets", O_RDWR | O_CREAT | O_TRUNC, 0600), copy = dup(fd),
        other = open("/tmp/offsets", O_RDONLY);
    write(fd, "abcdefghijkl", 12);
    lseek(copy, 0, SEEK_SET);
    pid_t pid = fork();
    if (pid == 0) {
        read(fd, letters, 3);
        _exit(0);
    }
    waitpid(pid, NULL, 0);
    read(copy, letters, 3);
    printf("parent after child: %s; offset %ld; another open's %ld\n", letters,
           (long)lseek(fd, 0, SEEK_CUR), (long)lseek(other, 0, SEEK_CUR));
    SHOW(fcntl(fd, F_SETFL, O_APPEND | O_NONBLOCK));
    printf("flags are the description's: %d; another open's: %d\n",
           !!(fcntl(copy, F_GETFL) & O_APPEND), !!(fcntl(other, F_GETFL) & O_APPEND));
    SHOW(fcntl(fd, F_SETFD, FD_CLOEXEC));
    printf("close-on-exec is the descriptor's: %d %d\n", fcntl(fd, F_GETFD), fcntl(copy, F_GETFD));
    SHOW(fcntl(fd, F_DUPFD, 50));
    SHOW(fcntl(fd, F_DUPFD_CLOEXEC, 50));
    SHOW(fcntl(51, F_GETFD));
    SHOW(dup2(fd, fd));
    SHOW(dup2(999, 5));
    SHOW(dup3(fd, fd, 0));
    SHOW(dup3(fd, 60, O_CLOEXEC));
    SHOW(fcntl(60, F_GETFD));
    SHOW(close(60));
    SHOW(close(60));
    SHOW(fcntl(fd, F_DUPFD, 1 << 30));
    unlink("/tmp/offsets");
}

static int exit_code(void *argument)
{
    return (int)(long)argument;
}

static int kill_self(void *argument)
{
    kill(getpid(), (int)(long)argument);
    return 1;
}

static void waiting(void)
{
    int status;
    struct rusage usage;
    struct rlimit no_core = {0};
    setrlimit(RLIMIT_CORE, &no_core);
    show_status("exit 0", in_child(exit_code, (void *)0));
    show_status("exit 255", in_child(exit_code, (void *)255));
    show_status("exit 256", in_child(exit_code, (void *)256));
    for (int signal = 1; signal <= 15; signal++)
        show_status("killed", in_child(kill_self, (void *)(long)signal));
    SHOW(waitpid(-1, &status, 0));
    SHOW(waitpid(getppid(), &status, 0));
    pid_t pid = fork();
    if (pid == 0) {
        sleep_ms(150);
        _exit(8);
    }
    SHOW(waitpid(pid, &status, WNOHANG));
    SHOW(wait4(pid, &status, 0, &usage) == pid);
    siginfo_t info = {0};
    pid = fork();
    if (pid == 0)
        _exit(6);
    SHOW(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT));
    printf("waitid: code %d, status %d, the child %d\n", info.si_code, info.si_status,
           info.si_pid == pid);
    SHOW(waitpid(pid, &status, 0) == pid);
    int ends[2];
    pipe(ends);
    if (fork() == 0) { /* an orphan's new parent */
        if (fork() == 0) {
            pid_t old = getppid();
            for (int i = 0; i < 200 && getppid() == old; i++)
                sleep_ms(10);
            char changed = (char)(getppid() != old);
            write(ends[1], &changed, 1);
            _exit(0);
        }
        sleep_ms(50);
        _exit(0);
    }
    wait(NULL);
    char changed = 9;
    read(ends[0], &changed, 1);
    printf("an orphan gets another parent: %d\n", changed);
    SHOW(getpgid(0) == getpgrp());
    SHOW(setpgid(0, 0) == 0 && getpgrp() == getpid());
    SHOW(getpgid(999999));
    int many = 0;
    for (int i = 0; i < 40; i++)
        if (fork() == 0)
            _exit(i);
    while (wait(&status) > 0)
        many += WEXITSTATUS(status);
    printf("the sum of 40 statuses: %d\n", many);
}

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "report"))
        return report_self(argc, argv);
    setvbuf(stdout, NULL, _IOLBF, 0);
    exec_tests(argv[0]);
    shared_offsets();
    waiting();
    return 0;
}
