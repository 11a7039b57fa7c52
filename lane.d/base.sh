# SPDX-License-Identifier: Apache-2.0
#
# Sourced by ./lane. build_base: what L1, the machine that is emulated, has besides the project: kernel, initial RAM disk,
# and a root with busybox, a Java runtime, JUnit, and gcc for the tests that compile programs. In $base, kept by content.
# build_aot_cache: JUnit and the other libraries as the JVM wants them (JEP 483), which halves the time to the first test.

lane_java_modules=java.base,java.compiler,java.instrument,java.logging,java.management,java.xml,jdk.jfr,jdk.management,jdk.unsupported,jdk.zipfs
# Loaded in this order, with what they need.
lane_modules_amd=(virtio_pci virtio_blk kvm-amd)
lane_modules_intel=(kvm-intel)
# Of this machine, for the tests that run them in a guest and beside it. Those that are not here, the tests do without.
lane_programs=(/bin/{bash,bash-static,dash,ls} /usr/bin/{env,ldd,make,sort})

build_base() {
  local key
  key="$( (
    cat "$lane_parts/base.sh" "$lane_parts/init" "$JAVA_HOME/release"
    echo "$debian"
    gcc --version
    dpkg-query -W libc6-dev linux-libc-dev binutils
    sha256sum "${lane_programs[@]}"
  ) 2>&1 | sha256sum | cut -c 1-16)"
  base="$cache/base-$key"
  [ ! -e "$base/.complete" ] || return 0
  say "making L1's root: Java, gcc, busybox (once)"
  need_space "$cache" 900
  rm -rf "$base.new"
  mkdir -p "$base.new/root"
  extract_kernel "$base.new/vmlinux"
  build_initrd "$base.new" amd "${lane_modules_amd[@]}"
  build_initrd "$base.new" intel "${lane_modules_intel[@]}"
  build_root "$base.new/root"
  # Bochs has all in memory: without the compiler.
  archive "$base.new/root" "$base.new/root.cpio"
  copy_gcc "$base.new/root"
  make_disk "$base.new/root" "$base.new/root.ext4" 16
  # What the root has as /java also runs here, to make the cache for it.
  mv "$base.new/root/java" "$base.new/java"
  rm -rf "$base.new/root"
  touch "$base.new/.complete"
  rm -rf "$base"
  mv "$base.new" "$base"
}

# A little-endian 32-bit number: number_at <file> <offset>
number_at() {
  od -An -t u4 -j "$2" -N 4 "$1" | tr -d ' '
}

# The ELF kernel out of a bzImage: under TCG to unpack it here saves a second or two of every boot. Offsets as in
# Documentation/arch/x86/boot.rst: setup_sects, payload_offset, payload_length.
extract_kernel() {
  local image sectors offset length
  image="$(echo "$debian"/boot/vmlinuz-*)"
  sectors="$(od -An -t u1 -j $((0x1f1)) -N 1 "$image" | tr -d ' ')"
  offset=$(((sectors + 1) * 512 + $(number_at "$image" $((0x248)))))
  length="$(number_at "$image" $((0x24c)))"
  # The legacy LZ4 format ends in the unpacked size, which is no block: lz4 complains behind the last byte.
  tail -c "+$((offset + 1))" "$image" | head -c "$((length - 4))" | packaged_run "$debian" usr/bin/lz4 lz4 -dc >"$1" || :
  [ "$(head -c 4 "$1" | od -An -t x1 | tr -d ' ')" = 7f454c46 ] ||
    stop "the kernel in $image is not packed with LZ4, which is what ./lane knows"
}

# archive <directory> <file>: as an initial RAM disk.
archive() {
  (cd "$1" && find . | "$debian/bin/busybox" cpio -o -H newc -R 0:0) >"$2" 2>/dev/null
}

