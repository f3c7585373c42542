/* ELF: headers checked before anything is lost, segments mapped and read after.
 * SPDX-License-Identifier: MIT */
#include "exec.h"

static long reject(const char *path, const char *reason)
{
    posix_log("%s: not an executable: %s", path, reason);
    return -LINUX_ENOEXEC;
}

static const char *header_fault(const struct elf_header *h)
{
    if (memcmp(h->ident, "\177ELF", 4) != 0)
        return "bad magic";
    if (h->ident[4] != 2)
        return "not 64-bit";
    if (h->ident[5] != 1)
        return "not little-endian";
    if (h->machine != ELF_X86_64)
        return "for another machine than x86_64";
    if (h->type != ELF_EXEC && h->type != ELF_DYN)
        return "neither an executable nor a shared object";
    if (h->phentsize != sizeof(struct elf_segment))
        return "program headers of a wrong size";
    if (h->phnum == 0)
        return "no program headers";
    if (h->phnum > ELF_SEGMENTS_MAX)
        return "too many program headers";
    return NULL;
}

static const char *segment_fault(const struct exec_file *file, const struct elf_segment *s)
{
    /* so that the bias keeps it below libposix */
    uint64_t limit = file->header.type == ELF_EXEC ? USER_END : USER_END / 16;
    if (s->filesz > s->memsz)
        return "a segment is larger in the file than in memory";
    if (s->offset + s->filesz < s->offset || s->offset + s->filesz > file->size)
        return "a segment lies past the end of the file (truncated?)";
    if (s->vaddr + s->memsz < s->vaddr || s->vaddr + s->memsz > limit ||
        (file->header.type == ELF_EXEC && s->vaddr < USER_LOW))
        return "a segment is outside user space";
    if (s->vaddr < POSIX_END && s->vaddr + s->memsz > POSIX_BASE)
        return "a segment overlaps libposix";
    if (s->vaddr % PAGE_SIZE != s->offset % PAGE_SIZE)
        return "a segment's address and file offset disagree within the page";
    return NULL;
}

static const char *interpreter_read(struct exec_file *file, const struct elf_segment *s)
{
    if (s->filesz < 2 || s->filesz > EXEC_PATH_MAX || s->offset + s->filesz > file->size)
        return "bad PT_INTERP";
    if (file_read_at(file->slot, file->server, file->interpreter, s->filesz, (int64_t)s->offset) !=
            (long)s->filesz ||
        file->interpreter[s->filesz - 1] != '\0')
        return "bad PT_INTERP";
    return NULL;
}

static const char *segments_check(struct exec_file *file)
{
    const struct elf_header *h = &file->header;
    uint64_t previous_end = 0;
    file->low = UINT64_MAX;
    file->high = 0;
    file->phdr = 0;
    file->segment_count = 0;
    file->interpreter[0] = '\0';
    for (unsigned i = 0; i < h->phnum; i++) {
        struct elf_segment *s = &file->segments[i];
        const char *fault = NULL;
        if (s->type == ELF_PT_INTERP)
            fault = interpreter_read(file, s);
        if (s->type != ELF_PT_LOAD || s->memsz == 0) {
            if (fault)
                return fault;
            continue;
        }
        fault = segment_fault(file, s);
        if (fault)
            return fault;
        if (s->vaddr < previous_end)
            return "segments overlap or are out of order";
        previous_end = s->vaddr + s->memsz;
        if (PAGE_DOWN(s->vaddr) < file->low)
            file->low = PAGE_DOWN(s->vaddr);
        if (PAGE_UP(previous_end) > file->high)
            file->high = PAGE_UP(previous_end);
        if (h->phoff >= s->offset && h->phoff + h->phnum * sizeof(*s) <= s->offset + s->filesz)
            file->phdr = h->phoff - s->offset + s->vaddr;
        /* loadable ones move to the front; i is never behind */
        file->segments[file->segment_count++] = *s;
    }
    return file->segment_count ? NULL : "nothing to load";
}

