# SPDX-License-Identifier: Apache-2.0
#
# Sourced by ./lane. run_tests: boots L1, follows its console, brings the reports back, and ends ./lane with the result.

emulator=

end_emulator() {
  [ -z "$emulator" ] || kill -KILL "$emulator" 2>/dev/null || :
  wait 2>/dev/null || :
  emulator=
  $keep || rm -f "$work"/*.ext4 "$work/reports.tar"
}

# As one process, whose end is the end of all of it. Flags as measured to be reliable; EPYC is a processor that TCG emulates well, with SVM and nested paging.
start_emulator() {
  local firmware="$debian/usr/share"
  QEMU_MODULE_DIR="$debian/usr/lib/x86_64-linux-gnu/qemu" \
    debian_exec usr/bin/qemu-system-x86_64 qemu-system-x86_64 \
    -L "$firmware/seabios" -L "$firmware/qemu" -L "$debian/usr/lib/ipxe/qemu" \
    -M q35 -accel tcg,thread=multi,tb-size=1024 -cpu EPYC,+svm,+npt -m 2048 -smp 2 \
    -nodefaults -no-user-config -display none -no-reboot -serial "file:$work/console.log" \
    -kernel "$base/vmlinux" -initrd "$base/initrd.cpio" \
    -append "console=ttyS0 reboot=t panic=-1 nokaslr mitigations=off random.trust_cpu=on quiet" \
    -drive "file=$base/root.ext4,if=virtio,format=raw,readonly=on" \
    -drive "file=$work/project.ext4,if=virtio,format=raw,readonly=on" \
    -drive "file=$work/reports.tar,if=virtio,format=raw,cache=unsafe" \
    -drive "file=$work/tmp.ext4,if=virtio,format=raw,cache=unsafe" \
    >"$work/qemu.log" 2>&1 8>&- 9>&- &
  emulator=$!
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

# Follows one run of L1 to its end. 0: L1 told its result; 1: it did not.
follow() {
  local deadline=$((SECONDS + limit)) at=$SECONDS done failed stage
  progressed=$SECONDS
  while kill -0 "$emulator" 2>/dev/null && [ $SECONDS -lt $deadline ]; do
    sleep 0.2
    stage="$(sed -n 's/^LANE stage \([^(]*\) (.*/\1/p' "$work/console.log" | tail -n 1)"
    done="$(grep -cE ' :: (SUCCESSFUL|FAILED|ABORTED)' "$work/console.log" || :)"
    failed="$(grep -cE ' :: FAILED' "$work/console.log" || :)"
    progress "$((SECONDS - at)) s: ${stage:-L1 starts}, $done tests done, $failed failed"
  done
  [ ! -t 1 ] || echo
  if grep -q '^LANE end' "$work/console.log"; then
    return 0
  elif grep -q 'Kernel panic' "$work/console.log"; then
    say "L1's kernel panicked: $(grep -m 1 'Kernel panic' "$work/console.log")" >&2
  elif kill -0 "$emulator" 2>/dev/null; then
    say "L1 did not end within $limit s; its last line: $(tail -n 1 "$work/console.log")" >&2
  else
    say "QEMU ended before L1 did; its last words: $(tail -n 3 "$work/qemu.log")" >&2
  fi
  return 1
}

run_tests() {
  local try end
  trap end_emulator EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  for try in 1 2; do
    rm -rf "$work/reports" "$work/reports.tar"
    : >"$work/console.log"
    truncate -s 64M "$work/reports.tar"
    mkdir -p "$work/nothing"
    make_disk "$work/nothing" "$work/tmp.ext4" 1024
    start_emulator
    if follow; then
      break
    fi
    cp "$work/console.log" "$work/console-$try.log"
    kill -KILL "$emulator" 2>/dev/null || :
    wait "$emulator" 2>/dev/null || :
    emulator=
    [ "$try" -eq 1 ] || stop "L1 did not finish twice; see $work/console-1.log and console-2.log"
    say "trying once more"
  done
  wait "$emulator" 2>/dev/null || :
  emulator=
  end="$(sed -n 's/^LANE end //p' "$work/console.log" | tr -d '\r' | head -n 1)"
  case "$end" in error:*) stop "L1: ${end#error: }" ;; esac
  mkdir -p "$work/reports"
  tar -x -C "$work/reports" -f "$work/reports.tar" 2>/dev/null || :
  report "$end"
}

report() {
  echo
  # Of each failure what it says; where it was is in the reports.
  tr -d '\r' <"$work/console.log" | awk '
    /^JUnit .* :: / { shown = / :: (FAILED|ABORTED)$/ }
    /^LANE / || /^\t\t?at / { shown = 0 }
    shown'
  totals
  case "$1" in
    0 | 1) exit "$1" ;;
    2) stop "no test has the tag $tag${selection[*]:+ in ${selection[*]}}" ;;
    *) stop "the tests' JVM ended with $1; see $work/console.log" ;;
  esac
}

totals() {
  find "$work/reports" -name 'TEST-*.xml' -exec grep -h '<testsuite ' {} + | awk -v seconds=$((SECONDS - started)) '
    function attribute(name) { return match($0, " " name "=\"[0-9]+\"") ? substr($0, RSTART + length(name) + 3, RLENGTH - length(name) - 4) : 0 }
    { tests += attribute("tests"); failures += attribute("failures"); errors += attribute("errors"); skipped += attribute("skipped") }
    END {
      printf "On an emulated kvm_amd, %d s:\n", seconds
      printf "Tests run: %d, Failures: %d, Errors: %d, Skipped: %d\n", tests, failures, errors, skipped
    }'
}
