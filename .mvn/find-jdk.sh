# SPDX-License-Identifier: Apache-2.0
#
# Sourced by mvnw: sets JAVA_HOME to a JDK 25, wherever the usual installers put one. Keeps JAVA_HOME if it is one.
# Maven itself runs on it because its jar and format steps read class files and syntax of Java 25.

is_jdk_25() {
  [ -x "$1/bin/javac" ] && grep -qs '^JAVA_VERSION="25[."]' "$1/release"
}

find_jdk_25() {
  # The wrapper runs with "set -f", the other scripts without; here the patterns are wanted.
  case "$-" in
    *f*) patterns_off=-f ;;
    *) patterns_off=+f ;;
  esac
  set +f
  path_java="$(command -v javac || :)"
  [ -z "$path_java" ] || path_java="$(dirname "$(dirname "$(readlink -f "$path_java")")")"
  for jdk in "${JAVA_HOME-}" "$path_java" \
    /usr/lib/jvm/* /usr/java/* /opt/java/* /opt/jdk* \
    "${HOME-}"/.sdkman/candidates/java/* "${HOME-}"/.jdks/* "${HOME-}"/.local/share/mise/installs/java/*; do
    if is_jdk_25 "$jdk"; then
      set "$patterns_off"
      JAVA_HOME="$jdk"
      export JAVA_HOME
      return
    fi
  done
  cat >&2 <<'MESSAGE'
Vivarium is built with JDK 25, and none was found: not in JAVA_HOME, not in PATH, not where installers usually put it.
Get one:
  - Debian, Ubuntu:  apt install openjdk-25-jdk   (releases that have it)
  - any Linux:       Temurin 25, https://adoptium.net/installation/linux
or set JAVA_HOME to a JDK 25 that is installed elsewhere.
MESSAGE
  exit 1
}

find_jdk_25

# Maven 3.9 does what Java 25 warns about; .mvn/jvm.config would keep an older Java from reaching our own message.
MAVEN_OPTS="--enable-native-access=ALL-UNNAMED --sun-misc-unsafe-memory-access=allow ${MAVEN_OPTS-}"
export MAVEN_OPTS
