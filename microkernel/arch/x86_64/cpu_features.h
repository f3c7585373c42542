/* features.c: what the processor says about itself. SPDX-License-Identifier: MIT */
#ifndef X86_64_CPU_FEATURES_H
#define X86_64_CPU_FEATURES_H

#include <stdbool.h>
#include <stdint.h>

/* Words of CPUID, and MSR IA32_ARCH_CAPABILITIES (0 where CPUID does not announce it). */
struct cpu_report {
    uint32_t vendor[3]; /* leaf 0: ebx, edx, ecx: twelve letters */
    uint32_t basic_edx; /* leaf 1 */
    uint32_t extended_ebx, extended_ecx, extended_edx; /* leaf 7 */
    uint32_t top_edx;   /* leaf 0x80000001 */
    uint64_t capabilities;
};

/* The first feature that the kernel or the programs cannot do without and that is not there, or
 * NULL. */
const char *features_missing(const struct cpu_report *report);

/* Not known to keep user code from reading kernel memory by speculation (Meltdown, CVE-2017-5754):
 * neither by a maker whose processors never did, nor by RDCL_NO. */
bool features_open_to_meltdown(const struct cpu_report *report);

/* Before anything relies on them: stop when something needed is missing; log what weakens the
 * kernel's promises (docs/security.md). */
void features_check(void);

#endif
