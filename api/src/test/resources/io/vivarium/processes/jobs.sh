# Background jobs, wait, the exit codes of signals.
busybox sleep 100 & victim=$!
# bash tells of the end of a job when it notices it, before the wait or in it.
{ kill -9 $victim; wait $victim; killed=$?; } 2>/dev/null
echo "killed: $killed"
busybox sh -c 'kill -TERM $$'
echo "terminated: $?"
busybox sh -c 'exit 42'
echo "exited: $?"
for i in 1 2 3; do (exit $i) & done
wait
echo "all: $?"
(exit 5) & first=$!
(busybox usleep 20000; exit 6) & second=$!
wait $second; echo "second: $?"
wait $first; echo "first: $?"
wait 99999 2>/dev/null; echo "nobody: $?"
kill -0 $$ && echo alive
kill -0 $victim 2>/dev/null || echo gone
(busybox sh -c '(busybox usleep 20000; echo orphan) & exit 0'; echo left) | busybox sort
busybox timeout 60 busybox true; echo "in time: $?"
busybox timeout -s KILL 0.05 busybox sleep 100; echo "too late: $?"
