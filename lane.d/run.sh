# SPDX-License-Identifier: Apache-2.0
#
# Sourced by ./lane. run_tests: boots L1, follows its console, brings the reports back, and ends ./lane with the result.
# What starts L1 is of qemu.sh or bochs.sh.

emulator=
console="$work/console.log"

end_emulator() {
  # bash tells of a job that was killed.
  { [ -z "$emulator" ] || kill -KILL "$emulator"; wait; } 2>/dev/null || :
  emulator=
}

clean_up() {
  end_emulator
  $keep || rm -rf "$work"/{project,tmp}.ext4 "$work"/{cd,tree,l1.iso,project.cpio} "$work/reports.tar.gz"
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

# What the emulator has had of the processors, in seconds: that does not depend on what else this machine does.
processor_time() {
  # Bochs is the child of its terminal.
  local process
  process="$(pgrep -P "$emulator" || echo "$emulator")"
  # proc_pid_stat(5): utime and stime are the 12th and 13th field behind the name.
  sed 's/.*) //' "/proc/$process/stat" 2>/dev/null | awk -v ticks="$(getconf CLK_TCK)" '{ printf "%d s", ($12 + $13) / ticks }' || :
}

# What the console says last, as a line of text.
last_line() {
  tail -n 1 "$console" | tr -d '\r' | cut -c 1-200
}

# What the emulator writes is lost from then on, and L1 seems to hang.
full_disk() {
  [ "$(df -Pk "$work" | awk 'NR == 2 { print $4 }')" -lt 1024 ]
}

# Follows one run of L1 to its end. 0: L1 told its result; 1: it did not.
follow() {
  local at=$SECONDS heard=$SECONDS size=0 now=0 done failed stage used
  progressed=$SECONDS
  while kill -0 "$emulator" 2>/dev/null && [ $SECONDS -lt "$deadline" ] && [ $((SECONDS - heard)) -lt "$silence" ]; do
    sleep 1
    ! full_disk || stop "the disk of $work is full"
    now="$(stat -c %s "$console")"
    if [ "$now" -ne "$size" ]; then
      size="$now"
      heard=$SECONDS
    fi
    stage="$(sed -n 's/^LANE stage \([^(]*\) (.*/\1/p' "$console" | tail -n 1)"
    done="$(grep -cE ' :: (SUCCESSFUL|FAILED|ABORTED)' "$console" || :)"
    failed="$(grep -cE ' :: FAILED' "$console" || :)"
    progress "$((SECONDS - at)) s: ${stage:-L1 starts}, $done tests done, $failed failed"
    if [ -z "$first_test" ] && grep -q '^JUnit .* :: ' "$console"; then
      first_test="$((SECONDS - started)) s, $(processor_time) of them on a processor"
    fi
    # A kernel that panicked has nothing to add, and not everyone that restarts then ends the emulator.
    used="$(processor_time)"
    used_time="${used:-$used_time}"
    if grep -q -e '^LANE end' -e 'Kernel panic' "$console"; then
      sleep 1
      break
    fi
  done
  [ ! -t 1 ] || echo
  if grep -q '^LANE end' "$console"; then
    return 0
  elif grep -q 'Kernel panic' "$console"; then
    say "L1's kernel panicked: $(grep -m 1 -o 'Kernel panic.*' "$console" | tr -d '\r')" >&2
  elif ! kill -0 "$emulator" 2>/dev/null; then
    say "the emulator ended before L1 did; its last words: $(tail -n 3 "$work/emulator.log")" >&2
  elif [ $SECONDS -ge "$deadline" ]; then
    say "L1 did not end within the limit of $limit s; its last line: $(last_line)" >&2
  else
    say "L1 hangs: nothing from it for $silence s; its last line: $(last_line)" >&2
  fi
  return 1
}

run_tests() {
  local try end
  deadline=$((SECONDS + limit))
  first_test=
  used_time=0
  trap clean_up EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  rm -rf "$work/reports" "$work"/console-*.log
  prepare_emulator
  for try in 1 2; do
    : >"$console"
    : >"$work/reports.tar.gz"
    start_emulator
    if follow; then
      break
    fi
    cp "$console" "$work/console-$try.log"
    end_emulator
    [ $SECONDS -lt "$deadline" ] || stop "the limit of $limit s is over; see $work/console-$try.log"
    [ "$try" -eq 1 ] || stop "L1 did not finish twice; see $work/console-1.log and console-2.log"
    say "trying once more"
  done
  # It has been told to end, and what it sent is written.
  for try in {1..50}; do
    kill -0 "$emulator" 2>/dev/null || break
    sleep 0.1
  done
  end_emulator
  # The kernel may already say that it restarts, on the same line.
  end="$(sed -n 's/^LANE end //p' "$console" | tr -d '\r' | sed 's/\[ *[0-9.]*\] reboot:.*//' | head -n 1)"
  case "$end" in error:*) stop "L1: ${end#error: }" ;; esac
  mkdir -p "$work/reports"
  tar -x -z -C "$work/reports" -f "$work/reports.tar.gz" || stop "the reports did not arrive whole: see $console"
  name_reports
  report "$end"
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
  tr -d '\r' <"$console" | awk '
    /^JUnit .* :: / { shown = / :: FAILED$/ }
    /^LANE / || /^\t\t?at / { shown = 0 }
    shown'
  skips
  totals
  if grep -q 'No space left on device' "$console"; then
    say "a disk of L1 was full: No space left on device" >&2
  fi
  case "$1" in
    0 | 1) exit "$1" ;;
    2) stop "no test has the tag $tag${selection[*]:+ in ${selection[*]}}" ;;
    *) stop "the tests' JVM ended with $1; see $console" ;;
  esac
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
    awk -v module="$kvm_module" -v seconds=$((SECONDS - started)) -v first="${first_test:-?}" -v used="$used_time" '
    function attribute(name) { return match($0, " " name "=\"[0-9]+\"") ? substr($0, RSTART + length(name) + 3, RLENGTH - length(name) - 4) : 0 }
    { tests += attribute("tests"); failures += attribute("failures"); errors += attribute("errors"); skipped += attribute("skipped") }
    END {
      printf "On an emulated %s, %d s, %s of them on a processor; the first test after %s:\n", module, seconds, used, first
      printf "Tests run: %d, Failures: %d, Errors: %d, Skipped: %d\n", tests, failures, errors, skipped
    }'
}
