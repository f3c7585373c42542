/*
 * What the file, socket and readiness families of libposix share among themselves.
 * SPDX-License-Identifier: MIT
 */
#ifndef LIBPOSIX_FILES_H
#define LIBPOSIX_FILES_H

#include "internal.h"
#include "linux_abi_files.h"
#include "sys_files.h"

#include <proto/fs.h>
#include <proto/io.h>

/* -errno as a long. (The enum is unsigned: a plain minus would not be negative in 64 bits.) */
#define ERR(name) (-(long)ST_##name)

/* A slot of the thread's 16 that nobody else uses: the gate of the mount, or of the socket's
 * name, that a path led to. */
#define FILES_TS_MOUNT 7

/* ---- paths (path.c) -------------------------------------------------------------------------- */

/* A path as the program gave it, and whom to ask about what is left of it. 4 KiB: at most two on
 * a stack. */
struct path {
    ar_cap target;       /* gate that the request goes to */
    unsigned server;     /* enum ipc_issuer of it */
    unsigned redirects;
    bool held;           /* dir is in use and must be ended */
    bool second;         /* uses the second private slot */
    struct fd_info dir;
    const char *text;    /* what is left to resolve, `length` bytes, mostly inside `buffer` */
    uint64_t length;
    char buffer[LX_PATH_MAX];
};

/* Read a path from the program and find its first gate. `empty_ok`: an empty path is no error
 * (AT_EMPTY_PATH); then the target is the descriptor itself, whatever it is. 0 or -errno; pair
 * with path_end when 0. */
long path_begin(struct path *path, int dirfd, uint64_t user, bool empty_ok);
/* For the second of two paths. */
long path_begin_second(struct path *path, int dirfd, uint64_t user);
/* For the pathname in a socket's address: `length` bytes of our own memory, at most 108, which stay
 * there; relative to the working directory. */
long path_begin_text(struct path *path, const char *text, uint64_t length);
void path_end(struct path *path);

/* One request about a path: memory, receive slots and retry, ready to use. Borrowed from `path`. */
struct path_request {
    struct ar_segment in[2], out;
    struct ipc_transfer transfer;
    struct posix_retry retry;
};
void path_request_begin(const struct path *path, struct path_request *request);
/* The answer was ST_REDIRECT: turn to the gate that came, with the last `rest` bytes. 0 or
 * -errno. */
long path_redirect(struct path *path, struct path_request *request, uint64_t rest);

/* As open(2) without the table: the description's gate is left in receive slot 0. 0 or -errno. */
long path_open(struct path *path, uint64_t flags, uint64_t mode, unsigned *kind, unsigned *server);

/* ---- the process's own names (path_self.c) --------------------------------------------------- */

/* N of /proc/self/fdinfo/N; -1: another path. */
int path_own_fd_info(const struct path *path);
/* fdinfo.c: what proc(5) says of descriptor fd, as something to read, left in receive slot 0.
 * 0 or -errno. */
long fd_info_open(int fd, unsigned *kind, unsigned *server);

/* If the path is, or leads through, /proc/self/fd/N, cwd or exe: it becomes the path that the
 * link leads to. *fd >= 0: it is this descriptor, to which no path leads; -1: ask as usual.
 * `last`: also if the link is all of the path. 0 or -errno. */
long path_own_follow(struct path *path, bool last, int *fd);
/* filed answered XDEV: /dev/stdin and its like lead into /proc. true: the path is now the one
 * there, to be tried again. */
bool path_own_alias(struct path *path);
/* readlink of such a name: the target's length, 0 when it is none of these, or -errno. */
long path_own_read(const struct path *path, char *target, uint64_t size);
/* Another gate to the same description, left in receive slot 0. 0 or -errno. */
long path_own_duplicate(int fd, unsigned *kind, unsigned *server);

/* ---- descriptors (open.c) -------------------------------------------------------------------- */

/* IO_KIND_* of a descriptor in use, asked once and remembered; 0 when its server does not say. */
unsigned fd_kind(int fd, struct fd_info *info);

