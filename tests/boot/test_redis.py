# redis-server and redis-cli, built from Debian's source, over a Unix socket. SPDX-License-Identifier: MIT
import subprocess
import sys

import lib

REDIS = lib.BUILD / "tests/boot/redis"
COMMANDS = 10_000

SCRIPT = """#!/bin/sh
cd /tmp || exit 1
redis-server --port 0 --unixsocket /tmp/redis.sock --save '' --appendonly no --daemonize no --logfile /tmp/redis.log & server=$!
tries=0; until [ -S /tmp/redis.sock ]; do tries=$((tries + 1)); [ $tries -gt 400 ] && cat /tmp/redis.log && exit 2; sleep 0.05; done
cli() { redis-cli -s /tmp/redis.sock "$@"; }
cli PING; echo "ping: $?"
cli SET first value; cli GET first; cli SET counter 41; cli INCR counter; cli GET missing
cli APPEND first ' and more'; cli STRLEN first; cli RPUSH list a b c; cli LRANGE list 0 -1; cli TYPE list; echo "basic: $?"
cli NOSUCHCOMMAND; echo "error: $?"
cli --pipe < /data/pipeline; echo "pipe: $?"
cli DBSIZE; cli GET key:0; cli GET key:4999; cli GET key:9999; cli GET sum
cli < /data/gets | md5sum
head -c 200000 /data/pipeline > big; cli -x SET big < big; cli GET big > back; wc -c < back
redis-benchmark -s /tmp/redis.sock -n 2000 -c 5 -P 10 -t set,get -q > bench; echo "benchmark: $?"; grep -c 'requests per second' bench
cli SHUTDOWN NOSAVE; echo "shutdown: $?"
wait $server; echo "server: $?"
cli PING 2> /dev/null; echo "after: $?"; ls /tmp/redis.sock 2> /dev/null || echo "the socket is gone"
"""


def pipeline():
    """The redis protocol itself, for `redis-cli --pipe`."""
    out = []
    for n in range(COMMANDS):
        parts = ["SET", f"key:{n}", f"value {n * n} of {n}"]
        out.append(f"*{len(parts)}\r\n" + "".join(f"${len(p)}\r\n{p}\r\n" for p in parts))
    return "".join(out)


with lib.Tree() as tree:
    build = subprocess.run([sys.executable, str(lib.SOURCE / "tests/boot/redis/build.py"), str(REDIS)],
                           capture_output=True, text=True)
    if not lib.require(build.returncode == 0, "redis builds from Debian's source", 0, build.stdout + build.stderr):
        lib.finish()
    for name in ("redis-server", "redis-cli", "redis-benchmark"):
        tree.add(REDIS / name, f"bin/{name}")
    tree.write("scripts/redis.sh", SCRIPT, 0o755)
    tree.write("data/pipeline", pipeline())
    tree.write("data/gets", "".join(f"GET key:{n}\n" for n in range(0, COMMANDS, 10)))
    root = tree.seal()
    argv = ["/bin/env", "-i", "PATH=/bin", "TZ=UTC", "/bin/sh", "/scripts/redis.sh"]
    linux = lib.linux(argv, root, 120)
    for wanted in (b"PONG", b"replies: 10000", b"ping: 0", b"pipe: 0", b"errors: 0", b"10003", b"value 99980001 of 9999",
                   b"benchmark: 0", b"shutdown: 0", b"server: 0", b"after: 1", b"the socket is gone"):
        lib.require(wanted in linux.stdout, f"Linux prints {wanted.decode()}", run=linux)
    lib.require_same("redis", linux, lib.aramid(argv, root, 400))
lib.finish()
