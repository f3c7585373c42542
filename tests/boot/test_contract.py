# tools/run -- PROGRAM ARG…: the contract that every other test hangs on. SPDX-License-Identifier: MIT
import hashlib
import os
import random
import re
import tempfile

import lib

FILES, BYTES = 600, 30 << 20


def check_statuses(root):
    for status in (0, 1, 42, 255):
        run = lib.aramid(["/bin/sh", "-c", f"exit {status}"], root, 30)
        lib.require_equal(f"exit {status}", status, run.status, run)
        lib.require_equal(f"exit {status}: standard output is clean", b"", run.stdout)
        lib.require_equal(f"exit {status}: standard error is clean", b"", run.stderr)
    for number in (9, 11, 15):
        run = lib.aramid(["/bin/sh", "-c", f"kill -{number} $$; sleep 5"], root, 30)
        lib.require_equal(f"killed by signal {number}", 128 + number, run.status, run)
    run = lib.aramid(["/bin/true"], root, 30)
    lib.require_equal("a program itself, no shell", 0, run.status, run)


def check_streams(root):
    everything = bytes(range(256)) * 40
    run = lib.aramid(["/bin/cat"], root, 30, stdin=everything)
    lib.require_equal("standard input to standard output, all byte values", everything.hex(), run.stdout.hex(), run)
    run = lib.aramid(["/bin/cat"], root, 30, stdin=b"")
    lib.require((run.status, run.stdout) == (0, b""), "end of file at once", (0, b""), (run.status, run.stdout), run)
    big = random.Random(1).randbytes(200 << 10)
    run = lib.aramid(["/bin/sha256sum"], root, 90, stdin=big)
    lib.require_equal("200 KB of standard input", hashlib.sha256(big).hexdigest(), run.stdout.decode().split(" ")[0], run)
    run = lib.aramid(["/bin/sh", "-c", "read a; echo \"<$a>\"; read b; echo \"<$b>\"; read c || echo end"], root, 30,
                     stdin=b"one\ntwo\n")
    lib.require_equal("input line by line", b"<one>\n<two>\nend\n", run.stdout, run)
    run = lib.aramid(["/bin/sh", "-c", "echo out; echo err >&2; exit 3"], root, 30)
    lib.require(b"out\n" in run.stdout and b"err\n" in run.stdout + run.stderr and run.status == 3, "both streams come out", run=run)
    run = lib.aramid(["/bin/sh", "-c", "[ -t 0 ] || [ -t 1 ] || echo no terminal"], root, 30)
    lib.require_equal("the streams are no terminal", b"no terminal\n", run.stdout, run)
    run = lib.aramid(["/bin/cat", "/data/binary"], root, 60)
    lib.require_equal("a binary file comes out whole", hashlib.sha256(BINARY).hexdigest(),
                      hashlib.sha256(run.stdout).hexdigest(), run)


def check_arguments(root):
    words = ["plain", "two words", "", "quote's \"and\" $HOME `x` \\ %41", "tab\tnewline\nend", "ünïcode ✓", "-x", "--", "a,b=c"]
    run = lib.aramid(["/bin/sh", "-c", 'for x; do printf "<%s>\\n" "$x"; done', "sh", *words], root, 30)
    lib.require_equal("arguments arrive as they are", "".join(f"<{w}>\n" for w in words), run.stdout.decode(), run)
    long_words = ["x" * 3000] * 10
    run = lib.aramid(["/bin/sh", "-c", 'echo $# ${#1}', "sh", *long_words], root, 30)
    lib.require_equal("30 KB of arguments", b"10 3000\n", run.stdout, run)
    run = lib.aramid(["/bin/sh", "-c", 'echo "$A|$B|$TZ|$HOME"'], root, 30,
                     options=["--env", "A=b c=d", "--env", "B=", "--env", "TZ=EST5"])
    lib.require_equal("environment", b"b c=d||EST5|/root\n", run.stdout, run)
    run = lib.aramid(["sh", "-c", "echo $0"], root, 30)
    lib.require((run.status, len(run.stdout) > 0) == (0, True), "a program is found through PATH", run=run)


def check_rootfs(root):
    run = lib.aramid(["/bin/sh", "-c", "cd /many && find . -type f | wc -l && find . -type f | sort | xargs sha256sum | sha256sum"],
                     root, 240)
    lib.require_equal(f"{FILES} files of {BYTES >> 20} MB: count and checksum", f"{FILES}\n{CHECKSUM}  -\n", run.stdout.decode(), run)


def check_timeout(root):
    run = lib.aramid(["/bin/sh", "-c", "echo started; sleep 1000; true"], root, 6)
    lib.require_equal("time-out: status", 124, run.status, run)
    lib.require_equal("time-out: what was printed before it is there", b"started\n", run.stdout, run)
    lib.require_equal("time-out: one line 'aramid: …'", 1, len(re.findall(rb"^aramid:", run.stderr, re.M)), run)
    lib.require(run.seconds < 6 + 10, "time-out: it ends in time", "less than 16 s", run.seconds)
    everything = run.stderr.decode("utf-8", "replace") + run.log
    # busybox's sh runs sleep without exec, so that its thread may still be called sh.
    waiting = re.search(r"\b(sh|sleep)\b.*\bwait", everything)
    lib.require("procd" in everything and waiting is not None, "time-out: who waits on whom",
                "lines with procd, sh or sleep, and what they wait for", everything[-3000:])


def check_verbose(root):
    run = lib.aramid(["/bin/echo", "hello"], root, 30, options=["--verbose"])
    lib.require_equal("--verbose: standard output is the program's alone", b"hello\n", run.stdout, run)
    lib.require(len(run.stderr) > 100, "--verbose: the log is on standard error", run=run)
    run = lib.aramid(["/bin/echo", "hello"], root, 30)
    lib.require((run.stdout, run.stderr) == (b"hello\n", b""), "without it: nothing else anywhere", run=run)
    run = lib.aramid(["/bin/true"], root, 30, options=["--no-such-option"])
    lib.require(run.status == 125 and b"aramid:" in run.stderr, "an unknown option: 125 and a line 'aramid: …'", run=run)


BINARY = random.Random(7).randbytes(1 << 20)

with lib.Tree() as tree:
    tree.write("data/binary", BINARY)
    random_bytes, sums = random.Random(3), []
    for n in range(FILES):
        path = f"./d{n % 20:02}/e{n % 7}/file-{n:03}"
        content = random_bytes.randbytes(BYTES // FILES + (n % 13) * 11 - 60)
        tree.write("many/" + path[2:], content, 0o644)
        sums.append(f"{hashlib.sha256(content).hexdigest()}  {path}\n".encode())
    CHECKSUM = hashlib.sha256(b"".join(sorted(sums, key=lambda line: line[66:]))).hexdigest()
    root = tree.seal()
    check_rootfs(root)
    check_statuses(root)
    check_streams(root)
    check_arguments(root)
    if not lib.NO_LOG:
        check_timeout(root)
        check_verbose(root)
lib.finish()
