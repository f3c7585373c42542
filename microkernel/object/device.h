/* SPDX-License-Identifier: MIT */
#ifndef OBJECT_DEVICE_H
#define OBJECT_DEVICE_H

/* Interrupt `line` came: mask it and signal whoever is bound to it. */
void irq_arrived(unsigned line);

#endif
