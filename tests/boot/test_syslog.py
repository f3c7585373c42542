# busybox syslogd and 4 parallel loggers: 1,000 messages, none lost or torn, in order. SPDX-License-Identifier: MIT
import re

import lib

SENDERS, MESSAGES = 4, 250
LINE = re.compile(r"\w{3} [ \d]\d \d\d:\d\d:\d\d \S+ user\.info sender(\d): message (\d+) of (\d) (0{100})")


def check(run):
    lib.require_equal(f"{run.where}: exit status", 0, run.status, run)
    seen = {sender: [] for sender in range(1, SENDERS + 1)}
    torn = []
    head, _, messages = run.stdout.decode("utf-8", "replace").partition("==\n")
    for line in messages.splitlines():
        match = LINE.fullmatch(line)
        if match and match[1] == match[3]:
            seen.setdefault(int(match[1]), []).append(int(match[2]))
        elif "syslogd started" not in line and "syslogd exiting" not in line:
            torn.append(line)
    lib.require(not torn, f"{run.where}: no line is torn or foreign", [], torn[:5], run)
    for sender, numbers in seen.items():
        lib.require_equal(f"{run.where}: sender {sender}: {MESSAGES} messages, in order", list(range(MESSAGES)), numbers)
    lib.require_equal(f"{run.where}: the senders' exit statuses, and syslogd's by SIGTERM", [0] * SENDERS + [143],
                      [int(n) for n in re.findall(r"(?:sender \d|syslogd): (\d+)", head)])


with lib.Tree() as tree:
    tree.add(lib.SOURCE / "tests/boot/scripts/syslog.sh", "scripts/syslog.sh")
    root = tree.seal()
    argv = ["/bin/env", "-i", "PATH=/bin", "TZ=UTC", "/bin/sh", "/scripts/syslog.sh"]
    check(lib.linux(argv, root, 120))
    check(lib.aramid(argv, root, 300))
lib.finish()
