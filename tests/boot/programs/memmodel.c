/*
 * Random mmap, munmap, mprotect, mremap, madvise and fork against a model of what each page
 * holds and allows: memmodel STEPS [SEED]. SPDX-License-Identifier: MIT
 */
#include "check.h"
#include <setjmp.h>

#define PAGE 4096ul
#define PAGES 48
#define WORDS (PAGE / 8)
#define RW (PROT_READ | PROT_WRITE)

/* content 0: never written since it was mapped. A shared page holds the same in parent and
 * child. */
struct model_page {
    int mapped, protection, shared; /* mapped: the mapping's number * 100 + the page's in it */
    uint64_t content;
};

static struct model_page model[PAGES];
static char *const arena = (char *)0x120000000000;
static unsigned long long generator = 1;
static uint64_t stamp;
static long step;
static int is_linux;
static char doing[160];
static int ends[2];
static volatile sig_atomic_t probing;
static sigjmp_buf out;

static unsigned roll(unsigned below)
{
    generator = generator * 6364136223846793005ull + 1442695040888963407ull;
    return (unsigned)(generator >> 33) % below;
}

static void wrong(const char *what, long page)
{
    printf("wrong at step %ld, page %ld, after %s: %s (%s)\n", step, page, doing, what,
           error_name(errno));
    fflush(stdout);
    _exit(1);
}

static void on_fault(int number)
{
    if (!probing)
        wrong(number == SIGSEGV ? "SIGSEGV" : "SIGBUS", -1);
    probing = 0;
    siglongjmp(out, 1);
}

static volatile uint64_t *page_at(unsigned page)
{
    return (volatile uint64_t *)(arena + page * PAGE);
}

static int can_read(unsigned page)
{
    if (sigsetjmp(out, 1))
        return 0;
    probing = 1;
    (void)*page_at(page);
    probing = 0;
    return 1;
}

/* Writes what is there already. */
static int can_write(unsigned page)
{
    if (sigsetjmp(out, 1))
        return 0;
    probing = 1;
    page_at(page)[7] = model[page].content ? model[page].content + 7 : 0;
    probing = 0;
    return 1;
}

/* The same asked of the system, which copies on the program's behalf. */
static int system_reads(unsigned page)
{
    char byte;
    int result = write(ends[1], arena + page * PAGE, 1) == 1;
    if (result)
        read(ends[0], &byte, 1);
    else if (errno != EFAULT)
        wrong("write(2) from the page", page);
    return result;
}

static void page_check(unsigned page)
{
    const struct model_page *m = &model[page];
    int readable = m->mapped && m->protection != PROT_NONE,
        writable = m->mapped && m->protection & PROT_WRITE;
    if ((roll(2) ? can_read(page) : system_reads(page)) != readable)
        wrong(readable ? "it cannot be read" : "it can be read", page);
    for (unsigned i = 0; readable && i < WORDS; i += 1 + roll(64))
        if (page_at(page)[i] != (m->content ? m->content + i : 0))
            wrong("its content", page);
    if (can_write(page) != writable)
        wrong(writable ? "it cannot be written" : "it can be written", page);
}

static void pages_fill(unsigned first, unsigned count)
{
    for (unsigned page = first; page < first + count; page++) {
        if (!model[page].mapped || !(model[page].protection & PROT_WRITE))
            continue;
        model[page].content = stamp += 0x10000;
        for (unsigned i = 0; i < WORDS; i++)
            page_at(page)[i] = model[page].content + i;
    }
}

static int all_mapped(unsigned first, unsigned count)
{
    while (count > 0 && model[first].mapped)
        first++, count--;
    return count == 0;
}

/* ---- the steps ------------------------------------------------------------------------------- */

static void step_map(unsigned first, unsigned count)
{
    static const int protections[] = {
        PROT_NONE, PROT_READ, RW, RW, RW, RW | PROT_EXEC, PROT_READ | PROT_EXEC};
    int protection = protections[roll(7)], shared = roll(5) == 0, keep = roll(4) == 0, any = 0;
    int flags = MAP_ANONYMOUS | (shared ? MAP_SHARED : MAP_PRIVATE) |
                (keep ? MAP_FIXED_NOREPLACE : MAP_FIXED) | (roll(3) == 0 ? MAP_POPULATE : 0);
    for (unsigned i = 0; i < count; i++)
        any |= model[first + i].mapped;
    void *at = mmap(arena + first * PAGE, count * PAGE - roll(4095), protection, flags, -1, 0);
    if (keep && any) {
        if (at != MAP_FAILED || errno != EEXIST)
            wrong("FIXED_NOREPLACE over a mapping", first);
        return;
    }
    if (at != arena + first * PAGE)
        wrong("mmap", first);
    static int mapping;
    mapping++;
    for (unsigned i = 0; i < count; i++)
        model[first + i] = (struct model_page){mapping * 100 + (int)i, protection, shared, 0};
}

static void step_unmap(unsigned first, unsigned count)
{
    if (munmap(arena + first * PAGE, count * PAGE - roll(4095)))
        wrong("munmap", first);
    memset(&model[first], 0, count * sizeof *model);
}

