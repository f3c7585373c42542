/*
 * filed: the root file system and its nodes. SPDX-License-Identifier: MIT
 *
 *   node         a file, directory, symbolic link, device, FIFO or socket name: what an inode is.
 *   It lives while
 *                nlink (names) or uses (everything else that points at it) is not zero.
 *   entry        one name in a directory. It lives while it is linked or something remembers it: an
 *   open description,
 *                or the directory it names; so the path of what is open can be told after rename
 *                and unlink. A linked
 *                entry has entry->node set and counts in the node's nlink; every entry counts in
 *                its parent's uses.
 *   description  an open file description; its badge is its name. Ends with the closed message of
 *   that badge.
 *
 * Nothing here blocks. Every operation that can run out of memory does so before it changes
 * anything.
 */
#ifndef FILED_H
#define FILED_H

#include <fcntl.h>
#include <ipc/credentials.h>
#include <ipc/memory.h>
#include <ipc/message.h>
#include <ipc/session.h>
#include <poll.h>
#include <posix_abi.h>
#include <sys/stat.h>

/* st_dev of every node: major 0, as Linux gives file systems of memory */
#define FILED_DEVICE 0x16u
#define FILED_NODES_MAX (1u << 19)         /* bounds what programs can make: NOSPC beyond */
#define FILED_DESCRIPTIONS_MAX (1u << 16)  /* open at once, in all: NFILE beyond */
/* a process may have so many more open here than RLIMIT_NOFILE */
#define FILED_DESCRIPTIONS_SLACK 256u
#define FILED_LINKS_MAX 0x7fffffffu
#define FILED_PATH_MAX 4096u               /* with the terminator that no message carries */
#define FILED_NAME_MAX 255u
#define FILED_SYMLINKS_MAX 40u
#define FILED_RECORDS 32768u               /* most bytes of directory records in one answer */
#define FILED_CHUNK 65536u                 /* granularity of written content */
#define FILED_PAGE 4096u
/* bytes of the heap that contents leave to names, opens and locks */
#define FILED_RESERVE(heap) ((heap) / 16)
#define FILED_IO_MAX 0x7ffff000u           /* most bytes one read or write moves, as in Linux */

/* What the shell, or a test, gives a filed. Times are ns since the epoch. */
struct filed_config {
    /* CREDENTIALS_MAX entries, by PRINCIPAL_PROCESS; borrowed */
    const struct credentials *credentials;
    int64_t (*now_ns)(void *context);
    void *now_context;
    uint64_t seed[4];       /* for /dev/urandom and the name hash */
    uint64_t procd_slot;    /* procd's mount gate, 0: /proc is an ordinary directory */
    uint64_t consoled_slot; /* consoled's root gate, 0: terminals are NXIO */
    uint64_t heap_size;     /* bytes, for stat_fs */
};

struct entry {
    struct entry *hash_next;
    struct entry *previous, *next; /* neighbours in the directory, by age */
    struct node *parent;           /* counted in its uses */
    struct node *node;             /* NULL once unlinked */
    /* d_off: grows with age in its directory, never used twice there */
    uint64_t cookie;
    uint32_t hash, uses, name_length;
    char *name;                    /* owned; not terminated */
};

#define DIRECTORY_END 3u /* the offset after all entries, and the oldest's cookie */

struct directory {
    struct entry *first, *last;
    struct entry *resume;  /* where the last read_directory stopped, or NULL; a hint */
    struct entry *self;    /* its own name (counted); NULL for the root */
    uint64_t next_cookie;
    uint32_t count;
};

/* `capacity` bytes from index * FILED_CHUNK on; the rest of the chunk is zeros. */
struct chunk {
    uint64_t index;
    uint8_t *memory;
    uint32_t capacity;
    uint32_t pages; /* bit per FILED_PAGE: it was written to, and counts as memory in stat(2) */
};
/* Bytes of a file: those of `chunks` (sorted by index), else of the archive, else zeros. Memory
 * of a chunk beyond the size is zero. */
struct content {
    uint64_t size;
    const uint8_t *archive; /* borrowed for ever */
    uint64_t archive_size;  /* <= size */
    struct chunk *chunks;
    uint32_t chunk_count, chunk_room;
};

