# SPDX-License-Identifier: Apache-2.0
#
# Sourced by ratio and bench: builds jmh/target/benchmarks.jar when it is missing or older than the sources. Needs $here, the
# top of the source tree.
. "$here/.mvn/find-jdk.sh"

jar="$here/jmh/target/benchmarks.jar"
if [ ! -e "$jar" ] || [ -n "$(find "$here"/pom.xml "$here"/*/pom.xml "$here"/*/src/main "$here"/guest-images/substrate \
  -newer "$jar" -type f -print 2>/dev/null | head -n 1)" ]; then
  echo "Building the benchmarks" >&2
  (cd "$here" && ./mvnw -q -Dquick -DskipTests -pl jmh -am package) >&2
fi
