/*
 * Linked with scm_rights by --wrap: its tests ask for a network namespace of their own only to be the
 * only ones with sockets, and count them in /proc/net/protocols. Where there are no namespaces, and
 * nobody else has sockets, /proc/net/unix lists the same ones. SPDX-License-Identifier: MIT
 */
#include <sched.h>
#include <stdio.h>
#include <string.h>

int __real_unshare(int flags);
int __wrap_unshare(int flags);
FILE *__real_fopen(const char *path, const char *mode);
FILE *__wrap_fopen(const char *path, const char *mode);

int __wrap_unshare(int flags)
{
    return flags == CLONE_NEWNET ? 0 : __real_unshare(flags);
}

/* The two lines that are looked for, in the form that is looked for: name, size, sockets. */
FILE *__wrap_fopen(const char *path, const char *mode)
{
    static char text[256], line[512];
    unsigned streams = 0, others = 0, type;
    if (strcmp(path, "/proc/net/protocols") != 0)
        return __real_fopen(path, mode);
    FILE *table = __real_fopen("/proc/net/unix", "r");
    if (!table)
        return NULL;
    while (fgets(line, sizeof line, table))
        if (sscanf(line, "%*s %*s %*s %*s %x", &type) == 1)
            *(type == 1 ? &streams : &others) += 1;
    fclose(table);
    snprintf(text, sizeof text, "UNIX-STREAM 1024 %u\nUNIX 1024 %u\n", streams, others);
    return fmemopen(text, strlen(text), mode);
}
