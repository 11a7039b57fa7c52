# SPDX-License-Identifier: Apache-2.0
# Programs of coreutils, findutils, diffutils, grep, sed and awk.
cd "$(mktemp -d)" || exit 1
export TZ=UTC LC_ALL=C.UTF-8
run() { echo "\$ $*"; "$@"; local status=$?; [ $status -eq 0 ] || echo "= $status"; }

seq 1 1000 >numbers; seq -w 1 3 30 >padded
printf 'b 2\na 3\nc 1\na 1\n' >table
run wc numbers; run head -n 2 numbers; run tail -n 2 numbers; run tail -c 5 numbers
run sort table; run sort -k2,2n table; run sort -u -k1,1 table; run sort -rn padded
seq 1 50000 | sort -R --random-source=/etc/passwd | sort -n --parallel=2 -S 1M | md5sum
run uniq -c padded; run cut -d' ' -f2 table; run paste -d, table table; run comm -12 padded numbers
sort table >sorted; run join sorted sorted; run nl table; run tac table; run rev table
run tr a-z A-Z <table; run expand -t 4 <table; run fold -w 3 table; run fmt -w 20 numbers | head -n 3
run od -An -tx1 table; run base64 table; run base32 table; run cksum table
run md5sum table; run sha1sum table; run sha256sum table; run sha512sum table; run b2sum table; run sum table
run split -n l/3 numbers part-; run wc -l part-aa part-ab part-ac
run csplit -q numbers 300 600; run wc -l xx00 xx01 xx02
run factor 123456789012345 97; run numfmt --to=iec 1048576 123456; run expr 7 '*' 6; run seq -s, 5
run printf '%5.2f|%s|%08x\n' 3.14159 text 48879; run echo -e 'a\tb'; run test -f numbers; run test -d numbers
run basename /usr/lib/x.so .so; run dirname /usr/lib/x.so; run realpath -m /usr/../etc/./x; run readlink -f /bin
run date -d '2024-02-29 12:34:56 +1 year' '+%F %T %j %u'; run date -d @1700000000 --iso-8601=seconds
run dd if=/dev/zero of=zeros bs=4k count=10 status=none; run truncate -s 1M sparse; run stat -c '%n %s %F %a %h' zeros sparse
run du -b --apparent-size zeros sparse; run cmp zeros sparse; run cp -p zeros copy; run cmp zeros copy
mkdir -p tree/a/b tree/c; echo x >tree/a/f; ln -s ../a/f tree/c/link; ln tree/a/f tree/hard; mkfifo tree/fifo
run cp -a tree tree2; run diff -r tree tree2; run find tree2 -type l -printf '%p -> %l\n'; run ls -1RF tree2
run find tree -name 'f*' -newer numbers -size -1k; find tree | sort | xargs -n 2 echo; run mv tree2 moved; run ls moved
run chmod 4751 tree/a/f; run stat -c '%a %A' tree/a/f; run chmod -R u=rwX,go=rX tree; run stat -c %A tree/a
run touch -d '2001-02-03 04:05:06.789' numbers; run stat -c '%y' numbers; run touch -r numbers table; run stat -c %Y table
run chown 12:34 table; run stat -c '%u:%g' table; run install -m 640 -o 5 table installed; run stat -c '%a %u' installed
run rmdir tree; run rm -r tree; run ls tree; run rm -f nothing; run mkdir existing existing
run ln -s loop loop; run cat loop; run mktemp -u -p . --suffix=.x XXX >/dev/null; run unlink loop
run env -i A=1 B=2 env; run env -u HOME sh -c 'echo ${HOME-unset}'; run nice -n 5 nice; run id -u; run id -un; run groups
run timeout 5 true; run timeout 0.1 sleep 9; run nohup echo out 2>/dev/null; run stdbuf -oL echo line; run tsort <<<'a b
b c'
seq 8 | xargs -P 4 -n 1 sh -c 'echo $((0 * $1))$1' - | sort; seq 100 | xargs -n 30 echo
run shuf --random-source=numbers -n 3 padded; run tee copy1 copy2 <table; run cmp copy1 copy2; run sync copy1
run pathchk -p 'a b'; run nproc --ignore=1000; run ptx -w 30 <<<'the quick fox'; run pr -t -2 -l 5 padded
echo 'one two three' | run awk '{ print $3, NF; s += NF } END { printf "%d %s\n", s, toupper($1) }'
awk 'BEGIN { "echo from a command" | getline x; print x; print "sorted" | "sort"; close("sort"); exit 3 }'; echo "awk $?"
run sed -n -e '/a/{s/a/<&>/;p}' -e '$=' table; run sed -i.bak 's/^b/B/' table; run diff -u --label old --label new table.bak table
run grep -c 7 numbers; run grep -E '^(1|2)0+$' numbers; grep -rl '^999$' . | sort; run grep -P '(\d)\1\1' numbers; run grep -q none table
tail -f --pid=$$ /dev/null & sleep 0.05; kill $!; wait $! 2>/dev/null; echo "tail -f $?"
(tail -n +1 -f growing 2>/dev/null & echo $! >pid; wait) >followed & until [ -s pid ]; do :; done
run dd if=numbers bs=100 skip=2 count=1 status=none; run dd if=numbers of=numbers.copy bs=64 conv=notrunc,sync status=none
kill "$(cat pid)" 2>/dev/null; wait
