# redis-server and redis-cli, built from Debian's source, over a Unix socket. SPDX-License-Identifier: MIT
"""Usage: test_redis.py commands | benchmark

`commands`: what redis-cli prints, also of 10,000 commands through a pipe. `benchmark`: redis-benchmark's whole default set with
50 clients that send 16 commands at a time. ARAMID_REDIS_REQUESTS: so many of each (1,000); 100,000 take about 15 minutes
on each system.
"""
import os
import subprocess
import sys

import lib

REDIS = lib.BUILD / "tests/boot/redis"
COMMANDS = 10_000
REQUESTS = int(os.environ.get("ARAMID_REDIS_REQUESTS", "1000"))
PIPELINE = 16
TESTS = 20          # in the default set, and what it needs for LRANGE
SECONDS = 60 + REQUESTS // 40

START = """#!/bin/sh
cd /tmp || exit 1
redis-server --port 0 --unixsocket /tmp/redis.sock --save '' --appendonly no --daemonize no --logfile /tmp/redis.log & server=$!
tries=0; until [ -S /tmp/redis.sock ]; do tries=$((tries + 1)); [ $tries -gt 400 ] && cat /tmp/redis.log && exit 2; sleep 0.05; done
cli() { redis-cli -s /tmp/redis.sock "$@"; }
"""

COMMANDS_SCRIPT = START + """
cli PING; echo "ping: $?"
cli SET first value; cli GET first; cli SET counter 41; cli INCR counter; cli GET missing
cli APPEND first ' and more'; cli STRLEN first; cli RPUSH list a b c; cli LRANGE list 0 -1; cli TYPE list; echo "basic: $?"
cli NOSUCHCOMMAND; echo "error: $?"
cli --pipe < /data/pipeline; echo "pipe: $?"
cli DBSIZE; cli GET key:0; cli GET key:4999; cli GET key:9999; cli GET sum
cli < /data/gets | md5sum
head -c 200000 /data/pipeline > big; cli -x SET big < big; cli GET big > back; wc -c < back
cli SHUTDOWN NOSAVE; echo "shutdown: $?"
wait $server; echo "server: $?"
cli PING 2> /dev/null; echo "after: $?"; ls /tmp/redis.sock 2> /dev/null || echo "the socket is gone"
"""

# Every reply is a byte that the server counts, and every INCR one more: what is lost or doubled shows.
BENCHMARK_SCRIPT = START + rf"""
redis-benchmark -s /tmp/redis.sock -c 50 -P {PIPELINE} -n {REQUESTS} --csv > rates; echo "benchmark: $?"
awk -F '","' 'NR > 1 {{ print $1 "\": " ($2 > 0 ? "done" : "no rate") }}' rates
sed 's/^/rate /' rates
cli INFO stats | tr -d '\r' | grep -E '^(total_(connections|commands|net_(in|out)put|error)|rejected|unexpected|keyspace)'
cli INFO commandstats | tr -d '\r' | sed -n 's/^cmdstat_\([^:]*\):\(calls=[0-9]*\),.*\(rejected.*\)/\1 \2 \3/p' | sort
cli INFO errorstats | grep errorstat_; cli GET counter:__rand_int__; cli LLEN mylist; cli STRLEN key:__rand_int__; cli DBSIZE
cli SHUTDOWN NOSAVE; echo "shutdown: $?"
wait $server; echo "server: $?"
"""


def pipeline():
    """The redis protocol itself, for `redis-cli --pipe`."""
    out = []
    for n in range(COMMANDS):
        parts = ["SET", f"key:{n}", f"value {n * n} of {n}"]
        out.append(f"*{len(parts)}\r\n" + "".join(f"${len(p)}\r\n{p}\r\n" for p in parts))
    return "".join(out)


def tree_make(tree, script):
    """The root directory, or None when redis cannot be built."""
    build = subprocess.run([sys.executable, str(lib.SOURCE / "tests/boot/redis/build.py"), str(REDIS)],
                           capture_output=True, text=True)
    if not lib.require(build.returncode == 0, "redis builds from Debian's source", 0, build.stdout + build.stderr):
        return None
    for name in ("redis-server", "redis-cli", "redis-benchmark"):
        tree.add(REDIS / name, f"bin/{name}")
    tree.write("scripts/redis.sh", script, 0o755)
    tree.write("data/pipeline", pipeline())
    tree.write("data/gets", "".join(f"GET key:{n}\n" for n in range(0, COMMANDS, 10)))
    return tree.seal()


ARGV = ["/bin/env", "-i", "PATH=/bin", "TZ=UTC", "/bin/sh", "/scripts/redis.sh"]


def commands(root):
    linux = lib.linux(ARGV, root, 120)
    for wanted in (b"PONG", b"replies: 10000", b"ping: 0", b"pipe: 0", b"errors: 0", b"10003", b"value 99980001 of 9999",
                   b"shutdown: 0", b"server: 0", b"after: 1", b"the socket is gone"):
        lib.require(wanted in linux.stdout, f"Linux prints {wanted.decode()}", run=linux)
    lib.require_same("redis", linux, lib.aramid(ARGV, root, 400))


def rates(run):
    """{test: requests a second}"""
    rows = [line[5:].strip('"').split('","') for line in run.lines() if line.startswith('rate "')]
    return {row[0]: float(row[1]) for row in rows[1:]}


def without_rates(output):
    return b"".join(line for line in output.splitlines(True) if not line.startswith(b"rate "))


def benchmark(root):
    linux = lib.linux(ARGV, root, SECONDS)
    calls = -(-REQUESTS // PIPELINE) * PIPELINE # whole pipelines
    lines = linux.lines()
    for wanted in ("benchmark: 0", f"set calls={calls} rejected_calls=0,failed_calls=0", "total_error_replies:0",
                   f"ping calls={2 * calls} rejected_calls=0,failed_calls=0", f"mset calls={calls} rejected_calls=0,failed_calls=0",
                   f"lrange calls={4 * calls} rejected_calls=0,failed_calls=0", str(calls), "shutdown: 0", "server: 0"):
        lib.require(wanted in lines, f"Linux prints {wanted}", run=linux)
    lib.require_equal("Linux does the whole set", TESTS, sum(line.endswith('": done') for line in lines), linux)
    aramid = lib.aramid(ARGV, root, SECONDS)
    lib.require_same("redis-benchmark", linux, aramid, without_rates)
    here, there = rates(aramid), rates(linux)
    for name, rate in there.items():
        print(f"# {name}: {here.get(name, 0):,.0f} requests a second, Linux {rate:,.0f}")


PARTS = {"commands": (COMMANDS_SCRIPT, commands), "benchmark": (BENCHMARK_SCRIPT, benchmark)}
if len(sys.argv) != 2 or sys.argv[1] not in PARTS:
    sys.exit(__doc__)
script, part = PARTS[sys.argv[1]]
with lib.Tree() as tree:
    root = tree_make(tree, script)
    if root:
        part(root)
lib.finish()
