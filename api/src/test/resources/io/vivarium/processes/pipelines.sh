# Pipelines, substitutions, here-documents, redirections.
set -u
echo hello | busybox tr a-z A-Z | busybox wc -c
busybox yes | busybox head -n 3
busybox seq 1 1000 | busybox xargs -n 100 busybox echo | busybox wc -l
x=$(echo inner | { read y; echo "[$y]"; })
echo "$x" "$(echo a; (echo b; exit 3); echo $?)"
busybox cat <<END
here $((1 + 2)) $(echo document)
END
busybox cat <<-'END'
	no $substitution
END
busybox seq 1 20000 | busybox sort -r | busybox uniq | busybox tail -n 1
exec 3>/tmp/third
echo to three >&3
(echo also to three >&3)
exec 3>&-
busybox cat /tmp/third
busybox rm /tmp/third
{ echo out; echo err >&2; } 2>&1 | busybox sort
busybox true | busybox false; echo "last of a pipeline: $?"
! busybox false; echo "not: $?"
busybox seq 1 5 | while read i; do [ "$i" = 3 ] && break; echo "loop $i"; done
nothing_of_this_name 2>/dev/null; echo "not found: $?"
/tmp 2>/dev/null; echo "not executable: $?"
exit 9
