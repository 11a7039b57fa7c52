# SPDX-License-Identifier: Apache-2.0
# What bash has beyond POSIX.
cd "$(mktemp -d)" || exit 1
shopt -s extglob nullglob globstar

echo "== arrays"
a=(zero one "two words" three); echo "${#a[@]} ${a[2]} ${a[-1]} ${a[@]:1:2}"
declare -A map=([x]=1 [y]=2); map[z]=3; for k in $(printf '%s\n' "${!map[@]}" | sort); do echo "$k=${map[$k]}"; done
mapfile -t lines < <(printf 'l1\nl2\nl3\n'); echo "${#lines[@]} ${lines[1]}"
readarray -d : -t parts <<<"a:b:c"; echo "${parts[*]}"

echo "== process substitution"
diff <(seq 1 5) <(seq 2 6)
tee >(wc -c >count) >(md5sum >sum) < <(printf 'teed') >/dev/null; while [ ! -s count ] || [ ! -s sum ]; do :; done; cat count sum
paste <(seq 3) <(seq 4 6)

echo "== coprocess"
coproc BC { while read -r line; do echo "got $line"; done; }
echo hello >&"${BC[1]}"; read -r answer <&"${BC[0]}"; echo "$answer"
exec {fd}>&"${BC[1]}"; exec {fd}>&-; eval "exec ${BC[1]}>&-"; wait "$BC_PID"; echo "coproc $?"

echo "== waiting"
(exit 4) & (exit 4) & wait -n; echo "wait -n $?"; wait -n; echo "wait -n $?"; wait -n 2>/dev/null; echo "wait -n $?"
false | (exit 3) | true; echo "${PIPESTATUS[@]}"
set -o pipefail; false | true; echo "pipefail $?"; set +o pipefail
time_out=$(timeout 0.2 sleep 60; echo $?); echo "timeout $time_out"
timeout -s KILL 0.2 sleep 60; echo "timeout -s KILL $?"
read -t 0.1 -r nothing < <(sleep 1); echo "read -t $(( $? > 128 ))"

echo "== job control"
set -m
sleep 60 & job=$!
kill -STOP $job; until [[ $(jobs -l %1) == *Stopped* ]]; do :; done; jobs %1
kill -CONT $job; until [[ $(jobs -l %1) == *Running* ]]; do :; done; jobs %1
kill %1; wait %1 2>/dev/null; echo "killed $?"
(kill -TSTP $BASHPID; echo "went on"; exit 8) & until [[ $(jobs %1) == *Stopped* ]]; do :; done
bg %1 >/dev/null; wait %1; echo "after bg $?"
set +m

echo "== traps"
trap 'echo "ERR $?"' ERR; false; trap - ERR
trap 'echo "DEBUG $BASH_COMMAND"' DEBUG; : one; trap - DEBUG
trap 'echo "CHLD"' CHLD; (exit 0) & wait $!; trap - CHLD
for s in HUP INT QUIT USR1 USR2 ALRM TERM; do trap "echo got $s" $s; kill -$s $$; done; trap -p | sort | head -3
bash -c 'trap "echo int; exit 2" INT; kill -INT $$; sleep 5'; echo "INT $?"

echo "== matching and formatting"
[[ "2024-03-15" =~ ^([0-9]+)-([0-9]+)-([0-9]+)$ ]] && echo "${BASH_REMATCH[3]}.${BASH_REMATCH[2]}.${BASH_REMATCH[1]}"
touch x.c y.h z.txt; echo !(*.c|*.h|count|sum); mkdir -p d/e; touch d/e/f; echo **/f
s=Hello; echo "${s,,} ${s^^} ${s/l/L} ${s//l/_} ${s:1:3}"
printf -v padded '%05d|%-6s|%x|%q' 42 ab 255 'a b'; echo "$padded"
printf '%(%Y-%m-%d)T\n' 86400
echo {a,b}{1..3} {01..05..2}
x=10; ((x += 5, x *= 2)); echo "$x $((x ** 2)) $((x > 5 ? 1 : 0))"
select_one() { select c in red green; do echo "chose $c"; break; done; }; echo 2 | select_one 2>/dev/null
echo "$(<x.c)" | wc -c
ulimit -n 64; ulimit -n; (ulimit -v 100000; ulimit -v)
exec 9<>/dev/tcp/127.0.0.1/1 2>/dev/null || echo "nobody listens"