struct fifo {
    uint8_t *ring;           /* FIFO_SIZE bytes, made with the first open */
    uint32_t head, count, readers, writers;
    uint64_t writers_ever, sequence;
    /* a peer opened because of somebody waiting to open; see fifo.c */
    bool reader_owed, writer_owed;
    struct waiters opening_readers, opening_writers;
};

struct lock {
    struct lock *next;
    struct description *description; /* through which it was taken */
    uint32_t pid;                    /* record locks; 0: flock */
    bool write;
    int64_t start, end;              /* bytes, end included; record locks */
};

struct node {
    uint64_t ino, rdev;
    uint32_t mode, uid, gid, nlink, uses;
    int64_t atime, mtime, ctime;
    struct waiters waiters; /* poll(2) events of a FIFO, EVENT_LOCK */
    struct lock *locks;
    uint64_t mount_slot;    /* not 0: another server's root is mounted here; borrowed */
    union {
        struct directory directory;
        struct content content;
        struct {
            const char *text;
            uint32_t length;
            bool owned;
        } link;
        uint64_t name_gate; /* slot, owned; 0: nobody listens */
        struct fifo *fifo;
    };
};
#define EVENT_LOCK 0x10000u /* a waiter's event besides those of poll(2) */

struct description {
    uint64_t badge;
    struct node *node;   /* counted */
    struct entry *entry; /* counted; NULL for the root */
    uint32_t flags;      /* O_*; without those that act only in open */
    uint32_t process;    /* who is charged */
    int64_t offset;      /* directories: cookie of the last record read */
    uint64_t fifo_writers; /* writers_ever at open */
};

/* What a badge of ours means. */
struct badge {
    enum { BADGE_FREE, BADGE_DESCRIPTION, BADGE_SESSION } kind;
    union {
        struct description *description;
        uint32_t thread;
        uint32_t next_free; /* index + 1; 0 ends */
    };
};

struct filed {
    struct filed_config config;
    struct session_table sessions;
    struct node *root;
    uint64_t next_ino;
    uint32_t node_count, description_count;
    /* names: one table for all directories, so that linking a name in cannot run out of memory */
    struct entry **buckets;
    uint32_t bucket_count, entry_count; /* bucket_count: a power of two */
    struct badge *badges;
    uint32_t badge_room, badge_free;    /* badge_free: index + 1 of the first free one */
    uint32_t *charged;                  /* open descriptions by process, CREDENTIALS_MAX entries */
    uint32_t random_state[16], random_left;
    uint8_t random_block[64];
    struct ipc_effects *effects;        /* of the request in progress */
    char paths[2 * FILED_PATH_MAX];     /* of the request in progress */
    uint8_t records[FILED_RECORDS];
};

/* ---- the core's face (filed.c, archive.c) ---------------------------------------------------- */

/* An empty file system: a root directory. ST_NOMEM: nothing is kept. */
enum status filed_init(struct filed *filed, const struct filed_config *config);
/* Free everything; for tests of leaks. Name gates and sessions go to `effects`. */
void filed_destroy(struct filed *filed, struct ipc_effects *effects);
/* Add the entries of the newc cpio archives in [blob, blob + size), which must stay there.
 * ST_INVAL: malformed, and `*bad_offset` says where; ST_NOMEM. Entries before that one have been
 * added. */
enum status filed_add_archive(struct filed *filed, const void *blob, size_t size,
                              size_t *bad_offset);
/* /proc, /dev, /tmp and the device nodes, as far as the archive has none. ST_NOMEM. */
enum status filed_add_defaults(struct filed *filed);
/* One request of the session, io or fs protocol. */
void filed_handle(void *state, struct ipc_call *call);
void filed_closed(void *state, uint64_t badge, struct ipc_effects *effects);

/* ---- who asks (caller.c) --------------------------------------------------------------------- */

struct caller {
    const struct credentials *credentials;
    uint32_t uid, gid; /* those that count for files */
    bool root;
};
enum { MAY_EXEC = 1, MAY_WRITE = 2, MAY_READ = 4 };