# build_initrd <directory> <amd or intel> <modules>
build_initrd() {
  local directory="$1" ram="$1/initrd" kind="$2" version module number=100
  shift 2
  version="$(basename "$debian"/lib/modules/*)"
  mkdir -p "$ram"/{bin,dev,proc,sys,modules,root}
  cp "$debian/bin/busybox" "$ram/bin/"
  cp "$lane_parts/init" "$ram/init"
  chmod 755 "$ram/init"
  packaged_run "$debian" bin/kmod depmod -b "$debian" "$version"
  packaged_run "$debian" bin/kmod modprobe -d "$debian" -S "$version" --show-depends -a "$@" |
    awk '$1 == "insmod" && !seen[$2]++ { print $2 }' >"$directory/modules"
  while read -r module; do
    strip -g -o "$ram/modules/$number-$(basename "$module")" "$module"
    number=$((number + 1))
  done <"$directory/modules"
  archive "$ram" "$directory/$kind.cpio"
  rm -rf "$ram" "$directory/modules"
}

build_root() {
  local root="$1" applet
  mkdir -p "$root"/{bin,dev,etc,lib64,proc,project,root,run,sys,tmp,usr/bin,usr/lib}
  ln -s usr/lib "$root/lib"
  cp "$debian/bin/busybox" "$root/bin/"
  cp "$lane_parts/init" "$root/init"
  chmod 755 "$root/init"
  for applet in $("$root/bin/busybox" --list); do
    [ -e "$root/bin/$applet" ] || ln -s busybox "$root/bin/$applet"
  done
  echo 'root:x:0:0:root:/root:/bin/sh' >"$root/etc/passwd"
  echo 'root:x:0:' >"$root/etc/group"
  copy_programs "$root" "${lane_programs[@]}"
  # Without a locale Java would write the arguments of programs in ASCII.
  [ ! -d /usr/lib/locale/C.utf8 ] || cp -r --parents /usr/lib/locale/C.utf8 "$root"
  "$JAVA_HOME/bin/jlink" --add-modules "$lane_java_modules" --generate-cds-archive --strip-debug --no-header-files --no-man-pages \
    --output "$root/java" >/dev/null
  copy_libraries "$root" "$root"/java/bin/java "$root"/java/lib/*.so "$root"/java/lib/server/*.so
}

# copy_programs <root> <programs>
copy_programs() {
  local root="$1" program
  shift
  for program in "$@"; do
    [ -e "$program" ] || continue
    # A link to busybox would be written through.
    rm -f "$root/$program"
    cp -L "$program" "$root/$program"
    copy_libraries "$root" "$program"
  done
}

# The C compiler of this machine, as far as it compiles and links C programs.
copy_gcc() {
  local root="$1" program file
  local programs=(gcc)
  for program in cc1 collect2 as ld liblto_plugin.so; do
    programs+=("$(gcc -print-prog-name="$program")")
  done
  for program in "${programs[@]}"; do
    file="$(command -v "$program" || gcc -print-file-name="$program")"
    mkdir -p "$root/$(dirname "$file")"
    cp -L "$file" "$root/$file"
    copy_libraries "$root" "$file"
  done
  # Headers and start files, not the sanitizers and the like.
  dpkg -L libc6-dev linux-libc-dev libcrypt-dev "libgcc-$(gcc -dumpversion)-dev" 2>/dev/null |
    grep -E '^/usr/include/|/lib/gcc/.*/(include/|crt[^/]*\.o$|libgcc[^/]*\.a$)|/([a-zA-Z]*crt[^/]*\.o|lib(c|c_nonshared|m|m-2[^/]*|mvec|pthread|rt|dl)\.a)$' |
    while read -r file; do
      [ ! -f "$file" ] || echo "$file"
    done | tar -c --dereference -T - -f - 2>/dev/null | tar -x -C "$root" -f -
  [ -e "$root/usr/include/stdio.h" ] || stop "gcc's headers are missing: apt install libc6-dev"
}

