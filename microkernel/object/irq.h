/* SPDX-License-Identifier: MIT */
#ifndef OBJECT_IRQ_H
#define OBJECT_IRQ_H

/* Interrupt `line` came: mask it and signal whoever is bound to it. */
void irq_arrived(unsigned line);

#endif