/* RLIMIT_FSIZE for a regular file: may it reach `end`? Else SIGXFSZ is raised: EFBIG. */
long file_size_check(uint64_t end);
/* No further descriptor can be made: to be asked before something is taken that could not be
 * given back. */
bool fd_table_full(void);
unsigned fd_table_room(void); /* free descriptors: 0, 1, 2 for two or more */
/* Forget what fcntl(F_SETOWN) said of a closed descriptor. */
/* fcntl's F_SETOWN and its kin on an open descriptor: 0, the answer, or -errno. */
long owner_set_number(const struct fd_info *info, int fd, int32_t number);
long owner_get_number(const struct fd_info *info, int fd);
long owner_set_signal(const struct fd_info *info, int fd, uint64_t signal);
long owner_get_signal(const struct fd_info *info, int fd);
long owner_set_extended(const struct fd_info *info, int fd, uint64_t user);
long owner_get_extended(const struct fd_info *info, int fd, uint64_t user);
/* FIOSETOWN, SIOCSPGRP, FIOGETOWN, SIOCGPGRP. */
long owner_ioctl(const struct fd_info *info, int fd, bool set, uint64_t user);
void fd_owner_forget(int fd);
/* Around fork: nobody may be half-way through that table. */
void fd_owner_lock(void);
void fd_owner_unlock(void);
/* The description behind a descriptor: the same two words mean the same description. 0 or
 * -EBADF. */
struct fd_identity {
    uint64_t issuer, badge;
};
long fd_identify(int fd, struct fd_identity *identity);

/* ---- memory for transfers (iov.c) ------------------------------------------------------------ */

/* The program's memory that one call moves: `total` bytes, at most LX_RW_MAX. 16 KiB: do not
 * initialise it whole. */
struct iov_list {
    unsigned count;     /* segments, none of them empty */
    uint64_t total;
    struct ar_segment segments[LX_IOV_MAX];
};
/* One buffer: 0 or -EFAULT. */
long iov_single(struct iov_list *list, uint64_t user, uint64_t length);
/* readv(2)'s array: 0, -EINVAL, -EFAULT. */
long iov_import(struct iov_list *list, uint64_t user, uint64_t count);

/* The list as at most 15 segments: as it is, or, when it has more, a temporary buffer of up to
 * IOV_BUFFER bytes. */
#define IOV_BUFFER (1u << 20)
struct iov_window {
    const struct ar_segment *segments; /* borrowed from the list or `buffered` */
    struct ar_segment buffered, own[AR_MSG_SEGS];
    unsigned count;
    uint64_t length; /* bytes that the segments cover */
    void *buffer;    /* owned; NULL: none */
};
/* Cover the list from byte `skip` on with at most `most` segments. `write`: the server will
 * write into them; else the bytes are gathered. 0, -EFAULT, -ENOMEM. Pair with iov_window_end
 * when 0. */
long iov_window_begin(struct iov_window *window, const struct iov_list *list, uint64_t skip,
                      unsigned most, bool write);
/* Keep only the first `total` bytes. */
void iov_shorten(struct iov_list *list, uint64_t total);
/* Copy `length` bytes of ours into the list from byte `skip` on. 0 or -EFAULT. */
long iov_put(const struct iov_list *list, uint64_t skip, void *bytes, uint64_t length);
/* `received` bytes of a buffered window go to the program. 0 or -EFAULT. */
long iov_window_end(struct iov_window *window, const struct iov_list *list, uint64_t skip,
                    uint64_t received);

/* ---- reading and writing (rw.c) -------------------------------------------------------------- */

/* One read or write at `offset` (IO_CURRENT: the description's). `flags`: IO_NOWAIT. Bytes or
 * -errno. write_list goes on until all is written or RLIMIT_FSIZE stops it (then it shortens the
 * list), and raises SIGPIPE and SIGXFSZ. */
long read_list(int fd, struct fd_info *info, const struct iov_list *list, int64_t offset,
               uint64_t flags);
