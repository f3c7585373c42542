/*
 * /init of the Linux peer: gives one program the contract that Aramid's init gives it.
 * SPDX-License-Identifier: MIT
 *
 * ttyS0 is the program's input and output, ttyS1 the log. In run mode the program has pipes, as
 * on Aramid, and this process carries bytes: from ttyS0 (DLE DLE is a DLE, DLE EOT ends the
 * input) and to it. In tty mode the program has ttyS0 itself. The exit status goes to the log as
 * "aramid-exit: N", then the machine ends through QEMU's isa-debug-exit.
 *
 * What to run is in /.aramid: the mode, the number of arguments, arguments, environment, each
 * with its NUL.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

enum {
    DLE = 0x10,
    EOT = 0x04,
    EXIT_PORT = 0xf4,
    EXIT_CLEAN = 0x10,
    EXIT_FAILED = 0x20,
    CHUNK = 65536
};

static int system_log = 2, serial;

static void machine_end(int code)
{
    tcdrain(serial);
    tcdrain(system_log);
    if (iopl(3) == 0)
        outl(code, EXIT_PORT);
    reboot(RB_POWER_OFF);
    for (;;)
        pause();
}

static void fail(const char *what)
{
    dprintf(system_log, "init: %s: %s\n", what, strerror(errno));
    machine_end(EXIT_FAILED);
}

/* ---- what to run ----------------------------------------------------------------------------- */

static char *command_text, **command_argv, **command_envp;

static void command_read(void)
{
    struct stat info;
    int file = open("/.aramid", O_RDONLY);
    if (file < 0 || fstat(file, &info) != 0)
        fail("/.aramid");
    command_text = malloc(info.st_size + 1);
    command_argv = calloc(info.st_size + 2, sizeof(char *));
    command_envp = calloc(info.st_size + 2, sizeof(char *));
    if (!command_text || !command_argv || !command_envp ||
        read(file, command_text, info.st_size) != info.st_size)
        fail("/.aramid");
    close(file);
    const char *end = command_text + info.st_size;
    char *count_text = command_text + strlen(command_text) + 1,
         *next = count_text + strlen(count_text) + 1;
    int count = atoi(count_text), index = 0;
    for (; next < end; next += strlen(next) + 1, index++)
        *(index < count ? &command_argv[index] : &command_envp[index - count]) = next;
    unlink("/.aramid");
    unlink("/init");
}

static int command_is_terminal(void)
{
    return strcmp(command_text, "tty") == 0;
}

/* ---- the program ----------------------------------------------------------------------------- */

static void serial_set_raw(int line)
{
    struct termios termios;
    if (tcgetattr(line, &termios) != 0)
        fail("tcgetattr");
    cfmakeraw(&termios);
    cfsetspeed(&termios, B115200);
    tcsetattr(line, TCSANOW, &termios);
}

/* In the child; never returns. */
static void program_exec(int input, int output, int complaint)
{
    setsid();
    if (command_is_terminal())
        ioctl(serial, TIOCSCTTY, 0);
    dup2(input, 0);
    dup2(output, 1);
    dup2(output, 2);
    for (int fd = 3; fd < 64; fd++)
        if (fd != complaint)
            close(fd);
    fcntl(complaint, F_SETFD, FD_CLOEXEC);
    signal(SIGPIPE, SIG_DFL);
    execve(command_argv[0], command_argv, command_envp);
    int error = errno;
    if (write(complaint, &error, sizeof(error)) != sizeof(error))
        _exit(126);
    _exit(error == ENOENT || error == ENOTDIR ? 127 : 126);
}

static pid_t program_start(int input, int output)
{
    int complaint[2], error;
    if (pipe(complaint) != 0)
        fail("pipe");
    pid_t pid = fork();
    if (pid < 0)
        fail("fork");
    if (pid == 0)
        program_exec(input, output, complaint[1]);
    close(complaint[1]);
    if (read(complaint[0], &error, sizeof(error)) == sizeof(error))
        dprintf(system_log, "init: %s: %s\n", command_argv[0], strerror(error));
    close(complaint[0]);
    return pid;
}

