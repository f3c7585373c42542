/*
 * Can we run on this processor, and what is its isolation worth? SPDX-License-Identifier: MIT
 */
#include "arch/x86_64/cpu_features.h"
#include "arch/arch.h"
#include "arch/x86_64/cpu.h"

enum { MSR_ARCH_CAPABILITIES = 0x10a };
#define EXTENDED_EDX_CAPABILITIES (1u << 29)
#define CAPABILITIES_RDCL_NO 1u
#define EXTENDED_EBX_SMEP (1u << 7)
#define EXTENDED_EBX_SMAP (1u << 20)
#define EXTENDED_ECX_UMIP (1u << 2)

const char *features_missing(const struct cpu_report *report)
{
    const struct {
        uint32_t word, bit;
        const char *name;
    } needed[] = {
        {report->basic_edx, 4, "TSC (time)"},
        {report->basic_edx, 9, "APIC (timer)"},
        {report->basic_edx, 13, "PGE (the kernel's own pages)"},
        {report->basic_edx, 24, "FXSR (programs' vector registers)"},
        {report->basic_edx, 25, "SSE (programs)"},
        {report->basic_edx, 26, "SSE2 (programs)"},
        {report->top_edx, 11, "SYSCALL (system calls)"},
        {report->top_edx, 20, "NX (memory that is data and not code)"},
        {report->extended_ebx, 0, "FSGSBASE (threads' records)"},
    };
    for (unsigned i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
        if (!(needed[i].word & 1u << needed[i].bit))
            return needed[i].name;
    return NULL;
}

static bool vendor_is(const struct cpu_report *report, const char name[12])
{
    for (unsigned i = 0; i < 12; i++)
        if ((char)(report->vendor[i / 4] >> i % 4 * 8) != name[i])
            return false;
    return true;
}

bool features_open_to_meltdown(const struct cpu_report *report)
{
    if (vendor_is(report, "AuthenticAMD") || vendor_is(report, "HygonGenuine"))
        return false;
    return !(report->capabilities & CAPABILITIES_RDCL_NO);
}

static void report_read(struct cpu_report *report)
{
    uint32_t id[4];
    cpu_id(0, 0, id);
    uint32_t highest = id[0];
    *report = (struct cpu_report){.vendor = {id[1], id[3], id[2]}};
    cpu_id(1, 0, id);
    report->basic_edx = id[3];
    cpu_id(0x80000001u, 0, id);
    report->top_edx = id[3];
    if (highest < 7)
        return;
    cpu_id(7, 0, id);
    report->extended_ebx = id[1];
    report->extended_ecx = id[2];
    report->extended_edx = id[3];
    if (id[3] & EXTENDED_EDX_CAPABILITIES)
        report->capabilities = cpu_read_msr(MSR_ARCH_CAPABILITIES);
}

void features_check(void)
{
    struct cpu_report report;
    report_read(&report);
    const char *missing = features_missing(&report);
    if (missing)
        kernel_stop("this processor has no %s, which Aramid cannot do without", missing);
    if (features_open_to_meltdown(&report))
        log_printf("this processor does not report that it is safe from Meltdown (RDCL_NO): a "
                   "program may be able to read all memory, the kernel's too; trust every program, "
                   "or use another processor");
    bool smep = report.extended_ebx & EXTENDED_EBX_SMEP;
    bool smap = report.extended_ebx & EXTENDED_EBX_SMAP;
    bool umip = report.extended_ecx & EXTENDED_ECX_UMIP;
    if (!smep || !smap || !umip)
        log_printf("this processor has no%s%s%s: a bug in the kernel would be easier to use",
                   smep ? "" : " SMEP", smap ? "" : " SMAP", umip ? "" : " UMIP");
}
