/* mmap, mprotect, mremap, brk, stack growth, shared anonymous memory, private file mappings.
 * SPDX-License-Identifier: MIT */
#include "check.h"

#define PAGE 4096ul

static int touch(void *address)
{
    *(volatile char *)address = 1;
    return 0;
}

static int look(void *address)
{
    return *(volatile char *)address;
}

static int jump(void *address)
{
    ((void (*)(void))address)();
    return 0;
}

static char *map(size_t pages, int protection)
{
    return mmap(NULL, pages * PAGE, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void mappings(void)
{
    char *at = map(8, PROT_READ | PROT_WRITE);
    printf("fresh memory is zero: %d\n", at[0] == 0 && at[8 * PAGE - 1] == 0);
    memset(at, 'm', 8 * PAGE);
    SHOW(munmap(at + 3 * PAGE, PAGE));
    show_status("touch a hole", in_child(touch, at + 3 * PAGE));
    show_status("touch beside it", in_child(touch, at + 4 * PAGE));
    SHOW(mprotect(at, PAGE, PROT_READ));
    show_status("write to read-only", in_child(touch, at));
    show_status("read it", in_child(look, at));
    SHOW(mprotect(at, PAGE, PROT_NONE));
    show_status("read PROT_NONE", in_child(look, at));
    SHOW(mprotect(at, PAGE, PROT_READ | PROT_WRITE));
    printf("contents survive: %d\n", at[0] == 'm');
    at[0] = (char)0xc3; /* ret */
    show_status("execute data", in_child(jump, at));
    SHOW(mprotect(at, PAGE, PROT_READ | PROT_EXEC));
    show_status("execute after mprotect", in_child(jump, at));
    SHOW(mprotect(at, 8 * PAGE, PROT_READ)); /* over the hole */
    SHOW(mprotect(at + 1, PAGE, PROT_READ));
    SHOW(munmap(at + 1, PAGE));
    SHOW(munmap(at, 0));
    SHOW(munmap(at, 8 * PAGE));
    SHOW(munmap(at, 8 * PAGE));
    printf("mmap of 0 bytes: %s\n",
           mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED
               ? error_name(errno)
               : "ok");
    printf("mmap without kind: %s\n",
           mmap(NULL, PAGE, PROT_READ, MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? error_name(errno)
                                                                           : "ok");
    printf("mmap of a bad descriptor: %s\n",
           mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, 99, 0) == MAP_FAILED ? error_name(errno)
                                                                         : "ok");
    printf("mmap of too much: %s\n", mmap(NULL, 1ul << 46, PROT_READ | PROT_WRITE,
                                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED
                                         ? error_name(errno)
                                         : "ok");
    char *fixed = mmap((void *)0x200000000, 2 * PAGE, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    printf("MAP_FIXED: %d\n", fixed == (void *)0x200000000);
    fixed[0] = 'f';
    printf("MAP_FIXED_NOREPLACE: %s\n",
           mmap(fixed, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | 0x100000, -1, 0) == MAP_FAILED
               ? error_name(errno)
               : "ok");
    fixed = mmap(fixed, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    printf("MAP_FIXED replaces: %d\n", fixed[0]);
    printf("a hint is taken: %d\n",
           mmap((void *)0x300000000, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
               (void *)0x300000000);
}

static void growing(void)
{
    char *at = map(4, PROT_READ | PROT_WRITE);
    memset(at, 'g', 4 * PAGE);
    char *bigger = mremap(at, 4 * PAGE, 64 * PAGE, MREMAP_MAYMOVE);
    printf("mremap: contents %d, new part zero %d\n", bigger[4 * PAGE - 1] == 'g',
           bigger[4 * PAGE] == 0);
    char *smaller = mremap(bigger, 64 * PAGE, 2 * PAGE, 0);
    printf("shrunk in place: %d\n", smaller == bigger);
    show_status("the tail is gone", in_child(touch, bigger + 2 * PAGE));
    char *wall = map(3, PROT_READ | PROT_WRITE);
    munmap(wall, PAGE);
    printf("mremap that may not move: %s\n",
           mremap(wall + PAGE, PAGE, 2 * PAGE, 0) == MAP_FAILED ? error_name(errno) : "ok");
    char *start = sbrk(0);
    printf("brk: %d\n", sbrk(0) == start);
    char *room = map(1, PROT_READ | PROT_WRITE);
    memset(room, 'z', PAGE);
    SHOW(madvise(room, PAGE, MADV_DONTNEED));
    printf("after MADV_DONTNEED: %d\n", room[0]);
    char *blocks[50];
    for (int i = 0; i < 50; i++)
        memset(blocks[i] = malloc(20000u * (unsigned)(i + 1)), i, 20000u * (unsigned)(i + 1));
    int good = 0;
    for (int i = 0; i < 50; i++) {
        good += blocks[i][0] == i && blocks[i][20000 * (i + 1) - 1] == i;
        free(blocks[i]);
    }
    printf("malloc: %d of 50 blocks\n", good);
    uintptr_t now = (uintptr_t)syscall(SYS_brk, 0);
    printf("raw brk up: %d\n", (uintptr_t)syscall(SYS_brk, now + 10 * PAGE) == now + 10 * PAGE);
    memset((void *)now, 'b', 10 * PAGE);
    printf("raw brk down: %d\n", (uintptr_t)syscall(SYS_brk, now) == now);
    syscall(SYS_brk, now + PAGE);
    printf("zero again: %d\n", *(char *)((now + PAGE - 1) & ~(PAGE - 1)));
}

static void sharing(void)
{
    char *both = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    char *own = map(1, PROT_READ | PROT_WRITE);
    own[0] = both[0] = 'p';
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        own[0] = both[0] = 'c';
        _exit(0);
    }
    waitpid(pid, NULL, 0);
    printf("after the child wrote: private %c, shared %c\n", own[0], both[0]);
    int fd = open("/tmp/mapped", O_RDWR | O_CREAT | O_TRUNC, 0600);
    char text[PAGE + 100];
    memset(text, 't', sizeof text);
    write(fd, text, sizeof text);
    char *file = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    printf("file: %c, %c, then %d\n", file[0], file[PAGE + 99], file[PAGE + 100]);
    file[0] = 'X';
    pread(fd, text, 1, 0);
    printf("a private mapping leaves the file alone: %c\n", text[0]);
    char *second = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, PAGE);
    printf("at an offset: %c %d\n", second[99], second[100]);
    printf("at an odd offset: %s\n", mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 5) == MAP_FAILED
                                         ? error_name(errno)
                                         : "ok");
    close(fd);
    printf("after close: %c\n", file[PAGE]);
    unlink("/tmp/mapped");
}

static unsigned deep(unsigned depth)
{
    volatile char room[4000];
    room[0] = (char)depth;
    room[3999] = 1;
    return depth == 0
               ? 0u
               : deep(depth - 1) + (unsigned)room[3999] + (room[0] == (char)depth ? 0u : 1000000u);
}

static int deep_child(void *argument)
{
    return deep((unsigned)(uintptr_t)argument) == (unsigned)(uintptr_t)argument ? 0 : 1;
}

/* A fault is no wait: who has one keeps the processor for what is left of the slice. Where each
 * gives it away, 200 last two seconds beside a program that only computes. */
static void beside_a_busy_program(void)
{
    enum { PAGES = 200 };
    struct timespec begin, end;
    fflush(stdout);
    pid_t busy = fork();
    if (busy == 0)
        for (;;)
            ;
    char *at = map(PAGES, PROT_READ | PROT_WRITE);
    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (unsigned i = 0; i < PAGES; i++)
        at[i * PAGE] = 1;
    clock_gettime(CLOCK_MONOTONIC, &end);
    long ms = (end.tv_sec - begin.tv_sec) * 1000 + (end.tv_nsec - begin.tv_nsec) / 1000000;
    kill(busy, SIGKILL);
    waitpid(busy, NULL, 0);
    munmap(at, PAGES * PAGE);
    if (ms < 1000)
        puts("fresh pages beside a busy program: in a second");
    else
        printf("fresh pages beside a busy program: %ld ms\n", ms);
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    mappings();
    growing();
    sharing();
    beside_a_busy_program();
    printf("a stack of 6 MB: %u\n", deep(1500));
    struct rlimit no_core = {0};
    setrlimit(RLIMIT_CORE, &no_core);
    show_status("a stack without end", in_child(deep_child, (void *)(uintptr_t)100000));
    return 0;
}
