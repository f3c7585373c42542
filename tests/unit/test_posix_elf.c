/*
 * libposix's ELF loader against good, broken and hostile headers. SPDX-License-Identifier: MIT
 *
 * The file is a buffer; reading past its end is what ASan would see. Evidence for issue 2, "A
 * broken ELF is ENOEXEC with the reason in the log".
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "exec.h"

#define FILE_SIZE 12288u

static uint8_t image[FILE_SIZE];
static size_t image_size;
static char logged[512];
static struct exec_file file;

long file_read_at(ar_cap slot, unsigned server, void *to, size_t length, int64_t offset)
{
    (void)slot, (void)server;
    if (offset < 0 || (uint64_t)offset >= image_size)
        return 0;
    if (length > image_size - (size_t)offset)
        length = image_size - (size_t)offset;
    memcpy(to, image + offset, length);
    return (long)length;
}

void posix_log_write(const char *line, size_t length)
{
    size_t n = length < sizeof(logged) - 1 ? length : sizeof(logged) - 1;
    memcpy(logged, line, n);
    logged[n] = '\0';
}

/* The loading half is not under test here. */
long memory_map(uint64_t address, uint64_t length, unsigned protection, unsigned flags,
                uint64_t *mapped)
{
    (void)length, (void)protection, (void)flags;
    *mapped = address;
    return 0;
}

bool posix_again(struct posix_retry *retry, enum status status)
{
    (void)retry, (void)status;
    return false;
}

enum status proc_protect(ar_cap target, uint64_t address, uint64_t length, uint64_t protection)
{
    (void)target, (void)address, (void)length, (void)protection;
    return ST_OK;
}

static struct elf_header *header(void)
{
    return (struct elf_header *)image;
}

static struct elf_segment *segment(unsigned n)
{
    return (struct elf_segment *)(image + sizeof(struct elf_header)) + n;
}

static int good_image(void **state)
{
    (void)state;
    memset(image, 0, sizeof(image));
    memset(&file, 0, sizeof(file));
    image_size = FILE_SIZE;
    file.size = FILE_SIZE;
    logged[0] = '\0';
    *header() = (struct elf_header){
        .ident = {0x7f, 'E', 'L', 'F', 2, 1, 1},
        .type = ELF_EXEC,
        .machine = ELF_X86_64,
        .version = 1,
        .entry = 0x401000,
        .phoff = sizeof(struct elf_header),
        .phentsize = sizeof(struct elf_segment),
        .phnum = 2,
        .ehsize = 64,
    };
    *segment(0) = (struct elf_segment){ELF_PT_LOAD, ELF_PF_R | ELF_PF_X, 0, 0x400000, 0x400000, 0x1800, 0x1800, 0x1000};
    *segment(1) = (struct elf_segment){ELF_PT_LOAD, ELF_PF_R | ELF_PF_W, 0x2000, 0x403000, 0x403000, 0x100, 0x5000, 0x1000};
    return 0;
}

static void rejected(const char *reason)
{
    assert_int_equal(exec_elf_check(&file, "/x"), -LINUX_ENOEXEC);
    assert_non_null(strstr(logged, reason));
    assert_non_null(strstr(logged, "/x: not an executable"));
}

static void accepts_a_good_one(void **state)
{
    (void)state;
    assert_int_equal(exec_elf_check(&file, "/x"), 0);
    assert_int_equal(file.segment_count, 2);
    assert_int_equal(file.low, 0x400000);
    assert_int_equal(file.high, 0x408000);
    assert_int_equal(file.phdr, 0x400040);
    assert_int_equal(file.entry, 0x401000);
}

/* exec keeps what lies in [text.low, text.high): whole segments that cannot be written, and no
 * page of another one. */
