#!/bin/sh
# Many processes, shared offsets, nested shells, ls -l of a whole prepared tree. SPDX-License-Identifier: MIT
exec 2>&1 # one stream: what goes to standard error is compared too, in its place
cd /data || exit 1
echo "== the prepared tree"; ls -lR . ; ls -ln big.txt; find . | sort; find . -type l | sort; du -a . > /dev/null && echo "du ran"
touch /tmp/now; find . -newer /tmp/now; find /tmp -newer /etc/passwd -type f; find . -type f -perm -111 | sort
stat -c '%n %s %a %u %g %Y' big.txt docs/readme.txt bin/tool; date -r big.txt
grep -r needle . | sort; grep -rl needle . | sort | xargs wc -l
bin/tool a 'b c'; echo "tool: $?"
echo "== a file's offset is shared by those who inherit it"
exec 5< docs/readme.txt; (read -r l <&5; echo "child: $l"); read -r l <&5; echo "parent: $l"; (read -r l <&5; echo "other: $l"); exec 5<&-
exec 6> /tmp/shared; for n in 1 2 3; do (echo "from $n" >&6); done; exec 6>&-; cat /tmp/shared
exec 7>> /tmp/shared; sh -c 'echo appended >&7'; echo again >> /tmp/shared; exec 7>&-; tail -n 2 /tmp/shared
echo "== many processes"
n=0; while [ $n -lt 60 ]; do n=$((n + 1)); /bin/true; done; echo "$n processes one after the other"
n=0; while [ $n -lt 30 ]; do n=$((n + 1)); (echo $((n * n)) > /tmp/p.$n) & done; wait; cat /tmp/p.* | sort -n | tr '\n' ' '; echo
rm /tmp/p.*; echo "status of none: $(wait; echo $?)"
echo a | cat | cat | cat | cat | cat | cat | cat | cat | cat | cat
echo "== nested substitution"; echo "$(echo "$(echo "$(echo deep)")" | tr d D)"; echo `echo \`echo old\``
echo "== reading line by line"; while IFS=, read -r id name size; do printf '%s=%s (%s)\n' "$id" "$name" "$size"; done < table.csv
awk -F, 'NR > 1 { t += $3; if ($3 > m) { m = $3; w = $2 } } END { printf "%d %s %.2f\n", t, w, t / (NR - 1) }' table.csv
sort -t, -k3,3nr table.csv | head -n 2; cut -d, -f2 table.csv | paste -s -d '+'; sed -n 's/^\([0-9]*\),\(.*\),.*/\2:\1/p' table.csv
echo "== jobs that talk"
mkfifo /tmp/ask /tmp/answer
(while read -r q; do echo "answer to $q"; done < /tmp/ask > /tmp/answer) &
exec 8> /tmp/ask 9< /tmp/answer; for q in one two three; do echo "$q" >&8; read -r r <&9; echo "$r"; done; exec 8>&- 9<&-; wait
(sleep 0.3; echo late) & (sleep 0.1; echo early) & wait; echo "both are done"
(trap 'echo child ended by TERM; exit 1' TERM; while :; do sleep 0.02; done) & c=$!; sleep 0.2; kill -TERM $c; wait $c; echo $?
echo "== a pipe without a reader"; (yes; echo "yes: $?" >&2) 2>&1 | head -n 1; sh -c 'yes 2>/dev/null; exit 0' | true; echo $?
echo "== ps by name and parentage"
sh -c 'sleep 41 & sleep 42 & wait' & top=$!; sleep 0.3
ps -o ppid,pid,comm | awk -v t=$top '$1 == t { print $3 }' | sort; ps -o pid,comm | awk -v t=$top '$1 == t { print $2 }'
for p in $(ps -o ppid,pid | awk -v t=$top '$1 == t { print $2 }'); do kill -9 $p; done; wait $top; echo $?
echo "== limits of a name"; n=$(printf '%0255d' 7); : > /tmp/$n && ls /tmp | wc -c; true > /tmp/${n}x 2> /dev/null || echo "256 is too long"; rm /tmp/$n
: > /tmp/'with space'; : > '/tmp/-dash'; ls /tmp | sort | tail -n 3; rm -- '/tmp/with space' /tmp/-dash
echo "== md5 of everything"; find . -type f | sort | xargs md5sum | md5sum; tar cf - . | wc -c; tar cf - . | tar tf - | sort | tail -n 4
echo "== strings in the environment"; A=1 sh -c 'echo $A'; env -i X=y sh -c 'echo $X'; export B='two words'; sh -c 'echo "$B"'; unset B; sh -c 'echo "${B-gone}"'
echo "== end"; exit 0
