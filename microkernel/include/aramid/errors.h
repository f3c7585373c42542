/* Made by microkernel/api/apigen.py from microkernel/api/invocations.toml; do not edit.
 * SPDX-License-Identifier: MIT */
#ifndef ARAMID_ERRORS_H
#define ARAMID_ERRORS_H

enum ar_error {
    AR_OK = 0,
    AR_ERR_SYSCALL = 1,
    AR_ERR_SLOT = 2,
    AR_ERR_EMPTY = 3,
    AR_ERR_TYPE = 4,
    AR_ERR_RIGHTS = 5,
    AR_ERR_OCCUPIED = 6,
    AR_ERR_ARGUMENT = 7,
    AR_ERR_NO_MEMORY = 8,
    AR_ERR_NO_TABLE = 9,
    AR_ERR_EXISTS = 10,
    AR_ERR_NO_SLOT = 11,
    AR_ERR_FAULT = 12,
    AR_ERR_TIMEOUT = 13,
    AR_ERR_GONE = 14,
    AR_ERR_LABEL = 15,
    AR_ERR_BUSY = 16,
    AR_ERR_CANCELLED = 17,
    AR_ERR_SIZE = 18,
    AR_ERR_ALIGNMENT = 19,
    AR_ERR_LENGTH = 20,
    AR_ERR_MASK = 21,
    AR_ERR_RANGE = 22,
    AR_ERR_ADDRESS = 23,
    AR_ERR_DEVICE = 24,
    AR_ERR_INCOMPLETE = 25,
    AR_ERR_COUNT
};

/* A few words for a log. */
static inline const char *ar_error_text(enum ar_error error)
{
    switch (error) {
    case AR_OK:
        return "OK";
    case AR_ERR_SYSCALL:
        return "no such system call";
    case AR_ERR_SLOT:
        return "slot outside the capability space";
    case AR_ERR_EMPTY:
        return "empty slot";
    case AR_ERR_TYPE:
        return "capability of another type";
    case AR_ERR_RIGHTS:
        return "missing right";
    case AR_ERR_OCCUPIED:
        return "slot not empty";
    case AR_ERR_ARGUMENT:
        return "argument out of range";
    case AR_ERR_NO_MEMORY:
        return "out of memory";
    case AR_ERR_NO_TABLE:
        return "page table missing";
    case AR_ERR_EXISTS:
        return "something is there already";
    case AR_ERR_NO_SLOT:
        return "too few receive slots";
    case AR_ERR_FAULT:
        return "memory is not there";
    case AR_ERR_TIMEOUT:
        return "deadline passed";
    case AR_ERR_GONE:
        return "object gone";
    case AR_ERR_LABEL:
        return "no such invocation";
    case AR_ERR_BUSY:
        return "object in use";
    case AR_ERR_CANCELLED:
        return "cancelled";
    case AR_ERR_SIZE:
        return "object of another size";
    case AR_ERR_ALIGNMENT:
        return "not aligned";
    case AR_ERR_LENGTH:
        return "message too short or too long";
    case AR_ERR_MASK:
        return "unknown bits in a rights mask";
    case AR_ERR_RANGE:
        return "number out of range";
    case AR_ERR_ADDRESS:
        return "not a user address";
    case AR_ERR_DEVICE:
        return "device memory";
    case AR_ERR_INCOMPLETE:
        return "thread not configured";
    default:
        return "unknown error";
    }
}

#endif
