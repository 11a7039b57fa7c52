# Traps and subshells.
trap 'echo usr1' USR1
kill -USR1 $$
(trap 'echo in the subshell; exit 3' TERM; busybox sh -c 'kill -TERM $PPID'; busybox sleep 1; echo never)
echo "subshell: $?"
trap '' INT
kill -INT $$; echo ignored
busybox sh -c 'kill -INT $$; echo inherited'
trap - INT
busybox sh -c 'trap "echo child exits" EXIT; exit 2'
echo "child: $?"
(kill -USR1 $$) &
wait
trap 'echo the end' EXIT
trap 'echo terminated; exit 7' TERM
kill -TERM $$
echo never
