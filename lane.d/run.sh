# SPDX-License-Identifier: Apache-2.0
#
# Sourced by ./lane. run_tests: boots one L1 or several that share the tests, follows their consoles, brings the reports
# back, and ends ./lane with the result. What starts L1 is of qemu.sh or bochs.sh.

# Of each machine by its number: the emulator's process while it runs, when its console was heard last and what size that
# had, which try it is, and what it has used of the processors in this try, in seconds.
declare -A emulator=() heard=() size=() try=() spent=()
used_before=0
first_test=

# What one machine has for itself.
machine_directory() {
  echo "$work/machine-$1"
}

end_emulator() {
  # bash tells of a job that was killed.
  { [ -z "${emulator[$1]:-}" ] || { kill -KILL "${emulator[$1]}"; wait "${emulator[$1]}"; }; } 2>/dev/null || :
  unset "emulator[$1]"
}

clean_up() {
  local machine
  for machine in "${!emulator[@]}"; do
    end_emulator "$machine"
  done
  $keep || rm -rf "$work"/machine-*/{tmp.ext4,files,reports.tar.gz,l1.iso,cd,tree} "$work/project.ext4"
}

# One line that is written over, on a terminal; else a line every ten seconds.
progress() {
  if [ -t 1 ]; then
    printf '\r\033[Klane: %s' "$1"
  elif [ $((SECONDS - progressed)) -ge 10 ]; then
    progressed=$SECONDS
    say "$1"
  fi
}

# What the emulators have had of the processors, in seconds: that does not depend on what else this machine does.
processor_time() {
  local sum=$used_before each
  for each in "${spent[@]}"; do
    sum=$((sum + each))
  done
  echo "$sum"
}

# The same of one that runs.
processor_time_of() {
  # Bochs is the child of its terminal.
  local process
  process="$(pgrep -P "$1" || echo "$1")"
  # proc_pid_stat(5): utime and stime are the 12th and 13th field behind the name.
  sed 's/.*) //' "/proc/$process/stat" 2>/dev/null | awk -v ticks="$(getconf CLK_TCK)" '{ printf "%d", ($12 + $13) / ticks }' || :
}

# What a console says last, as a line of text.
last_line() {
  tail -n 1 "$1" | tr -d '\r' | cut -c 1-200
}

# What the emulator writes is lost from then on, and L1 seems to hang.
full_disk() {
  [ "$(df -Pk "$work" | awk 'NR == 2 { print $4 }')" -lt 1024 ]
}

start_machine() {
  local directory
  directory="$(machine_directory "$1")"
  : >"$directory/console.log"
  : >"$directory/reports.tar.gz"
  heard[$1]=$SECONDS
  size[$1]=0
  spent[$1]=0
  start_emulator "$1" "$directory"
}

# Looks after one machine: it runs on, has ended and told its result, or is started once more.
watch_machine() {
  local machine="$1" directory console now
  directory="$(machine_directory "$machine")"
  console="$directory/console.log"
  now="$(processor_time_of "${emulator[$machine]}")"
  spent[$machine]="${now:-${spent[$machine]}}"
  now="$(stat -c %s "$console")"
  if [ "$now" -ne "${size[$machine]}" ]; then
    size[$machine]="$now"
    heard[$machine]=$SECONDS
  fi
  if grep -q '^LANE end' "$console"; then
    # It has been told to end, and what it sent is written.
    for _ in {1..50}; do
      kill -0 "${emulator[$machine]}" 2>/dev/null || break
      sleep 0.1
    done
    end_emulator "$machine"
    return
  elif grep -q 'Kernel panic' "$console"; then
    # It has nothing to add, and not everyone that restarts then ends the emulator.
    say "L1's kernel panicked: $(grep -m 1 -o 'Kernel panic.*' "$console" | tr -d '\r')" >&2
  elif ! kill -0 "${emulator[$machine]}" 2>/dev/null; then
    say "the emulator ended before L1 did; its last words: $(tail -n 3 "$directory/emulator.log")" >&2
  elif [ $SECONDS -ge "$deadline" ]; then
    say "L1 did not end within the limit of $limit s; its last line: $(last_line "$console")" >&2
  elif [ $((SECONDS - heard[$machine])) -ge "$silence" ]; then
    say "L1 hangs: nothing from it for $silence s; its last line: $(last_line "$console")" >&2
  else
    return 0
  fi
  end_emulator "$machine"
  cp "$console" "$directory/console-${try[$machine]}.log"
  used_before=$((used_before + spent[$machine]))
  [ $SECONDS -lt "$deadline" ] || stop "the limit of $limit s is over; see $directory/console-${try[$machine]}.log"
  [ "${try[$machine]}" -eq 1 ] || stop "L1 did not finish twice; see $directory/console-1.log and console-2.log"
  say "trying once more"
  try[$machine]=2
  start_machine "$machine"
}