static int program_status(int status)
{
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* ---- run mode: bytes between ttyS0 and the pipes --------------------------------------------- */

struct input {
    char *bytes; /* unescaped, not yet in the pipe; grows, so that the serial line never overruns */
    size_t length, size;
    int escape_seen, ended, pipe; /* pipe: -1 when closed */
};

static void input_take(struct input *input, const unsigned char *bytes, ssize_t count)
{
    if (input->length + 2 * count > input->size) {
        input->size = 2 * (input->length + 2 * count);
        input->bytes = realloc(input->bytes, input->size);
        if (!input->bytes)
            fail("input buffer");
    }
    for (ssize_t i = 0; i < count && !input->ended; i++) {
        if (!input->escape_seen && bytes[i] == DLE) {
            input->escape_seen = 1;
            continue;
        }
        if (input->escape_seen && bytes[i] == EOT) {
            input->ended = 1;
            break;
        }
        if (input->escape_seen && bytes[i] != DLE)
            input->bytes[input->length++] = DLE;
        input->escape_seen = 0;
        input->bytes[input->length++] = bytes[i];
    }
}

static void input_give(struct input *input)
{
    ssize_t count = input->length ? write(input->pipe, input->bytes, input->length) : 0;
    if (count < 0 && errno != EAGAIN) { /* nobody reads any more */
        close(input->pipe);
        input->pipe = -1;
        return;
    }
    if (count > 0) {
        memmove(input->bytes, input->bytes + count, input->length - count);
        input->length -= count;
    }
    if (input->ended && input->length == 0) {
        close(input->pipe);
        input->pipe = -1;
    }
}

static void output_write(const char *bytes, ssize_t count)
{
    while (count > 0) {
        ssize_t done = write(serial, bytes, count);
        if (done < 0 && errno != EINTR)
            fail("ttyS0");
        if (done > 0) {
            bytes += done;
            count -= done;
        }
    }
}

static int child_signal[2]; /* a pipe: poll wakes when a child ends */

static void on_child(int number)
{
    int saved = errno;
    (void)number;
    if (write(child_signal[1], "", 1) < 0)
        errno = saved;
    errno = saved;
}

/* The program's wait status once it has ended, -1 before; others' orphans are reaped on the way. */
static int reap(pid_t program)
{
    static int result = -1;
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        if (pid == program)
            result = status;
    return result;
}

static int run_with_pipes(void)
{
    static char bytes[CHUNK];
    int in[2], out[2], status = -1;
    if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0 ||
        pipe2(child_signal, O_CLOEXEC | O_NONBLOCK) != 0)
        fail("pipe");
    struct input input = {.pipe = in[1]};
    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, on_child);
    pid_t program = program_start(in[0], out[1]);
    close(in[0]);
    close(out[1]);
    fcntl(in[1], F_SETFL, O_NONBLOCK);
    fcntl(out[0], F_SETFL, O_NONBLOCK);
    while (status < 0) {
        int wants = input.pipe >= 0 && (input.length || input.ended);
        struct pollfd fds[] = {{serial, POLLIN, 0},
                               {out[0], POLLIN, 0},
                               {child_signal[0], POLLIN, 0},
                               {wants ? input.pipe : -1, POLLOUT, 0}};
        if (poll(fds, 4, -1) < 0 && errno != EINTR)
            fail("poll");
        ssize_t count;
        if (fds[0].revents & POLLIN && (count = read(serial, bytes, sizeof(bytes))) > 0)
            input_take(&input, (unsigned char *)bytes, count);
        if (input.pipe >= 0 && (fds[3].revents || input.length || input.ended))
            input_give(&input);
        if (fds[1].revents && (count = read(out[0], bytes, sizeof(bytes))) > 0)
            output_write(bytes, count);
        else if (fds[1].revents & POLLHUP) {
            close(out[0]); /* everybody has closed it; wait for the end alone */
            out[0] = -1;
        }
        if (fds[2].revents && read(child_signal[0], bytes, 64) >= 0)
            status = reap(program);
    }
    for (ssize_t count; out[0] >= 0 && (count = read(out[0], bytes, sizeof(bytes))) > 0;)
        output_write(bytes, count);
    return status;
}

static int run_with_terminal(void)
{
    int status;
    pid_t pid, program = program_start(serial, serial);
    while ((pid = wait(&status)) != program)
        if (pid < 0 && errno != EINTR)
            fail("wait");
    return status;
}

int main(void)
{
    mkdir("/dev", 0755);
    mkdir("/proc", 0555);
    if (mount("devtmpfs", "/dev", "devtmpfs", 0, NULL) != 0 ||
        mount("proc", "/proc", "proc", 0, NULL) != 0)
        fail("mount");
    system_log = open("/dev/ttyS1", O_RDWR | O_NOCTTY | O_CLOEXEC);
    serial = open("/dev/ttyS0", O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (system_log < 0 || serial < 0)
        fail("serial lines");
    command_read();
    umask(022);
    sethostname("aramid", 6);
    if (!command_is_terminal())
        serial_set_raw(serial);
    dprintf(system_log, "init: ready for input\n"); /* what comes earlier is lost: see machine.py */
    int status = command_is_terminal() ? run_with_terminal() : run_with_pipes();
    tcdrain(serial);
    dprintf(system_log, "aramid-exit: %d\n", program_status(status));
    machine_end(EXIT_CLEAN);
}
