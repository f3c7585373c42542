/* The PC's real-time clock. SPDX-License-Identifier: MIT */
#include "init.h"

#include <ipc/kernel.h>

#define RTC_INDEX 0x70u
#define RTC_DATA 0x71u
enum {
    RTC_SECOND = 0,
    RTC_MINUTE = 2,
    RTC_HOUR = 4,
    RTC_DAY = 7,
    RTC_MONTH = 8,
    RTC_YEAR = 9,
    RTC_A = 10,
    RTC_B = 11
};
#define RTC_A_UPDATING 0x80u
#define RTC_B_24_HOURS 0x02u
#define RTC_B_BINARY 0x04u
#define RTC_HOUR_PM 0x80u
#define UPDATE_TRIES 100000u /* an update takes 2 ms; a port access about a microsecond */

struct moment {
    unsigned second, minute, hour, day, month, year;
};

static unsigned rtc_register(ar_cap port, unsigned number)
{
    struct ar_message m;
    init_check(ar_invoke4(port, AR_PORT_OUT8, RTC_INDEX, number, 0, 0),
               "write to the real-time clock");
    init_check(ar_invoke(port, AR_PORT_IN8, RTC_DATA, 0, 0, 0, 1, &m), "read the real-time clock");
    return (unsigned)m.words[0] & 0xff;
}

static unsigned from_bcd(unsigned value)
{
    return (value >> 4) * 10 + (value & 15);
}

static struct moment moment_read(ar_cap port)
{
    for (unsigned i = 0; i < UPDATE_TRIES && rtc_register(port, RTC_A) & RTC_A_UPDATING; i++)
        ;
    return (struct moment){rtc_register(port, RTC_SECOND), rtc_register(port, RTC_MINUTE),
                           rtc_register(port, RTC_HOUR),   rtc_register(port, RTC_DAY),
                           rtc_register(port, RTC_MONTH),  rtc_register(port, RTC_YEAR)};
}

static bool moment_equal(const struct moment *a, const struct moment *b)
{
    return a->second == b->second && a->minute == b->minute && a->hour == b->hour &&
           a->day == b->day && a->month == b->month && a->year == b->year;
}

/* Days from 1970-01-01 to a date from 2000 on: whole years from March to March, so that a leap
 * day comes last. */
static uint64_t days_since_epoch(unsigned year, unsigned month, unsigned day)
{
    if (month <= 2) {
        year--;
        month += 12;
    }
    uint64_t days = 365ull * year + year / 4 - year / 100 + year / 400 +
                    (153ull * (month - 3) + 2) / 5 + day - 1;
    return days - 719468; /* the same for 1970-01-01 */
}

uint64_t rtc_read(ar_cap port)
{
    init_step("init", "reading the real-time clock");
    struct moment now = moment_read(port), again = moment_read(port);
    while (!moment_equal(&now, &again)) { /* an update went on in between */
        now = again;
        again = moment_read(port);
    }
    unsigned mode = rtc_register(port, RTC_B);
    bool pm = !(mode & RTC_B_24_HOURS) && now.hour & RTC_HOUR_PM;
    now.hour &= pm ? ~RTC_HOUR_PM : ~0u;
    if (!(mode & RTC_B_BINARY))
        now = (struct moment){from_bcd(now.second), from_bcd(now.minute), from_bcd(now.hour),
                              from_bcd(now.day), from_bcd(now.month), from_bcd(now.year)};
    if (!(mode & RTC_B_24_HOURS))
        now.hour = now.hour % 12 + (pm ? 12 : 0);
    if (now.month < 1 || now.month > 12) {
        init_log("the real-time clock makes no sense: taking 2000-01-01");
        now = (struct moment){.day = 1, .month = 1};
    }
    uint64_t days = days_since_epoch(2000 + now.year, now.month, now.day);
    return ((days * 24 + now.hour) * 60 + now.minute) * 60 + now.second;
}