static void step_protect(unsigned first, unsigned count)
{
    static const int protections[] = {PROT_NONE, PROT_READ, RW, RW, PROT_WRITE, RW | PROT_EXEC};
    int protection = protections[roll(6)], whole = all_mapped(first, count);
    int result = mprotect(arena + first * PAGE, count * PAGE, protection);
    if (whole ? result != 0 : result != -1 || errno != ENOMEM)
        wrong("mprotect", first);
    if (!whole)
        step_unmap(first, count); /* how far it came is the system's business */
    for (unsigned i = 0; i < count && whole; i++)
        model[first + i].protection = protection;
}

static void step_discard(unsigned first, unsigned count)
{
    int whole = all_mapped(first, count);
    int result = madvise(arena + first * PAGE, count * PAGE, MADV_DONTNEED);
    if (whole ? result != 0 : result != -1 || errno != ENOMEM)
        wrong("madvise", first);
    for (unsigned i = 0; i < count; i++)
        if (model[first + i].mapped && !model[first + i].shared)
            model[first + i].content = 0;
}

/* Pages of several mappings may be refused, and Linux then does half of it; we do nothing. */
static void step_move(unsigned first, unsigned count)
{
    unsigned target = roll(PAGES), now_count = 1 + roll(8), done = 0;
    int flags = roll(4) ? MREMAP_MAYMOVE | MREMAP_FIXED : roll(2) ? MREMAP_MAYMOVE : 0;
    if (target + now_count > PAGES)
        now_count = PAGES - target;
    struct model_page moved[8] = {{0}};
    for (unsigned i = 0; i < now_count; i++) {
        moved[i] = model[first + (i < count ? i : 0)];
        if (i >= count)
            moved[i].content = 0, moved[i].mapped += (int)i;
    }
    int whole = model[first].mapped != 0;
    for (unsigned i = 0; i < count; i++) {
        whole &= model[first + i].mapped == model[first].mapped + (int)i &&
                 model[first + i].protection == model[first].protection;
        if (now_count > count && model[first + i].shared)
            return; /* Linux would give pages without memory */
    }
    if (is_linux && !whole)
        return;
    int overlap = target < first + count && first < target + now_count;
    char *at =
        mremap(arena + first * PAGE, count * PAGE, now_count * PAGE, flags, arena + target * PAGE);
    if (flags & MREMAP_FIXED) {
        if (overlap && at != MAP_FAILED)
            wrong("mremap onto itself", first);
        if (at == MAP_FAILED && whole && !overlap && !is_linux)
            wrong("mremap", first);
        if (at == MAP_FAILED) {
            if (is_linux && !overlap) /* what looks like one mapping may be two */
                step_unmap(target, now_count), step_unmap(first, count);
            return;
        }
        memset(&model[first], 0, count * sizeof *model);
        memcpy(&model[target], moved, now_count * sizeof *model);
        return;
    }
    if (at == MAP_FAILED)
        return;
    if (at == arena + first * PAGE) { /* in place */
        for (; done < count && now_count < count; done++)
            if (done >= now_count)
                memset(&model[first + done], 0, sizeof *model);
        for (done = count; done < now_count; done++)
            if (first + done >= PAGES)
                munmap(arena + (first + done) * PAGE, PAGE);
            else
                model[first + done] = moved[done];
        return;
    }
    for (unsigned i = 0; i < now_count; i++) /* elsewhere: look there and let it go */
        for (unsigned w = 0; moved[i].protection && w < WORDS; w += 100)
            if (((volatile uint64_t *)(at + i * PAGE))[w] !=
                (moved[i].content ? moved[i].content + w : 0))
                wrong("what mremap moved", i);
    munmap(at, now_count * PAGE);
    memset(&model[first], 0, count * sizeof *model);
}

/* A child sees the same, and what it writes is its own but where shared; now and then it goes on
 * by itself. */
static void step_fork(unsigned first, unsigned count)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        for (unsigned page = 0; page < PAGES; page++)
            page_check(page);
        for (unsigned page = first; page < first + count; page++)
            if (model[page].mapped && !model[page].shared && model[page].protection & PROT_WRITE)
                memset((void *)page_at(page), 0x5a, PAGE);
        for (unsigned page = first; page < first + count; page++)
            if (model[page].mapped && model[page].shared && model[page].protection & PROT_WRITE)
                for (unsigned i = 0; i < WORDS; i++)
                    page_at(page)[i] = stamp + (page - first + 1) * 0x10000 + i;
        if (roll(2))
            munmap(arena, PAGES * PAGE);
        _exit(0);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
        wrong("the child", pid);
    for (unsigned page = first; page < first + count; page++)
        if (model[page].mapped && model[page].shared && model[page].protection & PROT_WRITE)
            model[page].content = stamp + (page - first + 1) * 0x10000;
    stamp += 0x10000 * PAGES;
}