show_progress() {
  local stage done failed
  stage="$(sed -n 's/^LANE stage \([^(]*\) (.*/\1/p' "$work"/machine-1/console.log | tail -n 1)"
  done="$(cat "$work"/machine-*/console.log | grep -cE ' :: (SUCCESSFUL|FAILED|ABORTED)' || :)"
  failed="$(cat "$work"/machine-*/console.log | grep -cE ' :: FAILED' || :)"
  progress "$((SECONDS - at)) s: ${stage:-L1 starts}, $done tests done, $failed failed"
  if [ -z "$first_test" ] && grep -q '^JUnit .* :: ' "$work"/machine-*/console.log; then
    first_test="$((SECONDS - started)) s"
  fi
}

run_tests() {
  local machine at=$SECONDS
  deadline=$((SECONDS + limit))
  progressed=$SECONDS
  trap clean_up EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  rm -rf "$work/reports" "$work"/machine-*
  prepare_project
  deal_classes
  for machine in $(seq "$machines"); do
    prepare_machine "$machine" "$(machine_directory "$machine")"
    try[$machine]=1
    start_machine "$machine"
  done
  while [ "${#emulator[@]}" -gt 0 ]; do
    sleep 1
    ! full_disk || stop "the disk of $work is full"
    for machine in "${!emulator[@]}"; do
      watch_machine "$machine"
    done
    show_progress
  done
  [ ! -t 1 ] || echo
  collect_reports
}

# Brings together what the machines say, and judges it.
collect_reports() {
  local machine directory end result=2
  mkdir -p "$work/reports"
  for machine in $(seq "$machines"); do
    directory="$(machine_directory "$machine")"
    # The kernel may already say that it restarts, on the same line.
    end="$(sed -n 's/^LANE end //p' "$directory/console.log" | tr -d '\r' | sed 's/\[ *[0-9.]*\] reboot:.*//' | head -n 1)"
    case "$end" in
      0) [ "$result" -ne 2 ] || result=0 ;;
      1) result=1 ;;
      2) ;; # of its classes no test is left
      error:*) stop "L1: ${end#error: }" ;;
      *) stop "the tests' JVM ended with $end; see $directory/console.log" ;;
    esac
    tar -x -z -C "$work/reports" -f "$directory/reports.tar.gz" || stop "the reports did not arrive whole: see $directory/console.log"
  done
  name_reports
  report
  [ "$result" -ne 2 ] || stop "no test has the tag $tag${selection[*]:+ in ${selection[*]}}"
  exit "$result"
}

# A suite's name says which tests it has, and where they ran.
name_reports() {
  local file class
  for file in "$work"/reports/TEST-*.xml; do
    [ -e "$file" ] || continue
    class="${file##*/TEST-}"
    sed -i "s/<testsuite name=\"[^\"]*\"/<testsuite name=\"${class%.xml} on an emulated $kvm_module\"/" "$file"
  done
}

report() {
  echo
  # Of each failure what it says; where it was is in the reports.
  cat "$work"/machine-*/console.log | tr -d '\r' | awk '
    /^JUnit .* :: / { shown = / :: FAILED$/ }
    /^LANE / || /^\t\t?at / { shown = 0 }
    shown'
  skips
  totals
  if grep -q 'No space left on device' "$work"/machine-*/console.log; then
    say "a disk of L1 was full: No space left on device" >&2
  fi
}

# Why tests did not run, and how many.
skips() {
  find "$work/reports" -name 'TEST-*.xml' -exec sed -n 's/.*<skipped><!\[CDATA\[\([^]]*\).*/\1/p; s/.*<skipped message="\([^"]*\)".*/\1/p' {} + |
    sed 's/^org.opentest4j.TestAbortedException: //; s/^Assumption failed: //' | sort | uniq -c | sort -rn |
    awk '{ count = $1; $1 = ""; printf "Skipped: %d,%s\n", count, $0 }'
  echo "Left out: tests with the tag $left_out (docs/two-worlds.md)"
}

totals() {
  find "$work/reports" -name 'TEST-*.xml' -exec grep -h '<testsuite ' {} + |
    awk -v module="$kvm_module" -v seconds=$((SECONDS - started)) -v first="${first_test:-?}" -v used="$(processor_time)" '
    function attribute(name) { return match($0, " " name "=\"[0-9]+\"") ? substr($0, RSTART + length(name) + 3, RLENGTH - length(name) - 4) : 0 }
    { tests += attribute("tests"); failures += attribute("failures"); errors += attribute("errors"); skipped += attribute("skipped") }
    END {
      printf "On an emulated %s, %d s, %d s on processors; the first test after %s:\n", module, seconds, used, first
      printf "Tests run: %d, Failures: %d, Errors: %d, Skipped: %d\n", tests, failures, errors, skipped
    }'
}