long exec_elf_check(struct exec_file *file, const char *path)
{
    struct elf_header *h = &file->header;
    long count = file_read_at(file->slot, file->server, h, sizeof(*h), 0);
    if (count < 0)
        return count;
    if (count < 4 || memcmp(h->ident, "\177ELF", 4) != 0)
        return reject(path, "bad magic");
    if (count != (long)sizeof(*h))
        return reject(path, "the ELF header is cut short");
    const char *fault = header_fault(h);
    if (!fault) {
        long size = (long)(h->phnum * sizeof(struct elf_segment));
        if (h->phoff + (uint64_t)size < h->phoff || h->phoff + (uint64_t)size > file->size ||
            file_read_at(file->slot, file->server, file->segments, (size_t)size,
                         (int64_t)h->phoff) != size)
            fault = "program headers lie past the end of the file";
    }
    if (!fault)
        fault = segments_check(file);
    if (fault)
        return reject(path, fault);
    file->entry = h->entry;
    return 0;
}

static unsigned protection_of(uint32_t flags)
{
    return (flags & ELF_PF_R ? LINUX_PROT_READ : 0) | (flags & ELF_PF_W ? LINUX_PROT_WRITE : 0) |
           (flags & ELF_PF_X ? LINUX_PROT_EXEC : 0);
}

/* `mapped_end`: pages below are there already, from the segment before. */
static long segment_load(const struct exec_file *file, const struct elf_segment *s,
                         uint64_t *mapped_end)
{
    unsigned rw = LINUX_PROT_READ | LINUX_PROT_WRITE;
    uint64_t start = s->vaddr + file->bias, mapped;
    uint64_t page = PAGE_DOWN(start), file_end = PAGE_UP(start + s->filesz),
             end = PAGE_UP(start + s->memsz);
    long error = 0;
    if (page < *mapped_end)
        page = *mapped_end;
    if (s->filesz == 0)
        file_end = page;
    if (file_end > page)
        error = memory_map(page, file_end - page, rw, PROC_MAP_FIXED | PROC_MAP_POPULATE, &mapped);
    if (!error && end > file_end && end > page)
        error = memory_map(file_end > page ? file_end : page,
                           end - (file_end > page ? file_end : page), rw, PROC_MAP_FIXED, &mapped);
    if (error)
        return error;
    *mapped_end = end;
    if (s->filesz && file_read_at(file->slot, file->server, (void *)start, s->filesz,
                                  (int64_t)s->offset) != (long)s->filesz)
        return -LINUX_EIO;
    return 0;
}

void exec_elf_text(struct exec_file *file)
{
    uint64_t end = 0;
    file->text.low = file->low + file->bias;
    for (unsigned i = 0; i < file->segment_count; i++) {
        const struct elf_segment *s = &file->segments[i];
        if (PAGE_DOWN(s->vaddr) < end) { /* a page of two segments */
            end = 0;
            break;
        }
        if (s->flags & ELF_PF_W)
            break;
        if (end && PAGE_DOWN(s->vaddr) != end) /* a gap: what is before it is enough */
            break;
        end = PAGE_UP(s->vaddr + s->memsz);
    }
    file->text.high = end ? end + file->bias : 0;
}

long exec_elf_load(struct exec_file *file)
{
    uint64_t mapped_end = file->kept_end;
    for (unsigned i = 0; i < file->segment_count; i++) {
        if (file->segments[i].vaddr + file->bias < file->kept_end)
            continue;
        long error = segment_load(file, &file->segments[i], &mapped_end);
        if (error)
            return error;
    }
    /* Rights last, for two segments may share a page. */
    for (unsigned i = 0; i < file->segment_count; i++) {
        const struct elf_segment *s = &file->segments[i];
        unsigned protection = protection_of(s->flags);
        uint64_t low = PAGE_DOWN(s->vaddr + file->bias),
                 high = PAGE_UP(s->vaddr + s->memsz + file->bias);
        if (protection == (LINUX_PROT_READ | LINUX_PROT_WRITE) || low < file->kept_end)
            continue;
        long error = PROC_CALL(proc_protect(POSIX_SLOT_PROCD, low, high - low, protection));
        if (error)
            return error;
    }
    file->entry += file->bias;
    if (file->phdr)
        file->phdr += file->bias;
    return 0;
}
