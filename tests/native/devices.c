/* Interrupt lines and I/O ports by capability. SPDX-License-Identifier: MIT */
#include "native.h"

enum {
    PIT_LINE = 0, CASCADE_LINE = 2, LOG_LINE = 3, LINES = 16, PIT_COUNTER = 0x40, PIT_MODE = 0x43,
    RATE_GENERATOR = 0x34, DIVISOR = 11932 /* 100 Hz */, CMOS_INDEX = 0x70, CMOS_DATA = 0x71,
    DEBUG_EXIT = 0xf4
};
enum { BITS = 0x50, QUIET_NS = 100000000 /* ten periods */ };

static ar_cap notification, irq;

static enum ar_error out(ar_cap port, uint64_t number, uint64_t value)
{
    return ar_invoke4(port, AR_PORT_OUT8, number, value, 0, 0);
}

static enum ar_error in(ar_cap port, uint64_t number, uint64_t *value)
{
    struct ar_message m;
    enum ar_error error = ar_invoke(port, AR_PORT_IN8, number, 0, 0, 0, 1, &m);
    *value = m.words[0];
    return error;
}

static enum ar_error get(uint64_t line, ar_cap slot)
{
    return ar_invoke4(AR_INIT_IRQ_CONTROL, AR_IRQ_CONTROL_GET, line, slot, 0, 0);
}

static void interrupt_comes(const char *what)
{
    uint64_t bits;
    native_equal(what, ar_wait(notification, ar_clock_ns() + NATIVE_PATIENCE_NS, &bits), AR_OK);
    native_equal(what, bits, BITS);
}

static void interrupt_does_not(const char *what)
{
    uint64_t bits;
    native_equal(what, ar_wait(notification, ar_clock_ns() + QUIET_NS, &bits), AR_ERR_TIMEOUT);
}

static void interrupts(void)
{
    ar_cap receive_only;
    notification = native_retype(AR_NOTIFICATION, 0);
    receive_only = native_copy(notification, AR_RECV);
    irq = native_slots(2);
    native_refused("a line that is none", get(LINES, irq));
    native_refused("the cascade", get(CASCADE_LINE, irq));
    native_refused("the log's line", get(LOG_LINE, irq));
    native_refused("an occupied slot", get(PIT_LINE, notification));
    native_ok("get the line", get(PIT_LINE, irq));
    native_ok("mode", out(AR_INIT_PORT, PIT_MODE, RATE_GENERATOR));
    native_ok("divisor", out(AR_INIT_PORT, PIT_COUNTER, DIVISOR & 0xff));
    native_ok("divisor", out(AR_INIT_PORT, PIT_COUNTER, DIVISOR >> 8));
    interrupt_does_not("an interrupt of a line that is not bound");
    native_refused("bind without SEND", ar_invoke4(irq, AR_IRQ_BIND, receive_only, BITS, 0, 0));
    native_refused("bind to no notification", ar_invoke4(irq, AR_IRQ_BIND, irq, BITS, 0, 0));

    native_ok("bind", ar_invoke4(irq, AR_IRQ_BIND, notification, BITS, 0, 0));
    interrupt_comes("the first interrupt");
    interrupt_does_not("an interrupt before the acknowledgement");
    for (unsigned i = 0; i < 5; i++) {
        native_ok("acknowledge", ar_invoke4(irq, AR_IRQ_ACK, 0, 0, 0, 0));
        interrupt_comes("the next interrupt");
    }
    interrupt_does_not("an interrupt before the acknowledgement");

    /* The line is forgotten with the notification; another one can have it then. */
    native_ok("acknowledge", ar_invoke4(irq, AR_IRQ_ACK, 0, 0, 0, 0));
    native_ok("revoke", ar_invoke4(AR_CAP_SELF, AR_CNODE_REVOKE, notification, 0, 0, 0));
    native_ok("delete", ar_cap_delete(notification));
    native_sleep(QUIET_NS);
    notification = native_retype(AR_NOTIFICATION, 0);
    native_ok("acknowledge", ar_invoke4(irq, AR_IRQ_ACK, 0, 0, 0, 0));
    interrupt_does_not("an interrupt of a forgotten line");
    native_ok("bind again", ar_invoke4(irq, AR_IRQ_BIND, notification, BITS, 0, 0));
    interrupt_comes("the first interrupt after the new bind");

    /* A line has one first capability. When the last is gone, nobody hears of it any more. */
    native_equal("the line again", get(PIT_LINE, irq + 1), AR_ERR_EXISTS);
    native_ok("copy", ar_cap_copy(AR_CAP_SELF, irq + 1, AR_CAP_SELF, irq, AR_ALL));
    native_ok("delete", ar_cap_delete(irq));
    native_ok("acknowledge", ar_invoke4(irq + 1, AR_IRQ_ACK, 0, 0, 0, 0));
    interrupt_comes("an interrupt for who has a copy");
    native_ok("acknowledge", ar_invoke4(irq + 1, AR_IRQ_ACK, 0, 0, 0, 0));
    native_ok("delete the last", ar_cap_delete(irq + 1));
    native_sleep(QUIET_NS);
    uint64_t bits;
    ar_wait(notification, 0, &bits); /* one may have come in between */
    interrupt_does_not("an interrupt of a line that nobody has");
    native_ok("get the line again", get(PIT_LINE, irq));

    /* Revoking the control takes every line from everybody. */
    native_ok("revoke", ar_invoke4(AR_CAP_SELF, AR_CNODE_REVOKE, AR_INIT_IRQ_CONTROL, 0, 0, 0));
    native_equal("the line", ar_invoke4(irq, AR_IRQ_ACK, 0, 0, 0, 0), AR_ERR_EMPTY);
}