long write_list(int fd, struct fd_info *info, struct iov_list *list, int64_t offset,
                uint64_t flags);

/* Where the byte after so many is. A server's offset may be anything: then it is where nothing is. */
static inline int64_t offset_after(int64_t offset, uint64_t done)
{
    return offset == IO_CURRENT ? offset : (int64_t)((uint64_t)offset + done);
}

/* sendfile(2) whose sink is a pipe: one splice(2). Both descriptors are in use (splice.c). */
long splice_file(int from, const struct fd_info *from_info, int to, const struct fd_info *to_info,
                 uint64_t user, uint64_t length);

/* ---- sockets (socket.c, sockopt.c) ----------------------------------------------------------- */

/* A struct sockaddr as it comes and goes: any bytes, at most LX_SOCKADDR_MAX. */
union socket_address {
    struct linux_sockaddr_un un;
    char bytes[LX_SOCKADDR_MAX];
};

/* fd_begin, and -ENOTSOCK for what is no socket. */
long socket_begin(int fd, struct fd_info *info);
/* SO_TYPE of a socket in use, or 0. */
int socket_type(const struct fd_info *info);
/* SO_ERROR, which reading clears, as -errno; 0: none. */
long socket_take_pending(const struct fd_info *info);
/* Linux's number, negative: for the next call. */
void socket_put_pending(const struct fd_info *info, long error);
/* Let a request wait no longer than SO_RCVTIMEO or SO_SNDTIMEO (`option`) of its socket says. With a
 * time-out a signal gives EINTR and never restarts it, signal(7). */
uint64_t socket_deadline(const struct fd_info *info, int option); /* from now; 0: none */
void socket_set_deadline(struct posix_retry *retry, const struct fd_info *info, int option);
/* EPIPE from this descriptor raises SIGPIPE: pipes and stream sockets do. */
bool socket_raises_sigpipe(const struct fd_info *info);
/* Does the address name a node of the file system? */
bool socket_address_is_path(const union socket_address *address, uint64_t length);
/* Put the name gate behind a pathname into FILES_TS_MOUNT; the caller deletes it. 0 or -errno. */
long socket_find_name(const union socket_address *address, uint64_t length);
/* Copy a struct sockaddr in: 0, -EINVAL (length), -EFAULT. */
long socket_address_read(union socket_address *address, uint64_t user, int32_t length);
/* Give an address back: cut to the int at user_length, which becomes the full length. 0,
 * -EINVAL, -EFAULT. */
long socket_address_write(uint64_t user, uint64_t user_length, const union socket_address *address,
                          uint64_t length);

/* ---- messages (message_control.c) ------------------------------------------------------------ */

#define RIGHTS_MAX 253

/* read(2) on a socket that io.read did not serve: with a low-water mark, or into memory that cannot
 * be had (the message may be lost). EFAULT when it is no socket. */
long receive_as_read(const struct fd_info *info, const struct iov_list *list, uint64_t flags);

/* What control messages ask of a send. */
struct control_out {
    unsigned rights;
    long error; /* what is wrong behind what is here: -EINVAL, -EBADF */
    bool credentials;
    struct linux_ucred ucred;
    ar_cap slots[RIGHTS_MAX]; /* of the descriptors */
};
/* Read a program's control buffer: 0, -EFAULT, -ENOBUFS, -ENOMEM. */
long control_read(struct control_out *out, uint64_t user, uint64_t length);
/* Stage descriptors that one message does not hold for the next send on `gate`, in groups of 8. 0 or
 * -errno; nothing stays staged on an error. */
long control_stage(ar_cap gate, const struct control_out *out);
/* Empty the stage. */
void control_unstage(ar_cap gate);

