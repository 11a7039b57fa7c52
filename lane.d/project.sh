# SPDX-License-Identifier: Apache-2.0
#
# Sourced by ./lane. build_project: modules, test classes and the libraries of the tests, with Maven, when they are older
# than the sources. lay_out_project: what L1 sees of them, as /project.

modules_with_tests=(kvm virtio snapshot guest-images api)

project_is_current() {
  [ -e "$work/.built" ] &&
    [ -z "$(find "$here"/pom.xml "$here"/*/pom.xml "$here"/*/src "$here"/guest-images/substrate \
      -newer "$work/.built" -type f -print 2>/dev/null | head -n 1)" ]
}

build_project() {
  if $build && ! project_is_current; then
    say "building the project"
    need_space "$here" 500
    : >"$work/.building"
    (cd "$here" && exec setpriv --pdeathsig TERM ./mvnw -q -B -ntp -Dquick -DskipTests -Plane package) >"$work/build.log" 2>&1 9>&- || {
      tail -n 30 "$work/build.log" >&2
      stop "the build failed: $work/build.log"
    }
    # As old as the start of the build: what was changed meanwhile is not in it.
    mv "$work/.building" "$work/.built"
  fi
  compgen -G "$work/libraries/junit-platform-console-standalone-*.jar" >/dev/null ||
    stop "$work/libraries is not there: build with ./mvnw -Plane package, or run without --no-build"
}

# The files that L1 gets, beside the libraries: module by module.
module_files() {
  local module jar
  for module in "${modules_with_tests[@]}"; do
    for jar in "$here/$module"/target/vivarium-*.jar; do
      case "$jar" in *-sources.jar | *-javadoc.jar | *-tests.jar) continue ;; esac
      echo "$jar"
    done
    echo "$here/$module/target/test-classes"
  done
}

# What of the project's disk may change, as text.
project_content() {
  local files
  mapfile -t files < <(module_files)
  mkdir -p "$work/programs"
  cat "$lane_parts/project.sh"
  find "${files[@]}" "$work/libraries" "$work/programs" "$aot" -type f -printf '%p %s %T@\n' | sort
  write_arguments
}

# lay_out_project <directory>
lay_out_project() {
  local project="$1" file
  rm -rf "$project"
  mkdir -p "$project"
  # All in one folder: the AOT cache stands for class paths that begin with the same folder.
  cp -p "$work"/libraries/*.jar "$project/"
  cp "$aot" "$project/aot"
  # What the tests made of their sources when they ran here. The rest they compile in L1, as far as gcc does.
  mkdir -p "$work/programs"
  cp -r "$work/programs" "$project/"
  while read -r file; do
    cp -rp "$file" "$project/$(name_in_project "$file")"
  done < <(module_files)
  write_arguments >"$project/arguments"
}

# Jars keep their names; directories of classes are named after their modules.
name_in_project() {
  local name="${1##*/}"
  if [ "$name" = test-classes ]; then
    name="${1%/target/test-classes}"
    name="${name##*/}-tests"
  fi
  echo "$name"
}

# What would take an emulated processor minutes: Debian's packages as this machine has them installed, a second JVM.
left_out=long

# The java command line in L1. Modules and tests are on the class path: their packages then are one and the same.
write_arguments() {
  local file path=
  while read -r file; do
    path+="/project/$(name_in_project "$file"):"
  done < <(module_files)
  cat <<ARGUMENTS
-XX:AOTCache=/project/aot $lane_jvm_options -Xmx768m
-Dvivarium.test.effort=1
-Dvivarium.test.programs=/project/programs
-cp $(library_path /project/)$path
RunTests /run/reports $tag $left_out /run/classes
ARGUMENTS
}

# The classes that have the tag somewhere, and were asked for, what others rest on first. JUnit could look for them itself,
# but it loads every class there is for that.
tagged_classes() {
  local module file class asked
  for module in "${modules_with_tests[@]}"; do
    { grep -rl --include='*.java' -F "@Tag(\"$tag\")" "$here/$module/src/test/java" || :; } | while read -r file; do
      class="${file#"$here/$module/src/test/java/"}"
      class="${class%.java}"
      class="${class//\//.}"
      if [ "${#selection[@]}" -eq 0 ]; then
        echo "$class"
      fi
      for asked in "${selection[@]}"; do
        case ".$class" in *".$asked") echo "$class" ;; esac
      done
    done | sort
  done
}

# To each machine its classes, in files/classes of its directory: the longest first to the machine that has least, where
# the lines of a class stand for how long it takes. $machines may become fewer.
deal_classes() {
  local machine class number=0
  tagged_classes >"$work/classes"
  [ "$machines" -le "$(wc -l <"$work/classes")" ] || machines="$(wc -l <"$work/classes")"
  for machine in $(seq "$machines"); do
    mkdir -p "$(machine_directory "$machine")/files"
  done
  while read -r class; do
    echo "$(cat "$here"/*/src/test/java/"${class//.//}.java" | wc -l) $number $class"
    number=$((number + 1))
  done <"$work/classes" | sort -k 1,1nr | awk -v machines="$machines" '{
      least = 1
      for (each = 2; each <= machines; each++)
        if (load[each] < load[least]) least = each
      load[least] += $1
      print $2, least, $3
    }' | sort -n | while read -r number machine class; do
    echo "$class" >>"$(machine_directory "$machine")/files/classes"
  done
  rm -f "$work/classes"
}
