# SPDX-License-Identifier: Apache-2.0
#
# Sourced by ./lane. fetch_debian: unpacks QEMU and a kernel of Debian into $debian, beside whatever is installed here.
# The packages come with all they depend on, the C library too, so that they run on any distribution that has apt;
# apt works on directories of its own, and the machine's configuration and package database stay as they are.

lane_suite=bookworm
# QEMU 7.2, the suite's own, loses one boot in three with SVM under TCG; 10 none.
lane_tools=(qemu-system-x86 lz4 kmod busybox-static)
# The cloud kernel: has kvm_amd and the virtio drivers, and is a third of the size of the general one.
lane_kernel=linux-image-cloud-amd64

fetch_debian() {
  local key
  key="$(sha256sum <"$lane_parts/fetch.sh" | cut -c 1-16)"
  debian="$cache/debian-$key"
  [ ! -e "$debian/.complete" ] || return 0
  say "fetching QEMU and a kernel from $mirror (65 MB, once)"
  need_tool apt-get "this needs apt: Debian or Ubuntu"
  need_tool dpkg-deb "apt install dpkg"
  local keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  [ -e "$keyring" ] || stop "Debian's signing keys are missing: apt install debian-archive-keyring"
  need_space "$cache" 600
  rm -rf "$debian.new"
  mkdir -p "$debian.new/apt/lists/partial" "$debian.new/apt/cache/archives/partial"
  (
    cd "$debian.new/apt"
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
      apt-get install -y -qq --download-only -t "$lane_suite-backports" "${lane_tools[@]}" &&
      kernel_package="$(apt-cache depends "$lane_kernel" | sed -n 's/^ *Depends: //p' | head -n 1)" &&
      mkdir kernel && cd kernel && apt-get download -qq "$kernel_package"
  ) >"$debian.new/log" 2>&1 || {
    cat "$debian.new/log" >&2
    stop "Debian's packages could not be fetched from $mirror: no network, or another mirror is needed (LANE_DEBIAN_MIRROR)"
  }
  local package
  for package in "$debian.new"/apt/cache/archives/*.deb "$debian.new"/apt/kernel/*.deb; do
    dpkg-deb -x "$package" "$debian.new"
  done
  rm -rf "$debian.new/apt" "$debian.new"/usr/share/{doc,man,locale}
  touch "$debian.new/.complete"
  rm -rf "$debian"
  mv "$debian.new" "$debian"
}

# Becomes a program of the unpacked packages, with their C library: debian_exec <program> <name it goes by> <arguments>
debian_exec() {
  local program="$debian/$1" name="$2"
  shift 2
  # Whatever ends ./lane, SIGKILL too, ends what it runs.
  exec setpriv --pdeathsig KILL "$debian/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2" --argv0 "$name" \
    --library-path "$debian/lib/x86_64-linux-gnu:$debian/usr/lib/x86_64-linux-gnu" "$program" "$@"
}

debian_run() {
  (debian_exec "$@")
}
