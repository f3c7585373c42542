# Programs that use everything up meet their own limit; a second shell still answers. SPDX-License-Identifier: MIT
import re
import sys

import lib

if lib.NO_LOG:
    sys.exit("test_exhaust.py needs Aramid: on Linux root's memory and process bombs have no account")

# The second shell answers over a pair of FIFOs, started before; each answer is a round trip that needs no fork.
ANSWERING = """
mkfifo /tmp/ask /tmp/answer
(while read -r q; do echo "answer $q"; done < /tmp/ask > /tmp/answer) & second=$!
exec 8> /tmp/ask 9< /tmp/answer
/test/exhaust {what} > /tmp/result & bomb=$!
n=0; while kill -0 $bomb 2> /dev/null && [ $n -lt 2000 ]; do n=$((n + 1)); echo $n >&8; read -r r <&9; [ "$r" = "answer $n" ] || echo "wrong: $r"; done
wait $bomb; echo "status $?"; echo "answers $n"; cat /tmp/result
exec 8>&- 9<&-; wait $second; ls /bin/true; echo "and the system works: $(echo yes | cat)"
"""

EXPECTED = {
    "descriptors": r"open: EMFILE, last descriptor 499\ndup: EMFILE\nsocketpair: EMFILE\npipe: EMFILE\nopen again: 499\n"
                   r"pipe with one left: EMFILE\npipe: 0\n",
    "memory": r"mmap: ENOMEM, over 8 MB first: 1\n",
    "heap": r"malloc: ENOMEM, over 8 MB first: 1\n",
    "forks": r"fork: (EAGAIN|ENOMEM), over 20 first: 1\nall killed and reaped: 1\nfork afterwards: exit status 9\n",
    "bomb": r"bomb: refused with EAGAIN or ENOMEM 1, with another error 0, over 20 forks 1, stopped by its bound 0\n",
    "threads": r"pthread_create: (EAGAIN|ENOMEM), over 20 first: 1\n",
    "sockets": r"socketpair: refused as it should be 1, over 20 first: 1, bytes 1\n",
}

with lib.Tree() as tree:
    tree.add(lib.program("exhaust.musl"), "test/exhaust")
    root = tree.seal()
    for what, pattern in EXPECTED.items():
        run = lib.aramid(["/bin/sh", "-c", ANSWERING.format(what=what)], root, 120)
        text = run.stdout.decode("utf-8", "replace")
        lib.require(re.search(pattern, text) is not None, f"{what}: the limit", pattern, text, run)
        answers = re.search(r"answers (\d+)", text)
        lib.require(answers and int(answers[1]) > 0 and "wrong:" not in text, f"{what}: a second shell answers", run=run)
        lib.require("and the system works: yes" in text, f"{what}: everything works afterwards", run=run)
lib.finish()
