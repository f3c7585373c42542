/*
 * The numbers of Linux's terminal interface that consoled understands: ioctl_tty(2), termios(3).
 * SPDX-License-Identifier: MIT
 */
#ifndef CONSOLED_TERMIOS_ABI_H
#define CONSOLED_TERMIOS_ABI_H

#include <stdint.h>

#define TERMIOS_CHARACTERS 19
/* What TCGETS and TCSETS carry. */
struct termios_abi {
    uint32_t iflag, oflag, cflag, lflag;
    uint8_t line, cc[TERMIOS_CHARACTERS];
};
_Static_assert(sizeof(struct termios_abi) == 36, "struct termios of the system call");

struct window_size {
    uint16_t rows, columns, x_pixels, y_pixels;
};

enum termios_character {
    CC_INTR, CC_QUIT, CC_ERASE, CC_KILL, CC_EOF, CC_TIME, CC_MIN, CC_SWTC, CC_START, CC_STOP,
    CC_SUSP, CC_EOL,
    CC_REPRINT, CC_DISCARD, CC_WERASE, CC_LNEXT, CC_EOL2
};

enum termios_iflag {
    IFLAG_ISTRIP = 0x20, IFLAG_INLCR = 0x40, IFLAG_IGNCR = 0x80, IFLAG_ICRNL = 0x100,
    IFLAG_IXON = 0x400,
    IFLAG_IXANY = 0x800, IFLAG_IUTF8 = 0x4000
};
enum termios_oflag { OFLAG_OPOST = 0x1, OFLAG_ONLCR = 0x4, OFLAG_OCRNL = 0x8, OFLAG_ONLRET = 0x20 };
enum termios_lflag {
    LFLAG_ISIG = 0x1, LFLAG_ICANON = 0x2, LFLAG_ECHO = 0x8, LFLAG_ECHOE = 0x10, LFLAG_ECHOK = 0x20,
    LFLAG_ECHONL = 0x40, LFLAG_NOFLSH = 0x80, LFLAG_ECHOCTL = 0x200, LFLAG_ECHOKE = 0x800,
    LFLAG_IEXTEN = 0x8000
};

enum terminal_ioctl {
    IOCTL_TCGETS = 0x5401, IOCTL_TCSETS, IOCTL_TCSETSW, IOCTL_TCSETSF, IOCTL_TCSBRK = 0x5409,
    IOCTL_TCXONC,
    IOCTL_TCFLSH, IOCTL_TIOCOUTQ = 0x5411, IOCTL_TIOCGWINSZ = 0x5413, IOCTL_TIOCSWINSZ,
    IOCTL_FIONREAD = 0x541b,
    IOCTL_FIONBIO = 0x5421, IOCTL_TCSBRKP = 0x5425
};

#endif