# copy_libraries <root> <programs>: the shared libraries they need, and the loader.
copy_libraries() {
  local root="$1" library
  shift
  # A script needs none, and ldd says no more than that.
  { ldd "$@" 2>/dev/null || :; } | { grep -oE '/[^ ]*/(lib[^ /]*\.so[^ ]*|ld-linux[^ ]*)' || :; } | sort -u | while read -r library; do
    case "$library" in "$root"/*) continue ;; esac
    mkdir -p "$root/$(dirname "$library")"
    [ -e "$root/$library" ] || cp -L "$library" "$root/$library"
  done
}

# The options that must be the same when the cache is made and when it is used. No machine code in it: it would be this
# processor's, which has instructions that the emulated one has not.
# Nor are classes verified that come straight from the compiler.
lane_jvm_options="-XX:+UnlockDiagnosticVMOptions -XX:-BytecodeVerificationRemote -XX:-AOTAdapterCaching -XX:-AOTStubCaching -XX:+UseSerialGC -XX:TieredStopAtLevel=1 --enable-native-access=ALL-UNNAMED"

# Tests that need no KVM, and use of JUnit and AssertJ what the others do.
lane_rehearsed=(testing.KvmConditionTest testing.KvmKindConditionTest GuestMemoryTest HostFileTest PageMapTest)

# What runs the tests, beside their libraries.
build_launcher() {
  local jar="$work/libraries/run-tests.jar" source="$lane_parts/RunTests.java"
  [ "$jar" -ot "$source" ] || [ "$jar" -nt "$source" ] || return 0
  rm -rf "$work/launcher"
  "$JAVA_HOME/bin/javac" -d "$work/launcher" -cp "$(library_path "$work/libraries/")" "$source" >"$work/launcher.log" 2>&1 &&
    "$JAVA_HOME/bin/jar" --create --file "$jar" --date=2000-01-01T00:00:00Z -C "$work/launcher" . ||
    stop "$source does not compile: $work/launcher.log"
  rm -rf "$work/launcher"
  touch -r "$source" "$jar"
}

# $aot, from a rehearsal here: a few tests that need no KVM. The JVM compares file times, so libraries are copied with them.
build_aot_cache() {
  local key
  build_launcher
  key="$( (cat "$work"/libraries/*.jar && ls --full-time "$work/libraries" && echo "$base $lane_jvm_options") |
    sha256sum | cut -c 1-16)"
  aot="$cache/aot-$key"
  [ ! -e "$aot" ] || return 0
  say "rehearsing the start of the JVM (once)"
  need_space "$cache" 100
  rm -rf "$work/rehearsal"
  printf '%s\n' "${lane_rehearsed[@]/#/io.vivarium.kvm.}" >"$work/rehearsed"
  # shellcheck disable=SC2086
  "$base/java/bin/java" -XX:AOTCacheOutput="$aot.new" $lane_jvm_options \
    -Dlane.classes="$here/kvm/target/classes/:$here/kvm/target/test-classes/" -cp "$(library_path "$work/libraries/")" \
    RunTests "$work/rehearsal" '!machine' machine "$work/rehearsed" >"$work/rehearsal.log" 2>&1 || {
    tail -n 20 "$work/rehearsal.log" >&2
    stop "the AOT cache could not be made: $work/rehearsal.log"
  }
  rm -rf "$work/rehearsal" "$work/rehearsed"
  mv "$aot.new" "$aot"
}

# library_path <prefix>: the class path of the libraries, in an order that is always the same.
library_path() {
  local jar
  for jar in "$work"/libraries/*.jar; do
    printf '%s%s:' "$1" "$(basename "$jar")"
  done
}

# make_disk <directory> <file> <MiB to spare>
make_disk() {
  local size=$(($(du -sm "$1" | cut -f 1) * 110 / 100 + $3))
  rm -f "$2"
  mke2fs -q -t ext4 -O ^has_journal -m 0 -E root_owner=0:0 -d "$1" "$2" "${size}M" >/dev/null ||
    stop "no disk image could be made of $1"
}
