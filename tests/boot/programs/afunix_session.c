/*
 * A server and 8 clients over a Unix socket: 1 MiB each way on each connection, 64 descriptors,
 * two clients killed. Every line of the output starts with the client it is about, and is the
 * same on Linux and on Aramid after sorting. SPDX-License-Identifier: MIT
 */
#include "session.h"

enum state { HELLO, TRANSFER, RIGHTS_DUE, ENDED };

struct connection {
    enum state state;
    struct hello hello;
    unsigned hello_bytes;
    struct transfer transfer;
};

/* A client that dies in the handshake: half a hello, a pipe's write end in flight with it, then
 * SIGKILL. */
static pid_t start_victim(int pipe_end)
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path, SOCKET_PATH);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        send_rights(fd, "hel", 3, &pipe_end, 1) != 3)
        die("victim");
    kill(getpid(), SIGKILL);
    _exit(99);
}

static void report_victim(const char *name, pid_t pid, int pipe_read)
{
    int status = 0;
    char byte;
    if (waitpid(pid, &status, 0) != pid)
        die("%s: waitpid", name);
    printf("%s: signal %d; the pipe it had in flight reads %zd\n", name,
           WIFSIGNALED(status) ? WTERMSIG(status) : -1, read(pipe_read, &byte, 1));
}

/* Accept a connection whose client is dead already: its bytes are there, its descriptor is
 * dropped by a plain read. */
static void serve_dead_client(int listener)
{
    int ends[2];
    char bytes[16];
    if (pipe(ends))
        die("pipe");
    pid_t pid = start_victim(ends[1]);
    close(ends[1]);
    siginfo_t info;
    if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) != 0)
        die("waitid");
    int fd = accept(listener, NULL, NULL);
    ssize_t first = read(fd, bytes, sizeof bytes), second = read(fd, bytes, sizeof bytes);
    printf("client a, dead before accept: %zd bytes, then %zd\n", first, second);
    report_victim("client a, dead before accept", pid, ends[0]);
    close(fd);
    close(ends[0]);
}

static void use_descriptors(struct connection *c)
{
    int fd = c->transfer.fd, fds[RIGHTS], n = (int)c->transfer.client;
    char text[64] = "", more[64] = "", bytes[8];
    ssize_t first = receive_rights(fd, bytes, sizeof bytes, fds, 3);
    ssize_t second =
        receive_rights(fd, bytes + first, sizeof bytes - (size_t)first, fds + 3, RIGHTS - 3);
    printf("client %d: 3 and 5 descriptors came with %zd and %zd bytes: %.*s\n", n, first, second,
           (int)(first + second), bytes);
    read_all(fds[FILE_SHARED], text, 5);
    read_all(fds[FILE_DUP], text + 5, 4);
    read_all(fds[FILE_OTHER], more, 3);
    printf("client %d: the server reads %s, then %s; close-on-exec %d\n", n, text, more,
           fcntl(fds[0], F_GETFD));
    write_all(fd, "G", 1);
    memset(text, 0, sizeof text);
    read_all(fds[PIPE_READ], text, 28);
    printf("client %d: the server's end of the pipe: %s; end of file: %zd\n", n, text,
           read(fds[PIPE_READ], more, 1));
    write_all(fds[PIPE_WRITE], "sixteen bytes...", 16);
    close(fds[PIPE_WRITE]);
    read_all(fds[PAIR_STREAM], text, 4);
    write_all(fds[PAIR_STREAM], "pong", 4);
    /* The client's own end came here: bytes written to it arrive at the other end, ours. (Before
     * the datagrams: after them the client may shut it down.) */
    write_all(fds[SOCKET_SELF], "loop", 4);
    read_all(fd, more, 4);
    printf("client %d: written to the client's own end: %.4s\n", n, more);
    ssize_t one = recv(fds[PAIR_DGRAM], text, sizeof text, 0),
            three = recv(fds[PAIR_DGRAM], more, sizeof more, 0);
    snprintf(text, sizeof text, "%zd and %zd", one, three);
    send(fds[PAIR_DGRAM], text, strlen(text), 0);
    for (int i = 0; i < RIGHTS; i++)
        close(fds[i]);
}

