/*
 * The program's vector state: libposix never uses it, but signal frames, fork and clone have to
 * carry it. SPDX-License-Identifier: MIT
 *
 * XSAVE when the system has it on (CPUID.1:ECX.OSXSAVE), with every component that XCR0 enables;
 * else FXSAVE.
 */
#include "private.h"

#define FX_SIZE 512u
#define FX_MXCSR 24u
#define FX_MXCSR_MASK 28u
/* bytes that software may use: Linux puts struct _fpx_sw_bytes here */
#define FX_SOFTWARE 464u
#define XSAVE_HEADER 512u
#define XSAVE_HEADER_SIZE 64u
#define MAGIC1 0x46505853u
#define MAGIC2 0x46505845u
#define MXCSR_DEFAULT 0x1f80u
#define MXCSR_MASK_DEFAULT 0xffbfu

static uint64_t state_mask;
static uint32_t state_size, mxcsr_mask;
static bool fsgsbase;

static void cpuid(uint32_t leaf, uint32_t subleaf, uint32_t r[4])
{
    __asm__ volatile("cpuid"
                     : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3])
                     : "a"(leaf), "c"(subleaf));
}

static void fpu_find(void)
{
    uint32_t r[4], low, high;
    if (state_size)
        return;
    cpuid(7, 0, r);
    fsgsbase = r[1] & 1;
    cpuid(1, 0, r);
    state_mask = 0;
    uint32_t size = FX_SIZE;
    if (r[2] & 1u << 27) {
        __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
        state_mask = (uint64_t)high << 32 | low;
        cpuid(13, 0, r);
        size = (r[1] + 63) & ~63u;
        /* more than we keep room for: the components that every program has */
        if (size + 64 > AREA_FPU_SIZE) {
            state_mask &= 7;
            size = FX_SIZE + XSAVE_HEADER_SIZE + 256;
        }
    }
    char *area = fpu_buffer();
    memset(area, 0, size);
    fpu_save(area, state_mask);
    memcpy(&mxcsr_mask, area + FX_MXCSR_MASK, 4);
    if (!mxcsr_mask)
        mxcsr_mask = MXCSR_MASK_DEFAULT;
    state_size = size;
}

uint32_t fpu_state_size(void)
{
    fpu_find();
    return state_size;
}

uint64_t fpu_state_mask(void)
{
    fpu_find();
    return state_mask;
}

bool cpu_has_fsgsbase(void)
{
    fpu_find();
    return fsgsbase;
}

void *fpu_buffer(void)
{
    return (void *)(POSIX_AREA(thread_self()->area) + AREA_FPU);
}

void fpu_keep(void)
{
    fpu_find();
    memset((char *)fpu_buffer() + XSAVE_HEADER, 0, state_mask ? XSAVE_HEADER_SIZE : 0);
    fpu_save(fpu_buffer(), state_mask);
}

void fpu_load(void)
{
    fpu_restore(fpu_buffer(), fpu_state_mask());
}

void fpu_load_initial(void)
{
    uint16_t control = 0x37f;
    uint32_t mxcsr = MXCSR_DEFAULT;
    char *area = fpu_buffer();
    memset(area, 0, fpu_state_size());
    memcpy(area, &control, 2);
    memcpy(area + FX_MXCSR, &mxcsr, 4);
    fpu_restore(area, state_mask); /* XSTATE_BV 0: every component initial */
}

void fpu_sanitize(void *state)
{
    char *area = state;
    uint32_t mxcsr;
    memcpy(&mxcsr, area + FX_MXCSR, 4);
    mxcsr &= mxcsr_mask;
    memcpy(area + FX_MXCSR, &mxcsr, 4);
    if (state_mask) {
        uint64_t present;
        memcpy(&present, area + XSAVE_HEADER, 8);
        present &= state_mask;
        memset(area + XSAVE_HEADER, 0, XSAVE_HEADER_SIZE);
        memcpy(area + XSAVE_HEADER, &present, 8);
    }
}

long fpu_write_frame(uint64_t user)
{
    uint32_t size = fpu_state_size(), magic2 = MAGIC2;
    struct {
        uint32_t magic1, extended_size;
        uint64_t features;
        uint32_t xstate_size, padding[7];
    } marks = {MAGIC1, size + 4, state_mask, size, {0}};
    static const char zeros[XSAVE_HEADER_SIZE];

    if (!user_range_ok((void *)user, size + 4))
        return -LINUX_EFAULT;
    /* XSAVE writes only the first word of its header, and touches components not in use not at
     * all. */
    if (state_mask && user_write((char *)user + XSAVE_HEADER, zeros, sizeof(zeros)))
        return -LINUX_EFAULT;
    if (fpu_save_user((void *)user, state_mask))
        return -LINUX_EFAULT;
    if (!state_mask)
        return 0;
    if (user_write((char *)user + FX_SOFTWARE, &marks, sizeof(marks)) ||
        user_write((char *)user + size, &magic2, 4))
        return -LINUX_EFAULT;
    return 0;
}

long fpu_read_frame(uint64_t user)
{
    if (!user) {
        fpu_load_initial();
        return 0;
    }
    char *area = fpu_buffer();
    uint32_t magic;
    long error = user_read(area, (void *)user, FX_SIZE);
    if (error)
        return error;
    memcpy(&magic, area + FX_SOFTWARE, 4);
    if (state_mask && magic == MAGIC1) {
        error = user_read(area + FX_SIZE, (char *)user + FX_SIZE, state_size - FX_SIZE);
        if (error)
            return error;
    } else if (state_mask) { /* a frame that the program made itself: x87 and SSE only */
        uint64_t present = 3;
        memset(area + FX_SIZE, 0, state_size - FX_SIZE);
        memcpy(area + XSAVE_HEADER, &present, 8);
    }
    fpu_sanitize(area);
    fpu_load();
    return 0;
}