struct caller caller_of(const struct filed *filed, const struct ipc_call *call);
/* for access(2) */
struct caller caller_real(const struct filed *filed, const struct ipc_call *call);
extern const struct caller caller_system; /* root, for what filed does by itself */
bool caller_in_group(const struct caller *caller, uint32_t gid);
bool caller_owns(const struct caller *caller, const struct node *node); /* or is root */
bool caller_may(const struct caller *caller, const struct node *node, unsigned may);
/* Sticky directories: may the caller remove or rename `node` in `directory`? */
bool caller_may_remove(const struct caller *caller, const struct node *directory,
                       const struct node *node);

/* ---- nodes (node.c) -------------------------------------------------------------------------- */

/* A node without a name, mode with its type. NULL: out of memory or of FILED_NODES_MAX. */
struct node *node_create(struct filed *filed, uint32_t mode, uint32_t uid, uint32_t gid);
/* Owner, group and mode of what `caller` makes in `directory`, which passes on its set-group-ID. */
struct node *node_create_in(struct filed *filed, const struct caller *caller,
                            const struct node *directory, uint32_t mode);
/* Free the node, and what only it held, when no name and no use is left. */
void node_release(struct filed *filed, struct node *node);
int64_t filed_now(const struct filed *filed);
void node_changed(struct filed *filed, struct node *node);  /* ctime */
void node_modified(struct filed *filed, struct node *node); /* mtime and ctime */
/* atime, as mount option relatime has it */
void node_accessed(struct filed *filed, struct node *node);
/* A write or truncation by someone but root takes set-user-ID and set-group-ID away. */
void node_drop_privileges(const struct caller *caller, struct node *node);
#define NODE_STAT_WORDS 13
/* the fields of io.stat up to ctime */
void node_stat(const struct node *node, uint64_t words[NODE_STAT_WORDS]);
unsigned node_kind(const struct node *node);                              /* IO_KIND_* */
bool node_is_directory(const struct node *node);
/* the root is its own */
struct node *node_parent(struct filed *filed, const struct node *directory);
/* Is `ancestor` the directory `node` or above it? */
bool node_is_above(struct filed *filed, const struct node *ancestor, const struct node *node);

struct attributes {
    uint64_t what, mode, uid, gid;
    int64_t atime, mtime;
};
enum status node_set_attributes(struct filed *filed, const struct caller *caller, struct node *node,
                                const struct attributes *attributes);

/* ---- names (entry.c) ------------------------------------------------------------------------- */

struct entry *entry_find(const struct filed *filed, const struct node *directory, const char *name,
                         size_t length);
/* Not linked yet, one use. NULL: out of memory. */
struct entry *entry_create(const char *name, size_t length);
/* Link it in: cannot fail. nlink of node and directory change, times do not. */
void entry_link(struct filed *filed, struct entry *entry, struct node *directory,
                struct node *node);
/* Take the name away, keep the entry if somebody remembers it. The node is not released. */
void entry_unlink(struct filed *filed, struct entry *entry);
/* Linked entries have one use for being linked. */
void entry_release(struct filed *filed, struct entry *entry);
/* The entry moves to `directory` under `name` (owned from now on); the old name is freed. Cannot
 * fail. */
void entry_move(struct filed *filed, struct entry *entry, struct node *directory, char *name,
                size_t length);
/* The absolute path of `entry` (NULL: the root) into buffer[0..size), with " (deleted)" when it
 * is; its length, 0 when it does not fit. */
size_t entry_path(const struct entry *entry, char *buffer, size_t size);

/* ---- content (content.c) --------------------------------------------------------------------- */

/* The longest run of bytes at `offset` (< size) that lies together; *length says how long. */
const uint8_t *content_span(const struct content *content, uint64_t offset, uint64_t *length);
/* Memory to write up to *length bytes at `offset` into; *length is cut at the chunk's end. The
 * size is unchanged. NULL: out of memory, nothing changed. */
