/* The model's machine stops in two ways. SPDX-License-Identifier: MIT */
#ifndef MODEL_PLATFORM_H
#define MODEL_PLATFORM_H

#include "arch/arch.h" /* and arch_inline.h with model_live */

_Noreturn void model_halt(void);              /* idle: the next step is an interrupt */
_Noreturn void model_crash(const char *what); /* the kernel did what it must not */

#endif
