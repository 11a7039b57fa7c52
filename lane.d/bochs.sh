# SPDX-License-Identifier: Apache-2.0
#
# Sourced by ./lane. L1 in Bochs: a processor of Intel with VMX and EPT, interpreted, some twenty times slower than QEMU's.
# Not its Skylake: machines need XSAVE, and KVM offers none (KVM_CAP_XCRS) in that one. L1 starts from a CD, and has no
# disk that the kernel has a driver for: all is in the initial RAM disk.

kvm_module=kvm_intel

prepare_project() { :; }

# prepare_machine <machine> <its directory>
prepare_machine() {
  local directory="$2" cd="$2/cd" tree="$2/tree" modules="$bochs/usr/lib/syslinux/modules/bios"
  need_space "$work" 800
  mkdir -p "$cd/isolinux" "$tree"
  lay_out_project "$tree/project"
  cp "$directory/files/classes" "$tree/project/"
  # Archives one behind the other are one; later files win, so that /init and /modules are of the first.
  archive "$tree" "$tree.cpio"
  cat "$base/root.cpio" "$tree.cpio" "$base/intel.cpio" >"$cd/initrd"
  rm -rf "$tree" "$tree.cpio"
  cp "$debian"/boot/vmlinuz-* "$cd/vmlinuz"
  cp "$bochs/usr/lib/ISOLINUX/isolinux.bin" "$modules/ldlinux.c32" "$cd/isolinux/"
  cat >"$cd/isolinux/isolinux.cfg" <<CONFIGURATION
DEFAULT l1
LABEL l1
  KERNEL /vmlinuz
  INITRD /initrd
  APPEND console=ttyS0 reboot=t panic=-1 nokaslr mitigations=off random.trust_cpu=on tsc=reliable quiet $append
CONFIGURATION
  packaged_run "$bochs" usr/bin/xorriso xorriso -as mkisofs -quiet -o "$directory/l1.iso" -b isolinux/isolinux.bin -c isolinux/boot.cat \
    -no-emul-boot -boot-load-size 4 -boot-info-table -input-charset utf-8 "$cd" >"$directory/xorriso.log" 2>&1 ||
    stop "no CD could be made: $directory/xorriso.log"
  rm -rf "$cd"
  # Debian's Bochs has the debugger, which waits for a word.
  echo c >"$directory/bochs.rc"
  cat >"$directory/bochsrc" <<CONFIGURATION
config_interface: textconfig
display_library: term
memory: guest=1536, host=1536
romimage: file=$bochs/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=$bochs/usr/share/vgabios/vgabios.bin
cpu: model=broadwell_ult, count=1, ips=100000000, reset_on_triple_fault=0
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=cdrom, path=$directory/l1.iso, status=inserted
boot: cdrom
clock: sync=none, time0=local
com1: enabled=1, mode=file, dev=$directory/console.log
com2: enabled=1, mode=file, dev=$directory/reports.tar.gz
log: $directory/bochs.log
panic: action=fatal
error: action=report
info: action=ignore
debug: action=ignore
pci: enabled=1, chipset=i440fx
sound: waveoutdrv=dummy, waveindrv=dummy, midioutdrv=dummy
speaker: enabled=0
CONFIGURATION
}

# start_emulator <machine> <its directory>. Its display wants a terminal of some size, which script(1) makes. Bochs ends when that does.
start_emulator() {
  local machine="$1" directory="$2"
  local loader="$bochs/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2" libraries="$bochs/lib/x86_64-linux-gnu:$bochs/usr/lib/x86_64-linux-gnu"
  local command
  printf -v command '%q ' setpriv --pdeathsig KILL "$loader" --argv0 bochs --library-path "$libraries" "$bochs/usr/bin/bochs-bin" \
    -q -f "$directory/bochsrc" -rc "$directory/bochs.rc"
  TERM=xterm LTDL_LIBRARY_PATH="$bochs/usr/lib/x86_64-linux-gnu/bochs/plugins" \
    setpriv --pdeathsig KILL script -qefc "stty rows 50 cols 160; exec $command" /dev/null \
    </dev/null >"$directory/emulator.log" 2>&1 8>&- 9>&- &
  emulator[$machine]=$!
  read_display "$!" "$directory" >/dev/null 2>&1 8>&- 9>&- &
}

# read_display <process> <its directory>: the display draws on a second terminal, which Bochs opens and names. Until somebody reads what it drew, it waits.
read_display() {
  local process="$1" directory="$2" screen=
  until [ -n "$screen" ]; do
    sleep 0.2
    kill -0 "$process" || return 0
    screen="$(sed -n 's/^Bochs connected to screen "\(.*\)".*/\1/p' "$directory/emulator.log" | head -n 1)"
  done
  stty -F "$screen" raw -echo
  exec setpriv --pdeathsig KILL cat "$screen"
}
