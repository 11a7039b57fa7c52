# SPDX-License-Identifier: Apache-2.0
#
# Sourced by ./lane. L1 in QEMU: a processor of AMD with SVM and nested paging, under TCG.

kvm_module=kvm_amd

# Kept as long as it would be the same.
prepare_project() {
  local content
  content="$(project_content | sha256sum)"
  if [ "$content" != "$(cat "$work/project.content" 2>/dev/null)" ] || [ ! -e "$work/project.ext4" ]; then
    need_space "$work" 400
    rm -f "$work/project.content"
    lay_out_project "$work/project"
    make_disk "$work/project" "$work/project.ext4" 8
    rm -rf "$work/project"
    echo "$content" >"$work/project.content"
  fi
}

prepare_machine() {
  need_space "$work" 100
}

# start_emulator <machine> <its directory>: as one process, whose end is the end of all of it. Flags as measured to be
# reliable; EPYC is a processor that TCG emulates well. One processor: with two, each waits for the other more than it
# helps, for a third more time in all; other machines are what uses other processors. tsc=reliable: Linux mistrusts the
# time-stamp counter of a processor that it does not know to have a good one, and KVM then forgets what a restore writes
# to a guest's. A host's full disk is an error for L1; by default the machine would stop until there is room.
start_emulator() {
  local machine="$1" directory="$2" firmware="$debian/usr/share"
  make_disk "$directory/files" "$directory/tmp.ext4" "$tmp_size"
  # shellcheck disable=SC2086
  QEMU_MODULE_DIR="$debian/usr/lib/x86_64-linux-gnu/qemu" \
    packaged_exec "$debian" usr/bin/qemu-system-x86_64 qemu-system-x86_64 \
    -L "$firmware/seabios" -L "$firmware/qemu" -L "$debian/usr/lib/ipxe/qemu" \
    -M q35 -accel tcg,thread=multi,tb-size=1024 -cpu EPYC,+svm,+npt -m 2048 -smp 1 \
    -nodefaults -no-user-config -display none -no-reboot \
    -serial "file:$directory/console.log" -serial "file:$directory/reports.tar.gz" \
    -kernel "$base/vmlinux" -initrd "$base/amd.cpio" \
    -append "console=ttyS0 reboot=t panic=-1 nokaslr mitigations=off random.trust_cpu=on tsc=reliable quiet $append" \
    -drive "file=$base/root.ext4,if=virtio,format=raw,readonly=on" \
    -drive "file=$work/project.ext4,if=virtio,format=raw,readonly=on" \
    -drive "file=$directory/tmp.ext4,if=virtio,format=raw,cache=unsafe,werror=report" \
    >"$directory/emulator.log" 2>&1 8>&- 9>&- &
  emulator[$machine]=$!
}
