#!/bin/sh
# One syslogd, 4 loggers of 250 messages each over /dev/log; then the file. SPDX-License-Identifier: MIT
[ -d /dev ] || mkdir /dev
syslogd -n -O /tmp/messages & daemon=$!
tries=0; until [ -S /dev/log ]; do tries=$((tries + 1)); [ $tries -gt 200 ] && echo "no /dev/log" && exit 2; sleep 0.05; done
[ "$(ls -l /dev/log | cut -c 1)" = s ] || echo "/dev/log is no socket"
send() { n=0; while [ $n -lt 250 ]; do logger -t "sender$1" -p user.info "message $n of $1 $PADDING" || exit 1; n=$((n + 1)); done; }
PADDING=$(printf '%0100d' 0)
for s in 1 2 3 4; do send $s & eval "job$s=$!"; done
for s in 1 2 3 4; do eval "wait \$job$s"; echo "sender $s: $?"; done
tries=0; while [ "$(wc -l < /tmp/messages)" -lt 1001 ]; do tries=$((tries + 1)); [ $tries -gt 200 ] && break; sleep 0.05; done
kill $daemon; wait $daemon; echo "syslogd: $?"
echo ==; cat /tmp/messages