/* Addresses and lengths that no mapping can have: refused, and the model stays true. Not on
 * Linux, which may grant terabytes, and unmaps a target before it refuses. */
static void step_odd(void)
{
    static const uint64_t odd[] = {0,
                                   1,
                                   0xfff,
                                   0x1000,
                                   0x8000,
                                   0x10000,
                                   0x5ffffffff000,
                                   0x600000000000,
                                   0x600009000000,
                                   0x600010000000,
                                   0x6000fffff000,
                                   0x6000fffff000,
                                   0x7fffffffe000,
                                   0x7ffffffff000,
                                   0x800000000000,
                                   0x7fffffffffffffff,
                                   0xffff800000000000,
                                   0xfffffffffffff000,
                                   ~0ull};
    static const uint64_t lengths[] = {0x100000000000, 0x200000000000, 0x7ffffffff000,
                                       0x800000000000, 1ull << 63,     ~0ull - 0xfff,
                                       ~0ull - 0x1000, ~0ull,          0xffff800000000000};
    uint64_t address = odd[roll(19)], length = lengths[roll(9)];
    int fixed = roll(2) ? MAP_FIXED : 0;
    long result = -1;
    switch (roll(5)) {
    case 0:
        result = syscall(SYS_mmap, address, length, RW, MAP_PRIVATE | MAP_ANONYMOUS | fixed, -1, 0);
        break;
    case 1:
        result = address >= 0x5ffffffff000 || address == 0
                     ? syscall(SYS_munmap, address ? address : 1, length)
                     : -1;
        break;
    case 2:
        result = syscall(SYS_mprotect, address, length, RW);
        result = length == ~0ull ? -1 : result; /* rounds up to nothing: success */
        break;
    case 3:
        if (model[0].protection == PROT_NONE && length < 0x7ffffffff000)
            break; /* terabytes of nothing are there to have */
        result = syscall(SYS_mremap, arena, PAGE, length,
                         MREMAP_MAYMOVE | (fixed ? MREMAP_FIXED : 0), address);
        break;
    case 4:
        result = syscall(SYS_mremap, address, length, PAGE,
                         MREMAP_MAYMOVE | (fixed ? MREMAP_FIXED : 0), arena);
        break;
    }
    if (result != -1) {
        printf("%#llx, length %#llx: %#lx\n", (unsigned long long)address,
               (unsigned long long)length, result);
        wrong("an odd range is taken", -1);
    }
}

/* One page of the system's own range, in every call: refused, and the system calls still work.
 * Not on Linux. */
static void step_private(void)
{
    uint64_t address = 0x600000000000 + (uint64_t)roll(0x100000) * PAGE;
    if (roll(3) == 0)
        address = 0x600000000000 - PAGE; /* with two pages, over its edge */
    long result = -1;
    switch (roll(5)) {
    case 0:
        result = syscall(SYS_mmap, address, 2 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
                         -1, 0);
        break;
    case 1: result = syscall(SYS_munmap, address, 2 * PAGE); break;
    case 2: result = syscall(SYS_mprotect, address, 2 * PAGE, RW); break;
    case 3: result = syscall(SYS_mremap, address, 2 * PAGE, PAGE, MREMAP_MAYMOVE, 0); break;
    case 4: result = syscall(SYS_madvise, address, 2 * PAGE, MADV_DONTNEED); break;
    }
    if (result != -1)
        wrong("the system's own range is taken", (long)address);
}

int main(int argc, char **argv)
{
    static const char *const names[] = {"map",  "unmap", "protect", "discard", "move",
                                        "fill", "fork",  "odd",     "private"};
    long steps = argc > 1 ? atol(argv[1]) : 1000;
    generator = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
    int counts[9] = {0};
    is_linux = argc > 3;
    struct sigaction action = {.sa_handler = on_fault};
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
    pipe(ends);
    stamp = 0x1000000;
    for (step = 0; step < steps; step++) {
        static const char weights[] = "000000112222334444555556778";
        unsigned first = roll(PAGES), count = 1 + roll(8),
                 what = (unsigned)(weights[roll(sizeof weights - 1)] - '0');
        if (first + count > PAGES)
            count = PAGES - first;
        if (what == 6 && roll(4))
            what = 5;
        snprintf(doing, sizeof doing, "%s of page %u, %u pages", names[what], first, count);
        counts[what]++;
        switch (what) {
        case 0: step_map(first, count); break;
        case 1: step_unmap(first, count); break;
        case 2: step_protect(first, count); break;
        case 3: step_discard(first, count); break;
        case 4: step_move(first, count); break;
        case 5: pages_fill(first, count); break;
        case 6: step_fork(first, count); break;
        case 7: if (!is_linux) step_odd(); break;
        case 8: if (!is_linux) step_private(); break;
        }
        for (int i = 0; i < 3; i++)
            page_check(roll(PAGES));
        for (unsigned page = 0; page < PAGES && step % 64 == 0; page++)
            page_check(page);
    }
    fprintf(stderr, "%d forks, %d moves\n", counts[6], counts[4]);
    printf("memory is as the model has it\n");
    return 0;
}
