# SPDX-License-Identifier: Apache-2.0
#
# Sourced by ./lane. fetch_debian: unpacks QEMU and a kernel of Debian into $debian, beside whatever is installed here;
# fetch_bochs: Bochs and what makes a disk for it into $bochs. The packages come with all they depend on, the C library
# too, so that they run on any distribution that has apt; apt works on directories of its own, and the machine's
# configuration and package database stay as they are.

lane_suite=bookworm
# The cloud kernel: has kvm_amd, kvm_intel and the virtio drivers, and is a third of the size of the general one.
lane_kernel=linux-image-cloud-amd64

fetch_debian() {
  # QEMU 7.2, the suite's own, loses one boot in three with SVM under TCG; 10 none.
  fetch_packages debian "QEMU and a kernel, 65 MB" "$lane_kernel" qemu-system-x86 lz4 kmod busybox-static
  debian="$fetched"
}

fetch_bochs() {
  fetch_packages bochs "Bochs, 70 MB" "" bochs bochs-term bochsbios vgabios isolinux syslinux-common xorriso
  bochs="$fetched"
}

# fetch_packages <name> <what> <kernel or nothing> <packages>: into $fetched, once.
fetch_packages() {
  local name="$1" what="$2" kernel="$3" key package
  shift 3
  key="$( (cat "$lane_parts/fetch.sh" && echo "$kernel $*") | sha256sum | cut -c 1-16)"
  fetched="$cache/$name-$key"
  [ ! -e "$fetched/.complete" ] || return 0
  say "fetching $what, from $mirror (once)"
  need_tool apt-get "this needs apt: Debian or Ubuntu"
  need_tool dpkg-deb "apt install dpkg"
  local keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  [ -e "$keyring" ] || stop "Debian's signing keys are missing: apt install debian-archive-keyring"
  need_space "$cache" 600
  rm -rf "$fetched.new"
  mkdir -p "$fetched.new/apt/lists/partial" "$fetched.new/apt/cache/archives/partial" "$fetched.new/apt/kernel"
  (
    cd "$fetched.new/apt"
    : >status
    {
      echo "deb [signed-by=$keyring] $mirror $lane_suite main"
      echo "deb [signed-by=$keyring] $mirror $lane_suite-backports main"
      echo "deb [signed-by=$keyring] $security_mirror $lane_suite-security main"
    } >sources.list
    # How this machine reaches the network is its own affair; all else of its configuration is not for this.
    apt-config dump | grep -E '^Acquire::(http|https|Retries)\b' >apt.conf || :
    cat >>apt.conf <<CONF
Dir::State "$PWD"; Dir::State::lists "$PWD/lists"; Dir::State::status "$PWD/status"; Dir::Cache "$PWD/cache";
Dir::Etc::main "/dev/null"; Dir::Etc::parts "/dev/null"; Dir::Etc::sourcelist "$PWD/sources.list";
Dir::Etc::sourceparts "/dev/null"; Dir::Etc::preferences "/dev/null"; Dir::Etc::preferencesparts "/dev/null";
APT::Architecture "amd64"; APT::Architectures "amd64"; APT::Install-Recommends "false"; APT::Sandbox::User "root";
Acquire::Languages "none"; Acquire::http::Timeout "20"; Acquire::https::Timeout "20";
CONF
    export APT_CONFIG="$PWD/apt.conf"
    # Without Error-Mode apt-get update reports success when it could reach nobody.
    apt-get update -qq -o APT::Update::Error-Mode=any &&
      apt-get install -y -qq --download-only -t "$lane_suite-backports" "$@" || exit
    if [ -n "$kernel" ]; then
      # Alone: what it depends on installs it, and is of no use here.
      package="$(apt-cache depends "$kernel" | sed -n 's/^ *Depends: //p' | head -n 1)" &&
        cd kernel && apt-get download -qq "$package"
    fi
  ) >"$fetched.new/log" 2>&1 || {
    cat "$fetched.new/log" >&2
    stop "Debian's packages could not be fetched from $mirror: no network, or another mirror is needed (LANE_DEBIAN_MIRROR)"
  }
  for package in "$fetched.new"/apt/cache/archives/*.deb "$fetched.new"/apt/kernel/*.deb; do
    [ ! -e "$package" ] || dpkg-deb -x "$package" "$fetched.new"
  done
  rm -rf "$fetched.new/apt" "$fetched.new"/usr/share/{doc,man,locale,icons,fonts}
  touch "$fetched.new/.complete"
  rm -rf "$fetched"
  mv "$fetched.new" "$fetched"
}

# Becomes a program of unpacked packages, with their C library:
# packaged_exec <where they are> <program> <name it goes by> <arguments>
packaged_exec() {
  local root="$1" program="$1/$2" name="$3"
  shift 3
  # Whatever ends ./lane, SIGKILL too, ends what it runs.
  exec setpriv --pdeathsig KILL "$root/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2" --argv0 "$name" \
    --library-path "$root/lib/x86_64-linux-gnu:$root/usr/lib/x86_64-linux-gnu" "$program" "$@"
}

packaged_run() {
  (packaged_exec "$@")
}