static void read_hello(struct connection *c)
{
    int fd = c->transfer.fd;
    ssize_t n = read(fd, (char *)&c->hello + c->hello_bytes, sizeof c->hello - c->hello_bytes);
    if (n <= 0) {
        printf("client b, dead in the handshake: %u bytes, then %zd\n", c->hello_bytes, n);
        close(fd);
        c->state = ENDED;
        return;
    }
    c->hello_bytes += (unsigned)n;
    if (c->hello_bytes < sizeof c->hello)
        return;
    struct ucred credentials;
    socklen_t length = sizeof credentials;
    if (getsockopt(fd, SOL_SOCKET, 17 /* SO_PEERCRED */, &credentials, &length) != 0)
        die("SO_PEERCRED");
    c->transfer.client = (unsigned)c->hello.client;
    printf("client %d: hello from %s process, uid %d\n", c->hello.client,
           credentials.pid == c->hello.pid ? "the right" : "another", (int)credentials.uid);
    write_all(fd, "welcome", 8);
    c->state = TRANSFER;
}

static void serve_step(struct connection *c, short ready)
{
    if (c->state == HELLO) {
        read_hello(c);
    } else if (c->state == TRANSFER) {
        transfer_step(&c->transfer, ready);
        if (transfer_done(&c->transfer)) {
            printf("client %u: the server sent %u bytes, received and checked %u\n",
                   c->transfer.client, c->transfer.sent, c->transfer.received);
            c->state = RIGHTS_DUE;
        }
    } else {
        use_descriptors(c);
        char byte;
        ssize_t n = read(c->transfer.fd, &byte, 1);
        printf("client %u: after the client's shutdown the server reads %zd\n", c->transfer.client,
               n);
        close(c->transfer.fd);
        c->state = ENDED;
    }
}

static void serve(int listener, unsigned expected)
{
    static struct connection connections[CLIENTS + 1];
    unsigned accepted = 0, ended = 0;
    while (ended < expected) {
        struct pollfd entries[CLIENTS + 2];
        for (unsigned i = 0; i < accepted; i++) {
            struct connection *c = &connections[i];
            entries[i].fd = c->state == ENDED ? -1 : c->transfer.fd;
            entries[i].events = c->state == TRANSFER ? transfer_events(&c->transfer) : POLLIN;
        }
        entries[accepted] =
            (struct pollfd){.fd = accepted < expected ? listener : -1, .events = POLLIN};
        unsigned watched = accepted + 1;
        if (poll(entries, watched, 60000) <= 0)
            die("server: nothing for 60 s, %u accepted, %u ended", accepted, ended);
        if (entries[accepted].revents) {
            connections[accepted] = (struct connection){
                .transfer = {.fd = accept(listener, NULL, NULL), .is_server = 1}};
            if (connections[accepted++].transfer.fd < 0)
                die("accept");
        }
        for (unsigned i = 0; i + 1 < watched; i++) {
            if (entries[i].fd >= 0 && entries[i].revents) {
                serve_step(&connections[i], entries[i].revents);
                ended += connections[i].state == ENDED;
            }
        }
    }
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGPIPE, SIG_IGN);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path, SOCKET_PATH);
    unlink(SOCKET_PATH);
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), ends[2];
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) ||
        listen(listener, 16) || pipe(ends))
        die("server");
    serve_dead_client(listener);
    pid_t victim = start_victim(ends[1]), clients[CLIENTS];
    close(ends[1]);
    for (int i = 0; i < CLIENTS; i++) {
        fflush(stdout);
        clients[i] = fork();
        if (clients[i] < 0)
            die("fork");
        if (clients[i] == 0) {
            close(listener);
            close(ends[0]);
            exit(client_run(i));
        }
    }
    serve(listener, CLIENTS + 1);
    for (int i = 0; i < CLIENTS; i++) {
        int status = -1;
        waitpid(clients[i], &status, 0);
        printf("client %d: exit status %d\n", i, WIFEXITED(status) ? WEXITSTATUS(status) : -1);
    }
    report_victim("client b, dead in the handshake", victim, ends[0]);
    close(listener);
    unlink(SOCKET_PATH);
    printf("server: %d connections, %d descriptors\n", CLIENTS, CLIENTS * RIGHTS);
    return 0;
}
