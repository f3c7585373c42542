# A shortened program as C that compiles. SPDX-License-Identifier: MIT
"""Each worker is a process or a thread that takes its turns from a counter in shared memory; the first process counts."""
HEAD = """/* Seed {seed}, uid {uid}. Expected (Linux): operation {number}: {expected}. Found: {found}. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static volatile int *turn;
static char data[1 << 20];
static int f[1 << 16]; /* descriptor i of operation n: f[256 * n + i] */

/* A name: a path, or an abstract one that begins with '@'. */
static socklen_t name(struct sockaddr_un *address, const char *text)
{{
    memset(address, 0, sizeof(*address));
    address->sun_family = AF_UNIX;
    strcpy(address->sun_path, text);
    if (text[0] == '@')
        address->sun_path[0] = 0;
    return (socklen_t)(sizeof(sa_family_t) + strlen(text) + (text[0] && text[0] != '@'));
}}

static void at(int number)
{{
    while (*turn < number)
        usleep(1000);
}}

static void say(int number, long result)
{{
    printf("%d: %ld %s\\n", number, result, result < 0 ? strerror(errno) : "");
    fflush(stdout);
}}

static inline long control(int fd, int flags, size_t size, int count, const int *fds)
{{
    union {{ struct cmsghdr head; char room[CMSG_SPACE(4 * 253)]; }} buffer;
    struct iovec iov = {{data, size}};
    struct msghdr message = {{.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &buffer, .msg_controllen = CMSG_SPACE(4 * count)}};
    buffer.head = (struct cmsghdr){{.cmsg_len = CMSG_LEN(4 * count), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
    memcpy(CMSG_DATA(&buffer.head), fds, 4 * (size_t)count);
    return sendmsg(fd, &message, flags);
}}

static inline long receive(int fd, int flags, size_t size, size_t room, int *fds)
{{
    static char space[4096];
    struct iovec iov = {{data, size}};
    struct msghdr message = {{.msg_iov = &iov, .msg_iovlen = 1, .msg_control = space, .msg_controllen = room}};
    long result = recvmsg(fd, &message, flags);
    if (result >= 0)
        printf("    flags %x, %zu bytes of control data\\n", message.msg_flags, (size_t)message.msg_controllen);
    for (struct cmsghdr *head = CMSG_FIRSTHDR(&message); result >= 0 && head; head = CMSG_NXTHDR(&message, head))
        if (head->cmsg_type == SCM_RIGHTS)
            memcpy(fds, CMSG_DATA(head), head->cmsg_len - CMSG_LEN(0));
    return result;
}}

static inline long ready(int count, struct pollfd *polled, int timeout)
{{
    long result = poll(polled, (nfds_t)count, timeout);
    for (int i = 0; i < count; i++)
        printf("    fd %d: %x\\n", polled[i].fd, polled[i].revents);
    return result;
}}
"""

PATHS = ["p0", "p1", "p2", "p3", "p4", "d/p5", "d/p6", "longer-name-p7"]


def text_of(address):
    if 1 <= address <= 8:
        return PATHS[address - 1]
    if 9 <= address <= 16:
        return f"@z{address - 9}"
    return {25: "", 29: "d", 30: "f", 31: "l", 32: "o", 33: "m/x", 34: "f/x", 35: "r/x", 36: "s"}.get(address, "?")


def with_name(call, op):
    return (f"({{ struct sockaddr_un a; socklen_t l = name(&a, \"{text_of(op['address'])}\"); "
            f"{call.format(address='(void *)&a', length='l')}; }})")