static enum ar_error mint(ar_cap from, ar_cap to, uint64_t first, uint64_t last)
{
    return ar_invoke4(from, AR_PORT_MINT, to, first, last, 0);
}

static void ports(void)
{
    ar_cap cmos = native_slots(1), one = native_slots(1), spare = native_slots(1);
    ar_cap exit = native_slots(1), wide = native_slots(1);
    uint64_t value;
    native_ok("mint", mint(AR_INIT_PORT, cmos, CMOS_INDEX, CMOS_DATA));
    native_ok("out", out(cmos, CMOS_INDEX, 9)); /* year, in BCD */
    native_ok("in", in(cmos, CMOS_DATA, &value));
    native_check(value >= 0x20 && value <= 0x99, "the year is %lx", value);
    native_refused("in behind the range", in(cmos, CMOS_DATA + 1, &value));
    native_refused("out before the range", out(cmos, CMOS_INDEX - 1, 0));
    native_refused("in far away", in(cmos, 0x10000 + CMOS_DATA, &value));
    native_refused("bytes behind", ar_invoke4(cmos, AR_PORT_OUT8_MANY, CMOS_DATA + 1, 1, 0, 0));
    native_refused("mint more", mint(cmos, spare, CMOS_INDEX, CMOS_DATA + 1));
    native_refused("mint before", mint(cmos, spare, CMOS_INDEX - 1, CMOS_DATA));
    native_refused("mint backwards", mint(cmos, spare, CMOS_DATA, CMOS_INDEX));
    native_refused("mint beyond 16 bits", mint(AR_INIT_PORT, spare, 0, 0x10000));
    native_refused("mint wrapped", mint(cmos, spare, CMOS_INDEX, 0x100000000 | CMOS_DATA));
    native_refused("an occupied slot", mint(cmos, cmos, CMOS_INDEX, CMOS_INDEX));
    native_ok("mint less", mint(cmos, one, CMOS_INDEX, CMOS_INDEX));
    native_ok("out", out(one, CMOS_INDEX, 9));
    native_refused("in outside", in(one, CMOS_DATA, &value));

    /* Four bytes need four ports: this one would end the machine. */
    native_ok("mint", mint(AR_INIT_PORT, exit, DEBUG_EXIT, DEBUG_EXIT));
    native_refused("32 bits by one port", ar_invoke4(exit, AR_PORT_OUT32, DEBUG_EXIT, 0x30, 0, 0));
    native_ok("mint", mint(AR_INIT_PORT, wide, DEBUG_EXIT, DEBUG_EXIT + 2));
    native_refused("32 bits by three", ar_invoke4(wide, AR_PORT_OUT32, DEBUG_EXIT, 0x30, 0, 0));

    /* Revoking all ports takes every range, though it was minted from a range. */
    native_ok("revoke", ar_invoke4(AR_CAP_SELF, AR_CNODE_REVOKE, AR_INIT_PORT, 0, 0, 0));
    native_equal("the range", out(cmos, CMOS_INDEX, 9), AR_ERR_EMPTY);
    native_equal("the range's range", out(one, CMOS_INDEX, 9), AR_ERR_EMPTY);
}

void native_main(const struct ar_boot_info *boot)
{
    (void)boot;
    interrupts();
    ports();
}