/* A program's control buffer while a receive fills it. */
struct control_in {
    uint64_t user, room; /* what is left */
    uint32_t flags;      /* MSG_CTRUNC */
};
/* Where descriptors arrive: fd_offer. */
struct rights_in {
    unsigned count, room; /* arrived; slots */
    ar_cap slots[AR_MSG_CAPS];
    uint8_t issuers[AR_MSG_CAPS];
};
/* For up to `most` of them. */
void rights_offer(struct rights_in *rights, uint64_t most);
/* Close what arrived. */
void rights_close(struct rights_in *rights);
/* How many descriptors could fit. */
uint64_t control_rights_room(const struct control_in *in);
void control_put_credentials(struct control_in *in, const struct linux_ucred *ucred);
/* SCM_PIDFD for the process `pid` with this serial number; 0: nobody, and nothing is put. */
void control_put_pidfd(struct control_in *in, uint32_t pid, uint32_t serial);
/* The first of `count` descriptors have arrived: install what fits, drop the rest at the server. */
void control_put_rights(struct control_in *in, ar_cap gate, struct rights_in *rights,
                        uint64_t count, bool cloexec);

/* ---- timer and signal descriptors (virtual.c) ------------------------------------------------ */

/* Kinds that no server knows, beside IO_KIND_*. */
#define FILES_KIND_TIMER 100
#define FILES_KIND_SIGNAL 101
uint32_t virtual_poll(int fd, unsigned kind, bool arm);
long virtual_read(int fd, const struct fd_info *info, const struct iov_list *list, int64_t offset,
                  bool nowait);
/* Some open descriptor of this description, or -1. Walks the table. */
int fd_find_description(const struct fd_identity *identity);

/* ---- readiness ------------------------------------------------------------------------------- */

/* Read a timeout in struct timespec as an absolute deadline. NULL: AR_NO_DEADLINE; no time at
 * all: DEADLINE_NOW. 0, -EINVAL, -EFAULT. */
long deadline_read(uint64_t *deadline_ns, uint64_t user);
/* Poll one descriptor for `events` (and IO_POLL_WANTED). The ready events, POLLNVAL among them; `arm`: be woken when
 * there are some. */
uint32_t fd_poll(int fd, uint64_t events, bool arm, uint64_t *sequence);
/* Ask about all of these, each into `results` (revents). POLL_ASK_ALONE: by fd_poll, `alone` of them. How
 * many are ready; `arm`: be woken when none is. */
#define POLL_ASK_ALONE INT16_MIN
long poll_batch(const struct linux_pollfd *fds, int16_t *results, uint64_t count, bool arm,
                uint64_t *alone);
void poll_batch_fd_closed(int fd);
void poll_batch_fork_lock(void);
void poll_batch_fork_unlock(void);
/* One look at all of them, in any way. */
struct poll_scan {
    const struct linux_pollfd *fds;
    int16_t *results;
    uint64_t count;
    bool again; /* was done before: what is closed since then is told, but wakes nobody */
    bool held;  /* in the receive slots */
    bool select; /* an ERR or HUP ends the wait only where `events` names it */
};
long poll_scan(struct poll_scan *scan, bool arm);
void poll_release(struct poll_scan *scan); /* at the end: hold none */
/* As fd_poll, of an epoll instance with foreign interests (epoll.h): readable when something in it is
 * ready. */
uint32_t epoll_poll_foreign(int fd, uint32_t events, bool arm);
/* Before a descriptor is closed: epoll.h. */
void epoll_fd_closing(int fd);
/* Read select's struct timeval likewise. */
long deadline_read_micro(uint64_t *deadline_ns, uint64_t user);
/* 0: the deadline was "at once", so nothing may wait. */
#define DEADLINE_NOW 0
/* Around each scan of poll, select or epoll_wait: forget the timers (timerfd) of the last scan;
 * then posix_wait, but no longer than until the first timer that the scan found. */
void readiness_begin(void);
enum wait_result readiness_wait(uint64_t deadline_ns);
enum wait_result readiness_wait_bits(uint64_t deadline_ns, uint64_t *bits);
/* Nanoseconds until the deadline, not below 0. */
uint64_t deadline_left(uint64_t deadline_ns);

#endif
