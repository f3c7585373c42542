#!/bin/sh
# Orders that nobody sorted, blocks, limits, other users, kill -9, whole walks. Same output as on Linux. SPDX-License-Identifier: MIT
exec 2>&1 # one stream: what goes to standard error is compared too, in its place
cd /tmp && mkdir sixth && cd sixth || exit 1
echo "== directories as they come"; touch a b c; mkdir d; touch d/x d/y; find .; mv a z; mv b d/; rm c; touch e; ls -f; ln e f; ln -s e g; find .
cp -a d d2; tar cf - . | tar tf -; find /data; du -a /data; grep -r needle /data; rm -rf d; cp -r /data/* . ; find . ; mv e n1; mv -f n1 n2; find . -maxdepth 1
find docs -exec echo {} +; find . -name '*.txt' -o -type l; chmod -R go-w . ; find . -delete 2> /dev/null || rm -rf ./* ; ls -A
echo "== sizes and blocks"; dd if=/dev/zero of=sp bs=1 count=1 seek=1000000 2> /dev/null; du -k sp; stat -c '%s %b' sp; truncate -s 100 sp; stat -c '%s %b' sp
truncate -s 1000000 sp; stat -c '%s %b' sp; seq 1 10000 > s; truncate -s 5000 s; stat -c '%s %b' s; fallocate -l 100000 fa; stat -c '%s %b' fa
head -c 40000000 /dev/zero > big; cp big big2; ls -l big2 | awk '{ print $5 }'; cmp big big2 && rm big big2; echo x > /dev/full; echo "full: $?"
echo "== limits"; ulimit -n; ulimit -Hn; (trap '' XFSZ; ulimit -f 1; head -c 2000 /dev/zero > lim; echo $?; wc -c lim; dd if=/dev/zero of=q bs=300 count=10; cat s > t; echo $?; wc -c t)
(ulimit -n 10; exec 3< s 4< s 5< s 6< s 7< s 8< s 9< s; cat s); n=$(seq 1 200000); /bin/true $n; echo "long list: $?"; seq 1 60000 | xargs -n 20000 echo | wc -lc
echo "== kill -9"; sleep 5 & p=$!; kill -9 $p; wait $p 2> /dev/null; echo $?; sleep 5 & p=$!; sleep 1; kill -9 $p; wait $p 2> /dev/null; echo $?
(sleep 9 & sleep 9 & wait) & p=$!; sleep 1; kill -KILL $p; wait $p 2> /dev/null; echo $?; killall -9 sleep; kill -9 $p 2> /dev/null; echo $?
echo "== no terminal"; echo x > /dev/tty; tty; [ -t 0 ] || echo "input is none"; stty -a < /dev/tty; ls -l /dev/tty | cut -c 1-10; setsid sh -c ': < /dev/tty'
echo "== another user"; echo secret > sec; chmod 600 sec; mkdir pd; chmod 700 pd; echo in > pd/in; mkdir sticky; chmod 1777 sticky; touch sticky/root; chmod 755 .
user() { su -s /bin/sh user -c "$1"; }
user 'id; cat sec; ls pd; cd pd; echo > new; echo > sec; rm -f sec; mkdir mm; chmod 777 s; chown 0 s; mv s s2; test -r sec; echo $?; kill -0 1; cd /tmp && touch mine && ls -l mine | cut -c 1-25; rm mine; chroot /; mknod zz c 1 3'
user 'rm -f sticky/root; touch sticky/mine; rm sticky/mine && echo gone; umask'; chmod 711 pd; user 'ls pd; cat pd/in'; chmod 744 pd; user 'ls pd; cat pd/in'
cp /bin/busybox pd/id; chmod 711 pd; chmod 4755 pd/id; user 'pd/id; cp pd/id /tmp/own; stat -c "%a %U" /tmp/own'; chown user pd/id; stat -c %a pd/id; rm -f /tmp/own
echo "== walks"; find / -name passwd -type f 2> /dev/null; find / -type l -name sh 2> /dev/null; find /proc -maxdepth 1 -name self; find /proc/$$ -name comm 2> /dev/null | wc -l; i=0; d=.; while [ $i -lt 50 ]; do d=$d/n$i; i=$((i + 1)); done; mkdir -p $d && find n0 | wc -l; rm -r n0
i=0; while [ $i -lt 300 ]; do : > f$i; i=$((i + 1)); done; ls | md5sum; find . -name 'f*9' | head -3; rm f*5; ls -f | grep -c f; cd /; rm -r /tmp/sixth; echo "== end"
