# SPDX-License-Identifier: Apache-2.0
# What POSIX asks of any shell: run by dash and by bash.
cd "$(mktemp -d)" || exit 1

echo "== pipelines"
printf '%s\n' pear apple fig apple | sort | uniq -c | sed 's/^ *//' | tr a-z A-Z
seq 1 20000 | while read -r n; do [ $((n % 5000)) -eq 0 ] && echo "$n"; done
yes | head -n 3 | wc -l
false | true; echo "status $?"
! true | false; echo "negated $?"
{ echo out; echo err >&2; } 2>&1 | sort
(exit 3) | cat; echo "last $?"

echo "== here-documents"
name=world
cat <<END
hello $name $(echo nested) $((6 * 7)) \$plain
END
cat <<'END'
hello $name $(not run)
END
cat <<-END | tr -d '\n'; echo
	tab
	stripped
	END
while read -r key value; do echo "$key=$value"; done <<END
a 1
b 2 3
END

echo "== redirections"
echo one >file; echo two >>file; cat <file
exec 3>log; echo to-three >&3; exec 3>&-; cat log
{ echo stdout; echo stderr >&2; } >both 2>&1; cat both
cat file - <<END
after the file
END
(echo lost >/dev/full) 2>/dev/null; echo "full $?"
cat /nowhere 2>/dev/null; echo "missing $?"
: >empty; wc -c <empty
set -C; (echo over >file) 2>/dev/null; echo "noclobber $?"; set +C

echo "== jobs and waiting"
(exit 7) & first=$!
(exit 0) & second=$!
wait $first; echo "first $?"
wait $second; echo "second $?"
sleep 60 & sleeper=$!
kill $sleeper; wait $sleeper 2>/dev/null; echo "killed $?"
for i in 1 2 3; do (echo "job $i" >"job$i") & done; wait; cat job1 job2 job3
wait; echo "nothing left $?"
mkfifo pipe; (echo through the fifo >pipe) & cat pipe; wait

echo "== traps"
trap 'echo "caught USR1"' USR1
kill -USR1 $$; echo "after USR1"
trap '' TERM; kill -TERM $$; echo "TERM ignored"
trap - TERM
(trap 'echo "subshell leaves"' EXIT; exit 4); echo "subshell $?"
sh -c 'trap "echo cleaning up; exit 9" TERM; kill -TERM $$; echo not reached'; echo "trapped exit $?"
sh -c 'kill -KILL $$'; echo "KILL $?"
sh -c 'kill -SEGV $$' 2>/dev/null; echo "SEGV $?"
sh -c 'trap "echo woken" USR1; (sleep 0.1; kill -USR1 $$) & wait $!; echo "wait ended"; wait'

echo "== stopping and continuing"
sh -c 'kill -STOP $$; exit 5' & stopped=$!
until grep -q '^State:.T' /proc/$stopped/status; do :; done
kill -CONT $stopped; wait $stopped; echo "continued $?"

echo "== functions and expansion"
f() { local x=$1; echo "f $x $# $*"; return 6; }
f a 'b c'; echo "returned $?"
path=/usr/lib/file.tar.gz
echo "${path##*/} ${path%/*} ${path%%.*} ${#path} ${unset:-default} ${path:+set}"
IFS=:; set -- $(echo a:b:c); echo "$# $2"; IFS=' 	
'
echo $((0x1f + 010)) $((7 / 2)) $((-7 % 3)) $((1 << 20))
touch a.c b.c .hidden; echo *.c; echo [!a].c; echo *.none
case "$path" in *.zip) echo zip ;; *.tar.*) echo tarball ;; esac
umask 027; : >masked; stat -c %a masked
cd / && pwd; cd - >/dev/null
(cd /usr/bin && pwd -P)
i=0; while :; do i=$((i + 1)); [ $i -eq 3 ] && continue; [ $i -gt 5 ] && break; printf '%d ' $i; done; echo
eval 'a="x y"; echo "$a"'
set -e; (false; echo not reached) || echo "set -e does not count here"
set -u; (echo "$nothing") 2>/dev/null || echo "unset variable"
trap 'echo "the end: $?"' EXIT
exit 3