uint8_t *content_reserve(struct content *content, uint64_t offset, uint64_t *length);
void content_truncate(struct content *content, uint64_t size); /* either way; cannot fail */
void content_trim(struct content *content); /* give back what content_reserve got beyond the size */
uint64_t content_blocks(const struct content *content); /* of 512 bytes */
/* Before content_reserve: is the heap not so full that a chunk more would leave nothing to open
 * files with? */
bool filed_has_room(const struct filed *filed, uint64_t length);
/* Zeros to read from. */
#define FILED_ZEROS 16384u
extern const uint8_t filed_zeros[FILED_ZEROS];

/* ---- descriptions and badges (description.c) ------------------------------------------------- */

/* ST_OK and *made; MFILE, NFILE, NOMEM. Node and entry gain a use. */
enum status description_create(struct filed *filed, const struct ipc_call *call, struct node *node,
                               struct entry *entry, uint32_t flags, struct description **made);
/* NULL: no such badge */
struct description *description_find(const struct filed *filed, uint64_t badge);
void description_close(struct filed *filed, struct description *description);
bool description_reads(const struct description *description);
bool description_writes(const struct description *description);
/* A new badge for a session, 0 when out of memory; and any badge back. */
uint64_t badge_alloc(struct filed *filed);
void badge_free(struct filed *filed, uint64_t badge);

/* ---- paths (walk.c) -------------------------------------------------------------------------- */

enum { WALK_FOLLOW = 1, WALK_PARENT = 2, WALK_CREATE = 4 };
enum walk_last { LAST_NAME, LAST_DOT, LAST_DOTDOT, LAST_ROOT };

struct walk {
    /* in: WALK_FOLLOW a final symbolic link; WALK_PARENT: leave the last component as it is,
     * existing or not; WALK_CREATE: a missing last component is no error */
    struct node *start; /* of a relative path */
    const char *path;
    size_t length;      /* not 0 */
    unsigned flags;
    /* out: the directory, and in it the entry and node of the last component (NULL: missing) */
    struct node *directory;
    struct entry *entry; /* NULL for the root too */
    struct node *node;
    const char *name;    /* the last component as written; points into a path or a link's text */
    size_t name_length;
    enum walk_last last; /* what kind of component that was */
    bool slash;          /* a slash follows it */
    size_t rest;         /* ST_REDIRECT: bytes left at the end of the path */
    uint64_t mount_slot; /* ST_REDIRECT: of whom */
};
/* path_resolution(7). ST_OK; NOENT, NOTDIR, ACCES, LOOP, NAMETOOLONG; ISDIR (WALK_CREATE and a
 * trailing slash); REDIRECT into a mount; XDEV when what is left then is a symbolic link's text
 * and no end of the path. */
enum status walk_path(struct filed *filed, const struct caller *caller, struct walk *walk);
/* Where `walk` may make a new name: EXIST, NOENT, ACCES besides. `directory`: a trailing slash
 * is allowed. */
enum status walk_new(struct filed *filed, const struct caller *caller, struct walk *walk,
                     bool directory);

/* ---- operations ------------------------------------------------------------------------------ */

struct fs_server;
struct io_server;
extern const struct fs_server filed_fs;
extern const struct io_server filed_io;

/* Handlers that live in files of their own. fs_change.c: */
struct fs_make_node_request;
struct fs_bind_socket_request;
struct fs_lookup_socket_request;
struct fs_link_request;
struct fs_rename_request;
struct fs_symlink_request;
struct fs_unlink_request;
enum status fs_make_node_serve(void *state, struct ipc_call *call,
                               const struct fs_make_node_request *request);
enum status fs_bind_socket_serve(void *state, struct ipc_call *call,
                                 const struct fs_bind_socket_request *request);
enum status fs_lookup_socket_serve(void *state, struct ipc_call *call,
                                   const struct fs_lookup_socket_request *request);
enum status fs_link_serve(void *state, struct ipc_call *call,
                          const struct fs_link_request *request);
enum status fs_symlink_serve(void *state, struct ipc_call *call,
                             const struct fs_symlink_request *request);
enum status fs_unlink_serve(void *state, struct ipc_call *call,
                            const struct fs_unlink_request *request);
/* fs_rename.c: */
enum status fs_rename_serve(void *state, struct ipc_call *call,
                            const struct fs_rename_request *request);
