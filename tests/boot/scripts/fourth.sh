#!/bin/sh
# As a stranger writes them: options, locks, worker pools, traps, coprocesses, quoting. Same output as on Linux. SPDX-License-Identifier: MIT
exec 2>&1 # one stream: what goes to standard error is compared too, in its place
cd /tmp; mkdir fourth && cd fourth || exit 1
echo "== a stranger's admin script"
log() { printf '[%s] %s\n' "$1" "$2" >> app.log; }
for h in web1 web2 db1; do log INFO "host $h up"; mkdir -p cfg/$h; printf 'name=%s\nport=%d\n' $h $((8000 + ${#h})) > cfg/$h/app.conf; done
grep -h port= cfg/*/app.conf | cut -d= -f2 | sort -u | tr '\n' ','; echo; awk -F= '/name/{n=$2} /port/{p[n]=$2} END{for(k in p)print k,p[k]|"sort"}' cfg/*/app.conf
rotate() { local i=3; while [ $i -gt 1 ]; do j=$((i-1)); [ -f app.log.$j ] && mv app.log.$j app.log.$i; i=$j; done; mv app.log app.log.1; : > app.log; }
rotate; log WARN again; rotate; ls app.log*; cat app.log.2 | wc -l
lock() { if ( set -C; echo $$ > lk ) 2>/dev/null; then echo locked; else echo "held by someone"; fi; }; lock; lock; rm lk; mkdir lkd && echo first; mkdir lkd 2>/dev/null || echo second
tmp=$(mktemp -d /tmp/fourth/w.XXXXXX) && trap 'rm -rf "$tmp"; echo cleaned' EXIT; echo data > "$tmp/x"; [ -d "$tmp" ] && echo have
cat > prog.sh <<'EOF'
#!/bin/sh
usage() { echo "usage: ${0##*/} [-v] [-o file] arg..." >&2; exit 64; }
v=0 out=-
while getopts vo: f; do case $f in v) v=$((v+1));; o) out=$OPTARG;; *) usage;; esac; done
shift $((OPTIND - 1)); [ $# -gt 0 ] || usage
[ $v -gt 0 ] && echo "verbose $v" >&2
[ "$out" = - ] || exec > "$out"
for a; do echo "arg: $a"; done
EOF
chmod +x prog.sh; ./prog.sh; echo $?; ./prog.sh -vv a "b c"; ./prog.sh -o o x; cat o; ./prog.sh -q; echo $?; sh -x ./prog.sh z; sh -n prog.sh; echo $?; sh -v -c 'echo v'
echo "== coprocess and pool"
mkfifo q r; (n=0; while read -r job arg; do case $job in sq) echo "$arg squared $((arg*arg))";; up) echo "$arg" | tr a-z A-Z;; end) break;; esac; done < q > r; echo worker done >&2) & exec 3>q 4<r
echo sq 12 >&3; read -r a <&4; echo "$a"; echo up hello >&3; read -r a <&4; echo "$a"; echo end >&3; exec 3>&- 4<&-; wait
max=4; run=0; for i in 1 2 3 4 5 6 7 8 9 10; do (echo "job $i" > res.$i; sleep 0.0$i) & run=$((run+1)); [ $run -ge $max ] && { wait; run=0; }; done; wait; cat res.* | sort -k2n | tail -3
pids=; for i in 3 1 2; do (sleep 0.$i; exit $i) & pids="$pids $!"; done; for p in $pids; do wait $p; echo "st $?"; done
retry() { local n=0; until "$@"; do n=$((n+1)); [ $n -ge 3 ] && return 1; done; }; c=0; flaky() { c=$((c+1)); [ $c -ge 2 ]; }; retry flaky; echo "retry $? after $c"; retry false; echo $?
( sleep 5 & p=$!; (sleep 0.2; kill $p 2>/dev/null) & wait $p; echo "timed out $?" )
trap 'echo got USR1' USR1; (sleep 0.1; kill -USR1 $$) & wait $!; wait; trap - USR1; echo after
sh -c 'trap "echo TERM handler; kill 0" TERM; trap' ; setsid sh -c 'trap "" TERM; (sleep 0.1; exit 6) & kill -TERM 0; wait $!; echo "survived $?"'; setsid sh -c '(trap "echo child int; exit" INT; sleep 1 & wait) & sleep 0.2; trap "echo parent int" INT; kill -INT 0; wait; echo end'
echo "== heredocs and quoting"; cat <<A <<B
first
A
second $(cat <<C
inner $((1+1))
C
)
B
x="a  b"; echo $x "$x" '$x' \$x "\$x" "`echo \"q\"`" $'t\tn'; set -- "" " " 'a b'; echo $#; for i in "$@"; do printf '<%s>' "$i"; done; echo; printf '%s\n' "${x%% *}" "${x## }" "${x#a}" ${x:-y} ${nope-"d e"} "${nope:+set}"; y='*'; echo "$y"; echo "a\nb"; echo 'a\nb'; printf 'a\nb\n'; echo -e 'x\ty\x41\0101'; IFS=,; set -- $(echo 1,2,,3); echo $#; unset IFS; eval "a_$((1+2))=5"; echo $a_3; : ${v:=1}; echo $v; readonly ro=1; (ro=2; echo no); echo $?; export E=1; env | grep ^E=; expr "a.b" : '.*\.\(.*\)'; echo ${#@} $# $*; case x in x) echo one;; y) echo two;; esac
set -- $(seq 1 30); echo ${10} $10; while read -r l || [ -n "$l" ]; do echo "l=$l"; done <<X
a
b
X
printf 'no newline' | while read -r l; do echo never; done; printf 'no newline' | { read -r l; echo "$? $l"; }; echo a b c | { read x y; echo "$y"; }; echo 'a\ b' | { read x y; echo "$x|$y"; }; read -r -t 0.1 z < /dev/null; echo $?; mkfifo tf; exec 5<>tf; read -t 0.2 z <&5; echo "t $?"; exec 5>&-; echo hello | { read -n 2 q; echo $q; }; echo a:b | { IFS=: read q w; echo $w; }; let x=3+4; echo $x; [[ abc == a* ]] && echo match; test abc = abc -a 1 -lt 2 && echo and; [ ! \( 1 = 2 \) ] && echo par
