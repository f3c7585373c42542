#!/bin/sh
# Functions, traps, signals, fifos, archives, large pipes. Same output as on Linux. SPDX-License-Identifier: MIT
exec 2>&1 # one stream: what goes to standard error is compared too, in its place
umask 022; TZ=UTC; export TZ
cd /tmp && mkdir second && cd second || exit 1
say() { printf '%-12s|%5s|\n' "$1" "$2"; }
factorial() { if [ "$1" -le 1 ]; then echo 1; else echo $(($1 * $(factorial $(($1 - 1))))); fi; }
echo "== functions and arithmetic"
say name value; say x $((0x1f + 010)); say shift $((1 << 20 | 5)); factorial 10
say ternary $((3 > 2 ? 7 : 8)); say modulo $((-7 % 3)); expr 12 \* 12; expr hello : 'h\(.*\)o'; expr 1 = 2
echo "== case, test, loops"
for w in apple 42 .hidden ''; do
    case $w in [0-9]*) echo "number $w" ;; .*) echo "dot" ;; '') echo empty ;; *) echo "word $w" ;; esac
done
[ -d /tmp ] && [ ! -e nothing ] && echo "tests hold"; [ abc \< abd ] && echo less; test -s nothing || echo "not there"
i=0; while :; do i=$((i + 1)); [ $i -eq 3 ] && continue; [ $i -gt 5 ] && break; printf '%d ' $i; done; echo
until [ $i -eq 0 ]; do i=$((i - 1)); done; echo "i is $i"
echo "== expansion"
v=/usr/lib/name.tar.gz; echo "${v##*/} ${v%%.*} ${v%.gz} ${#v} ${unset:-default} ${v:+set}"
set -- a "b c" d; echo $#; for x in "$@"; do echo "<$x>"; done; shift; echo "$*"; IFS=:; echo "$*"; unset IFS
(cd /; pwd; v=inner; echo "$v"); echo "$v"; pwd
echo "== exit statuses and signals"
true; echo $?; false; echo $?; (exit 42); echo $?; sh -c 'exit 255'; echo $?
sh -c 'kill -TERM $$'; echo "term $?"; sh -c 'kill -KILL $$'; echo "kill $?"; sh -c 'kill -SEGV $$'; echo "segv $?"
/nothing/here 2> /dev/null; echo "missing $?"; /etc/passwd 2> /dev/null; echo "not executable $?"
nothing-of-that-name 2> /dev/null; echo "not in PATH $?"
! true; echo $?; false | true; echo $?; true | false; echo $?
echo "== trap"
(trap 'echo caught USR1' USR1; kill -USR1 $(sh -c 'echo $PPID'); echo after)
(trap 'echo leaving with $?' EXIT; exit 7); echo $?
sh -c 'trap "" TERM; kill -TERM $$; echo survived'; sh -c 'trap "echo int; exit 9" INT; kill -INT $$; echo not here'; echo $?
sleep 50 & victim=$!; kill -HUP $victim; wait $victim; echo "victim $?"
sh -c 'trap "echo got it; exit 4" TERM; echo up > ready; while :; do sleep 0.05; done' & waiter=$!
while [ ! -s ready ]; do sleep 0.02; done; kill $waiter; wait $waiter; echo "waiter $?"
echo "== umask, modes, stat"
(umask 077; : > secret; mkdir private); : > plain; stat -c '%A %a %s %h %F %n' secret private plain
chmod u=rwx,g=rx,o= plain; chmod +t private; stat -c '%a' plain private
touch -d @86400 plain; stat -c '%Y %y' plain; date -d @0; date -d @1000000000 '+%Y-%m-%d %H:%M:%S'; TZ=EST5EDT date -d @0
echo "== links, moving, copying"
echo content > f; ln -s f s; ln -s nowhere dangling; ln f h; readlink s; cat s; stat -c '%h' f
cat dangling 2> /dev/null || echo dangling; [ -L dangling ] && echo "is a link"; [ -e dangling ] || echo "leads nowhere"
cp f copy; mv copy moved; cp -r /etc etc; mv etc conf; ls conf | sort | head -n 3; cmp f moved && echo same; rm h s dangling
mkdir d1; mv moved d1/; ls d1; rmdir d1 2> /dev/null || echo "not empty"; rm -r d1 conf; mkdir -p p/q/r && cd p/q/r && pwd && cd ../.. && pwd && cd - && cd ../../..
echo "== large pipes"
seq 1 150000 > numbers; wc -c < numbers
cat numbers | sed 's/$/./' | tr '0-9' 'a-j' | sort -r | tee copy1 | md5sum
wc -l < copy1; head -c 1048576 /dev/zero | tr '\0' 'z' | tee zs | cat | cat | cat | sha256sum; wc -c zs
dd if=zs of=part bs=1000 skip=3 count=7 2> /dev/null; wc -c < part; dd if=numbers bs=64k 2> /dev/null | md5sum
yes | head -n 100000 | uniq -c; seq 1 1000000 | head -n 2
echo "== fifo"
mkfifo queue; stat -c %F queue; (for n in 1 2 3; do echo "item $n"; done > queue) & while read -r line; do echo "got $line"; done < queue; wait
cat numbers > queue & sha256sum < queue; wait
echo "== archives"
mkdir pack; for n in 1 2 3; do seq 1 $((n * 1000)) > pack/file$n; done; tar cf pack.tar pack; tar tf pack.tar | sort
gzip -c pack.tar > pack.tgz; mkdir unpack; tar xzf pack.tgz -C unpack; diff -r pack unpack/pack && echo "archives agree"
gzip -c numbers | gunzip -c | cmp - numbers && echo "gzip agrees"; find pack unpack -type f | sort | xargs md5sum
echo "== xargs, printf, cut"
seq 1 10 | xargs -n 3 echo; printf 'a b\0c\0' | xargs -0 -n 1 echo; printf '%s %05d %x %o %c %5.2s|\n' str 42 255 8 char abc
echo "one:two:three" | cut -d : -f 2,3; printf 'k1 5\nk2 3\n' | sort -k 2 -n | awk '{ s += $2; print $1, s }'; echo abc | rev; seq 3 | tac
printf 'b 2\na 1\n' | sort | while read -r k n; do eval "$k=$n"; done; echo "unset: ${a:-lost in the subshell}"
cd /tmp && rm -rf second && ls -A /tmp && echo "== end"
