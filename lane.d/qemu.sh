# SPDX-License-Identifier: Apache-2.0
#
# Sourced by ./lane. L1 in QEMU: a processor of AMD with SVM and nested paging, under TCG.

kvm_module=kvm_amd

prepare_emulator() {
  need_space "$work" 400
  lay_out_project "$work/project"
  make_disk "$work/project" "$work/project.ext4" 8
  rm -rf "$work/project"
}

# As one process, whose end is the end of all of it. Flags as measured to be reliable; EPYC is a processor that TCG
# emulates well. tsc=reliable: Linux mistrusts the time-stamp counters of an AMD machine with two processors, and KVM then
# forgets what a restore writes to a guest's. Under TCG both are the same clock. A host's full disk is an error for L1;
# by default the machine would stop until there is room.
start_emulator() {
  local firmware="$debian/usr/share"
  mkdir -p "$work/nothing"
  make_disk "$work/nothing" "$work/tmp.ext4" "$tmp_size"
  # shellcheck disable=SC2086
  QEMU_MODULE_DIR="$debian/usr/lib/x86_64-linux-gnu/qemu" \
    packaged_exec "$debian" usr/bin/qemu-system-x86_64 qemu-system-x86_64 \
    -L "$firmware/seabios" -L "$firmware/qemu" -L "$debian/usr/lib/ipxe/qemu" \
    -M q35 -accel tcg,thread=multi,tb-size=1024 -cpu EPYC,+svm,+npt -m 2048 -smp 2 \
    -nodefaults -no-user-config -display none -no-reboot \
    -serial "file:$work/console.log" -serial "file:$work/reports.tar.gz" \
    -kernel "$base/vmlinux" -initrd "$base/amd.cpio" \
    -append "console=ttyS0 reboot=t panic=-1 nokaslr mitigations=off random.trust_cpu=on tsc=reliable quiet $append" \
    -drive "file=$base/root.ext4,if=virtio,format=raw,readonly=on" \
    -drive "file=$work/project.ext4,if=virtio,format=raw,readonly=on" \
    -drive "file=$work/tmp.ext4,if=virtio,format=raw,cache=unsafe,werror=report" \
    >"$work/emulator.log" 2>&1 8>&- 9>&- &
  emulator=$!
}
