#!/bin/sh
# A session of the plain kind: files, pipes, jobs. Its output must be byte for byte Linux's. SPDX-License-Identifier: MIT
exec 2>&1 # one stream: what goes to standard error is compared too, in its place
cd /tmp || exit 1
mkdir work && cd work || exit 1
echo "== where"; pwd
printf 'pear\napple\nfig\nbanana\napple\ncherry\n' > fruit
echo "== sort"; sort fruit; echo "== unique"; sort fruit | uniq -c | sort -rn | head -n 1
echo "== grep"; grep -n an fruit; grep -c apple fruit; grep -v -e a fruit; grep -q kiwi fruit || echo "no kiwi"
echo "== here-document"
cat <<END | tr a-z A-Z
first line of $(basename "$PWD")
second: $((6 * 7))
END
cat <<'END'
not expanded: $PWD $(pwd)
END
echo "== redirections"
echo one > out; echo two >> out; cat < out
{ echo to-stdout; echo to-stderr >&2; } > both 2>&1; cat both
{ echo quiet; echo loud >&2; } 2> err > /dev/null; cat err
exec 3> third; echo "by descriptor three" >&3; exec 3>&-; cat third
exec 4< fruit; read -r a <&4; read -r b <&4; exec 4<&-; echo "$a, $b"
cat nothing-here 2> /dev/null || echo "cat: status $?"
echo "== background jobs"
(echo slow; exit 3) > job1 & first=$!
(seq 1 5 | while read -r n; do echo $((n * n)); done) > job2 & second=$!
sleep 0.1 & third=$!
wait $first; echo "first ended with $?"
wait $second; echo "second ended with $?"
wait $third; echo "third ended with $?"
cat job1 job2
for n in 1 2 3; do (echo "worker $n" > part$n) & done; wait; cat part1 part2 part3
echo "== ls -l"
chmod 600 err; chmod 755 third; mkdir sub; touch sub/inner; ln -s fruit link; ln fruit hard
for f in * sub/inner; do touch -h -d '2020-02-02 03:04:05' "$f"; done; touch -d '2020-02-02 03:04:05' sub
ls -l; ls -ld sub; ls -a sub; ls -1 | wc -l
echo "== find"
mkdir -p tree/a/b tree/c; echo x > tree/a/one; echo yy > tree/a/b/two; : > tree/c/empty
find tree | sort; find tree -type f | sort; find tree -name 't*' -type f; find tree -type f -size 0
find tree -type f -exec wc -c {} \; | sort
echo "== ps"
sleep 31 & sleeper=$!
sh -c 'sleep 32 & wait' & parent=$!
sleep 0.2
ps -o pid,ppid,args | awk -v me=$$ -v s=$sleeper -v p=$parent '
  $2 == me && $1 == s { print "child of the script:", $3, $4 }
  $2 == me && $1 == p { print "child of the script:", $3, $4 }
  $2 == p { print "grandchild:", $3, $4 }' | sort
kill $sleeper; wait $sleeper 2> /dev/null; echo "sleeper ended with $?"
grandchild=$(ps -o pid,ppid | awk -v p=$parent '$2 == p { print $1 }')
kill $grandchild; wait $parent 2> /dev/null; echo "parent ended with $?"
echo "== text"
sed -e 's/a/A/g' -e '/fig/d' fruit; sed -n '2,3p' fruit
awk '{ n[substr($1, 1, 1)]++ } END { for (c in n) print c, n[c] }' fruit | sort
cut -c 1-3 fruit | tr '\n' ' '; echo; tail -n 2 fruit; head -c 7 fruit; echo; wc fruit
echo "== end"; rm -r tree sub; rm -f ./*; ls -A; cd ..; rmdir work && echo removed
exit 5