static void text_is_checked(void)
{
    exec_elf_text(&file);
    for (unsigned i = 0; i < file.segment_count; i++) {
        const struct elf_segment *s = &file.segments[i];
        if (PAGE_DOWN(s->vaddr) < file.text.high)
            assert_true(!(s->flags & ELF_PF_W) && s->vaddr + s->memsz <= file.text.high);
    }
}

static void finds_the_text(void **state)
{
    (void)state;
    assert_int_equal(exec_elf_check(&file, "/x"), 0);
    text_is_checked();
    assert_int_equal(file.text.low, 0x400000);
    assert_int_equal(file.text.high, 0x402000);
    segment(1)->vaddr = 0x401800; /* data in the text's last page */
    segment(1)->offset = 0x1800;
    assert_int_equal(exec_elf_check(&file, "/x"), 0);
    text_is_checked();
    assert_int_equal(file.text.high, 0);
}

static void rejects_broken_headers(void **state)
{
    header()->ident[1] = 'F';
    rejected("bad magic");
    good_image(state);
    header()->ident[4] = 1;
    rejected("not 64-bit");
    good_image(state);
    header()->machine = 183;
    rejected("another machine");
    good_image(state);
    header()->type = 4;
    rejected("neither an executable");
    good_image(state);
    header()->phnum = 0;
    rejected("no program headers");
    good_image(state);
    header()->phnum = 65535;
    rejected("too many program headers");
    good_image(state);
    header()->phoff = UINT64_MAX - 8;
    rejected("past the end");
    good_image(state);
    image_size = 40;
    rejected("cut short");
}

static void rejects_broken_segments(void **state)
{
    segment(1)->offset = 0x2f80;
    segment(1)->vaddr = 0x403f80;
    rejected("past the end of the file");
    good_image(state);
    segment(1)->filesz = UINT64_MAX;
    rejected("larger in the file");
    good_image(state);
    segment(0)->vaddr = 0xffffffff80000000;
    rejected("outside user space");
    good_image(state);
    segment(0)->vaddr = 0x1000;
    rejected("outside user space");
    good_image(state);
    segment(1)->vaddr = POSIX_BASE + 0x1000;
    rejected("overlaps libposix");
    good_image(state);
    segment(1)->vaddr = 0x400000;
    rejected("overlap or are out of order");
    good_image(state);
    segment(1)->vaddr = 0x403010;
    rejected("disagree");
    good_image(state);
    segment(0)->type = segment(1)->type = 0;
    rejected("nothing to load");
    good_image(state);
    segment(1)->type = ELF_PT_INTERP;
    segment(1)->filesz = 1u << 20;
    rejected("bad PT_INTERP");
}

/* Whatever is accepted is inside the file and outside libposix, whatever bytes the headers hold. */
static void survives_random_headers(void **state)
{
    unsigned accepted = 0;
    srand(2);
    for (unsigned round = 0; round < 200000; round++) {
        good_image(state);
        for (unsigned changes = 1 + (unsigned)rand() % 4; changes; changes--)
            image[(unsigned)rand() % (sizeof(struct elf_header) + 2 * sizeof(struct elf_segment))] =
                (uint8_t)rand();
        if (exec_elf_check(&file, "/x"))
            continue;
        accepted++;
        text_is_checked();
        for (unsigned i = 0; i < file.segment_count; i++) {
            const struct elf_segment *s = &file.segments[i];
            assert_true(s->filesz <= s->memsz && s->offset + s->filesz <= FILE_SIZE);
            assert_true(s->vaddr + s->memsz <= POSIX_BASE || s->vaddr >= POSIX_END);
            assert_true(s->vaddr + s->memsz <= USER_END && s->vaddr + s->memsz >= s->vaddr);
        }
    }
    assert_true(accepted > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(accepts_a_good_one, good_image),
        cmocka_unit_test_setup(finds_the_text, good_image),
        cmocka_unit_test_setup(rejects_broken_headers, good_image),
        cmocka_unit_test_setup(rejects_broken_segments, good_image),
        cmocka_unit_test_setup(survives_random_headers, good_image),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
