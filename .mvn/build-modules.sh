# SPDX-License-Identifier: Apache-2.0
#
# Sourced by ./vivarium and ./quickstart: builds samples/target/modules when it is missing or older than the sources.
# Needs $here, the top of the source tree.

modules_are_current() {
  built="$here/samples/target/modules/.built"
  [ -e "$built" ] &&
    [ -z "$(find "$here"/pom.xml "$here"/*/pom.xml "$here"/*/src/main "$here"/guest-images/substrate \
      -newer "$built" -type f -print 2>/dev/null | head -n 1)" ]
}

require_tool() {
  command -v "$1" >/dev/null 2>&1 || {
    echo "Building Vivarium's guest kernel needs $1. Debian, Ubuntu: apt install $2" >&2
    exit 125
  }
}

if ! modules_are_current; then
  require_tool gcc "gcc libc6-dev linux-libc-dev"
  require_tool make make
  require_tool objcopy binutils
  log="$here/target/build-modules.log"
  mkdir -p "$here/target"
  echo "Building Vivarium (the first time a minute or two, with downloads); log: $log" >&2
  (cd "$here" && exec ./mvnw -q -Dquick -DskipTests package) >"$log" 2>&1 &
  build=$!
  seconds=0
  while kill -0 "$build" 2>/dev/null; do
    sleep 1
    seconds=$((seconds + 1))
    [ $((seconds % 10)) -ne 0 ] || echo "  … building, $seconds s" >&2
  done
  if ! wait "$build"; then
    tail -n 30 "$log" >&2
    echo "The build failed: see $log" >&2
    exit 125
  fi
  touch "$here/samples/target/modules/.built"
fi