/* fs_open.c: */
struct fs_open_request;
struct fs_open_reply;
enum status fs_open_serve(void *state, struct ipc_call *call, const struct fs_open_request *request,
                          struct fs_open_reply *reply);
/* lock.c: */
struct io_lock_request;
struct io_lock_reply;
enum status io_lock_serve(void *state, struct ipc_call *call, const struct io_lock_request *request,
                          struct io_lock_reply *reply);
void lock_description_closed(struct filed *filed, struct description *description);
/* io_data.c: */
struct io_read_request;
struct io_read_reply;
struct io_write_request;
struct io_write_reply;
struct io_read_directory_request;
struct io_read_directory_reply;
enum status io_read_serve(void *state, struct ipc_call *call, const struct io_read_request *request,
                          struct io_read_reply *reply);
enum status io_write_serve(void *state, struct ipc_call *call,
                           const struct io_write_request *request, struct io_write_reply *reply);
/* io_directory.c: */
enum status io_read_directory_serve(void *state, struct ipc_call *call,
                                    const struct io_read_directory_request *request,
                                    struct io_read_directory_reply *reply);

/* Read the paths of a request: `first` bytes, then `second` more, into filed->paths (the second
 * at FILED_PATH_MAX). FAULT, NAMETOOLONG, MESSAGE (a NUL inside). */
enum status request_paths(struct filed *filed, struct ipc_call *call, uint64_t first,
                          uint64_t second);
/* The directory that the request was sent to. BADF. */
enum status request_start(struct filed *filed, const struct ipc_call *call, struct node **start);
/* The directory that came along for a request's second path. MESSAGE, BADF. */
enum status request_second(struct filed *filed, const struct ipc_call *call, struct node **start);
/* paths, start and walk in one. An empty path: NOENT. `flags`: WALK_*. */
enum status request_walk(struct filed *filed, struct ipc_call *call, const struct caller *caller,
                         uint64_t length, unsigned flags, struct walk *walk);

/* ---- devices (device.c) ---------------------------------------------------------------------- */

#define DEVICE(major, minor) ((uint64_t)(major) << 8 | (minor))
enum {
    DEVICE_NULL = DEVICE(1, 3), DEVICE_ZERO = DEVICE(1, 5), DEVICE_FULL = DEVICE(1, 7),
    DEVICE_RANDOM = DEVICE(1, 8), DEVICE_URANDOM = DEVICE(1, 9), DEVICE_TTYS0 = DEVICE(4, 64),
    DEVICE_TTY = DEVICE(5, 0), DEVICE_CONSOLE = DEVICE(5, 1)
};
bool device_is_terminal(const struct node *node); /* served by consoled */
/* st_ino: the terminal's is the one that consoled says, too */
uint64_t node_inode(const struct node *node);
bool device_is_ours(const struct node *node);
void random_seed(struct filed *filed, const uint64_t seed[4]);
enum status device_read(struct filed *filed, struct ipc_call *call, const struct node *node,
                        uint64_t length, uint64_t *count);
enum status device_write(const struct node *node, uint64_t length, uint64_t *count);

/* ---- FIFOs (fifo.c) -------------------------------------------------------------------------- */

#define FIFO_SIZE 65536u
#define FIFO_ATOMIC 4096u /* PIPE_BUF */
/* Before a description for `flags` is made. OK; NXIO; WAIT (armed); NOMEM; SESSION. */
enum status fifo_open_check(struct filed *filed, struct ipc_call *call, struct node *node,
                            uint32_t flags);
void fifo_opened(struct filed *filed, struct description *description);
void fifo_closed(struct filed *filed, struct description *description);
enum status fifo_read(struct filed *filed, struct ipc_call *call, struct description *description,
                      bool wait, uint64_t length, uint64_t *count);
enum status fifo_write(struct filed *filed, struct ipc_call *call, struct description *description,
                       bool wait, uint64_t length, uint64_t *count);
uint32_t fifo_ready(const struct description *description); /* poll(2) bits */
void fifo_destroy(struct filed *filed, struct node *node);

#endif
