/* What the parts of init know of each other. SPDX-License-Identifier: MIT */
#ifndef INIT_H
#define INIT_H

#include "manifest.h"

#include <aramid/abi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* init's own address space; the kernel puts boot information, IPC buffer, stack and ELF there. */
#define INIT_IPC_ADDRESS (AR_BOOT_INFO + 0x1000)
#define INIT_WINDOW 0x1800000000ull         /* one page: frames pass through here to be filled */
#define INIT_MONITOR_IPC 0x1800100000ull    /* the monitor thread's IPC buffer */
#define INIT_BUNDLE_ADDRESS 0x2000000000ull /* blobs that init itself reads */

#define PAGE 4096ull
#define LARGE_PAGE 0x200000ull

/* ---- report.c: the log and the end ----------------------------------------------------------- */

/* A line of the system log; init_log puts "init: " before it. Format as server_log. */
void init_line(const char *format, ...) __attribute__((format(printf, 1, 2)));
void init_log(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Every failure ends here: logs it with what init was doing and for which server, and ends the
 * machine with EXIT_FAILED. */
_Noreturn void init_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Fail unless AR_OK; `what` completes "cannot ...". */
void init_check(enum ar_error error, const char *what);
/* What init is doing, and for whom ("init" when nobody): said by init_fail. Borrowed strings. */
void init_step(const char *server, const char *step);
const char *type_name(uint64_t type); /* of enum ar_type; "?" for none */

/* Values for the isa-debug-exit port; QEMU's exit status is 2 * value + 1. */
#define EXIT_DONE 0x10u
#define EXIT_FAILED 0x20u
_Noreturn void machine_exit(unsigned value);

/* ---- memory.c: untyped memory, slots, objects, mappings -------------------------------------- */

void memory_init(const struct ar_boot_info *boot);
/* All that the kernel gave us at start, bytes. */
uint64_t memory_total(void);
/* `count` consecutive empty slots of init's capability space. Never given back. */
ar_cap slots_take(unsigned count);
/* `count` objects in consecutive new slots, or in slots from `first` on. Fails the boot when
 * memory is out. */
ar_cap object_make(enum ar_type type, unsigned size_bits, unsigned count);
void object_make_at(enum ar_type type, unsigned size_bits, ar_cap first, unsigned count);
/* A new slot with a copy. */
ar_cap cap_copy(ar_cap source, unsigned rights);
/* Map a frame, with page tables as needed. `rights` of enum ar_rights. */
void frame_map(ar_cap vspace, ar_cap frame, uint64_t address, unsigned rights);
/* The same for frames that several spaces share: maps a copy when this capability is mapped
 * somewhere. */
void frame_map_shared(ar_cap vspace, ar_cap frame, uint64_t address, unsigned rights);
/* Map a 4 KiB frame that is mapped nowhere into init's window; unmap it. */
void *window_open(ar_cap frame);
void window_close(ar_cap frame);
/* Everything left, as Untyped capabilities in init's space, largest first; returns how many (at
 * most `most`). */
unsigned memory_take_rest(ar_cap *slots, unsigned most);

/* ---- bundle.c: the boot module --------------------------------------------------------------- */

struct blob {
    uint64_t physical, size;
};
void bundle_init(const struct ar_boot_info *boot);
/* False when the bundle has no such blob. */
bool bundle_find(const char *name, struct blob *blob);
/* Map a blob read-only, 2 MiB at a time where it lies so; `base` is a multiple of 2 MiB. Returns
 * the blob's address, which is `base` plus what the physical address has below 2 MiB. */
uint64_t blob_map(const struct blob *blob, ar_cap vspace, uint64_t base);
/* Map a blob into init. NULL when there is none. */
const void *bundle_open(const char *name, size_t *size);

/* ---- elf.c ----------------------------------------------------------------------------------- */

/* Load a static executable into an address space; returns its entry. Fails the boot when it is
 * broken. */
uint64_t elf_load(const void *image, size_t size, ar_cap vspace);

/* ---- servers.c, grants.c --------------------------------------------------------------------- */

struct server_state {
    const struct manifest_server *manifest;
    ar_cap root, vspace, tcb, endpoint, notification, ipc_frame, info_frame;
    ar_cap privileged; /* init's own root gate of this server */
    uint64_t entry, blob_address, blob_size, untyped_count;
};
extern struct server_state servers[MANIFEST_SERVERS_MAX];
extern unsigned server_count;

/* Create all servers, give them what the manifest says, start them. */
void servers_start(const struct ar_boot_info *boot, uint64_t boot_seconds, ar_cap fault_endpoint);
/* The server of this name; fails the boot when the manifest has none. */
struct server_state *server_named(const char *name);
/* A new gate of `endpoint` in a new slot. */
ar_cap gate_make(ar_cap endpoint, uint64_t badge);
/* The part of servers_start that follows the manifest: lines, ports, gates, memory. Call in this
 * order, the rest last. */
void server_grant(struct server_state *server);
void server_grant_rest(struct server_state *server);
/* Size of its Untyped, as a power of two: what the manifest says, or less as its heap is. */
unsigned server_untyped_bits(const struct manifest_server *manifest);
/* Log every capability of every server (capdump=1). */
void servers_dump_caps(void);

/* ---- monitor.c: a thread that hears of servers' faults --------------------------------------- */

/* Start it; returns the endpoint whose gates, badge = server index, are fault gates. */
ar_cap monitor_start(void);
/* The calling thread's IPC buffer is the monitor's. */
bool monitor_is_caller(void);

/* ---- rtc.c ----------------------------------------------------------------------------------- */

/* Seconds since the epoch, from the PC's clock, taken as UTC. */
uint64_t rtc_read(ar_cap port);

/* ---- command.c: pure ------------------------------------------------------------------------- */

#define COMMAND_STRINGS_MAX 65536u
struct command {
    bool stream;    /* no terminal discipline (mode=run) */
    bool leakcheck, capdump;
    bool no_input;  /* the stream's input is at its end from the start */
    unsigned rows, columns; /* of the terminal; 0: not known */
    unsigned argc, envc;
    size_t argv_length, env_length; /* bytes, NULs included */
    char argv[COMMAND_STRINGS_MAX], env[COMMAND_STRINGS_MAX];
};
/* Read the words of `text` into `command`, which starts zeroed; may be called again for more
 * text, whose words then count. NULL, or what is wrong. */
const char *command_parse(struct command *command, const char *text, size_t length);
/* Fill in what was not given. NULL, or what is missing. */
const char *command_complete(struct command *command);

/* ---- program.c: the first program ------------------------------------------------------------ */

/* Open the console, run the program, wait for it, drain; returns its wait status. */
uint64_t program_run(const struct command *command);

#endif