def expression(kind, op):
    fd, size = op["fd"], op["length0"] + op["length1"]
    fds, here = [op[f"fd{i}"] for i in range(4)], f"f[{256 * op['id']}]"
    simple = {
        "SOCKET": f"socket({op['value']}, {op['flags']}, {op['value2']})",
        "SOCKETPAIR": f"socketpair({op['value']}, {op['flags']}, {op['value2']}, &{here})",
        "LISTEN": f"listen({fd}, {op['value']})", "ACCEPT": f"accept4({fd}, 0, 0, {op['flags']})",
        "SHUTDOWN": f"shutdown({fd}, {op['value']})", "CLOSE": f"close({fd})",
        "WRITE": f"write({fd}, data, {size})", "WRITEV": f"write({fd}, data, {size})",
        "READ": f"read({fd}, data, {size})", "READV": f"read({fd}, data, {size})",
        "RECVFROM": f"recv({fd}, data, {size}, {op['flags']})",
        "RECVMSG": f"receive({fd}, {op['flags']}, {size}, {max(op['control_length'], 0)}, &{here})",
        "POLL": f"ready({op['count']}, (struct pollfd[]){{" +
                ", ".join(f"{{{fds[i]}, {op[f'mask{i}']}, 0}}" for i in range(min(op["count"], 4))) + f"}}, {op['timeout_ms']})",
        "DUP": f"dup({fd})", "DUP2": f"dup2({fd}, {fds[0]})", "DUP3": f"dup3({fd}, {fds[0]}, {op['flags']})",
        "FCNTL": f"fcntl({fd}, {op['value']}, {op['value2']})", "PIPE": f"pipe2(&{here}, {op['flags']})",
        "IOCTL": f"ioctl({fd}, {op['value']}, &(int){{{op['value2']}}})",
        "EVENTFD": f"eventfd({op['value']}, {op['flags']})", "EPOLL_CREATE": f"epoll_create1({op['flags']})",
        "EPOLL_CTL": f"epoll_ctl({fd}, {op['value']}, {fds[0]}, &(struct epoll_event){{.events = {op['mask0']}u}})",
        "EPOLL_WAIT": f"epoll_wait({fd}, (struct epoll_event[8]){{0}}, {op['value']}, {op['timeout_ms']})",
        "GETSOCKOPT": f"getsockopt({fd}, {op['value']}, {op['value2']}, data, &(socklen_t){{{op['length0']}}})",
        "SETSOCKOPT": f"setsockopt({fd}, {op['value']}, {op['value2']}, &(int[4]){{{op['mask0']}}}, {op['length0']})",
        "SPLICE": f"splice({fd}, 0, {fds[0]}, 0, {op['length0']}, {op['flags']})",
        "TEE": f"tee({fd}, {fds[0]}, {op['length0']}, {op['flags']})",
        "SENDFILE": f"sendfile({fds[0]}, {fd}, 0, {op['length0']})",
        "UMASK": f"umask({op['value']})", "UNLINK": f"unlink(\"{text_of(op['address'])}\")",
        "SETRESUID": f"setresuid({op['uid']}, {op['gid']}, {op['value']})", "EXIT": "(_exit(0), 0)",
    }
    if kind in ("BIND", "CONNECT"):
        return with_name(f"{kind.lower()}({fd}, {{address}}, {{length}})", op)
    if kind in ("SENDTO", "SENDMSG", "SENDMMSG") and op["control"] & 1:
        listed = ", ".join(str(f) for f in fds[:max(op["count"], 1)])
        return f"control({fd}, {op['flags']}, {size}, {op['count']}, (int[]){{{listed}}})"
    if kind in ("SENDTO", "SENDMSG", "SENDMMSG"):
        if op["address"]:
            return with_name(f"sendto({fd}, data, {size}, {op['flags']}, {{address}}, {{length}})", op)
        return f"send({fd}, data, {size}, {op['flags']})"
    made = ("SOCKET", "ACCEPT", "DUP", "DUP2", "DUP3", "EVENTFD", "EPOLL_CREATE", "FCNTL")
    return f"{here} = {simple[kind]}" if kind in made else simple.get(kind)


def parse(line):
    kind, *pairs = line.split()
    op = dict.fromkeys(("id", "worker", "flags", "value", "value2", "length0", "length1", "address", "control", "count",
                        "timeout_ms", "mask0", "mask1", "mask2", "mask3"), 0)
    op.update(dict.fromkeys(("fd", "fd0", "fd1", "fd2", "fd3", "good", "uid", "gid", "control_length"), -1))
    op.update((key, int(value)) for key, value in (pair.split("=") for pair in pairs))
    for name, origin in ("fd", "fd_from"), ("fd0", "from0"), ("fd1", "from1"), ("fd2", "from2"), ("fd3", "from3"):
        if op.get(origin, -1) >= 0:
            op[name] = f"f[{op[origin]}]"
    return kind, op


def program(lines, expected, found, seed, uid):
    """`found` is (operation, what Linux answers, what the simulator answers)."""
    workers = {0: []}
    for order, line in enumerate(lines, 1):
        kind, op = parse(line)
        answer = expected.get(str(op["id"]), "?")
        steps = workers.setdefault(op["worker"], [])
        steps.append(f"    at({order}); /* {line} */")
        other = op["value"]
        if kind == "FORK":
            steps.append(f"    if (fork() == 0)\n        worker_{other}(0);")
        elif kind == "THREAD":
            steps.append(f"    pthread_create(&(pthread_t){{0}}, 0, worker_{other}, 0);")
        elif kind == "WAIT":
            steps.append("    sleep(5);")
        else:
            steps.append(f"    say({op['id']}, {expression(kind, op) or '0 /* ' + kind + ': by hand */'}); /* Linux: {answer} */")
        if kind in ("FORK", "THREAD"):
            workers.setdefault(other, [])
    text = HEAD.format(seed=seed, uid=uid, number=found[0], expected=found[1], found=found[2])
    for number in workers:
        text += f"\nstatic void *worker_{number}(void *unused);"
    for number, steps in workers.items():
        text += f"\n\nstatic void *worker_{number}(void *unused)\n{{\n" + "\n".join(steps)
        text += "\n    for (;;)\n        pause();\n    return unused;\n}"
    return text + f"""

int main(void)
{{
    turn = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (fork() == 0)
        worker_0(0);
    for (; *turn < {len(lines) + 1}; ++*turn)
        usleep(50000);
    kill(0, 9);
}}
"""
