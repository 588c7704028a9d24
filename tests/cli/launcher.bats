#!/usr/bin/env bats
# launcher: what ./racebench does before the program runs. On a small project of its own (the real
# launcher, scripts and presets around a program that prints its arguments), with shims for the
# commands that would install something or whose absence is to be shown.
# labels: cli slow
bats_require_minimum_version 1.5.0

setup() {
    source_root=${RACEBENCH_SOURCE:-$(cd "$BATS_TEST_DIRNAME/../.." && pwd)}
    project="$BATS_TEST_TMPDIR/a project"
    shims=$BATS_TEST_TMPDIR/shims
    log=$BATS_TEST_TMPDIR/log
    mkdir -p "$project"/{harness,strategies,scenarios,scripts,results} "$shims"
    cp "$source_root/racebench" "$source_root/CMakePresets.json" "$project/"
    cp "$source_root"/scripts/{setup,build} "$project/scripts/"
    cat >"$project/CMakeLists.txt" <<'CMAKE'
cmake_minimum_required(VERSION 3.25)
project(stub LANGUAGES C)
option(TESTS "" ON)
file(GLOB sources CONFIGURE_DEPENDS harness/*.c strategies/*.c)
add_executable(racebench ${sources})
CMAKE
    program "first"
    unset RACEBENCH_RESULTS RACEBENCH_YES
    export XDG_STATE_HOME=$BATS_TEST_TMPDIR/state
    touch "$log"
    PATH=$shims:$PATH
}

# program WORD: the program prints WORD, where results go and each argument; `exit N` is obeyed.
program() {
    cat >"$project/harness/main.c" <<C
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int main(int count, char **argument)
{
    const char *yes = getenv("RACEBENCH_YES");
    printf("$1\n%s\n", getenv("RACEBENCH_RESULTS"));
    for (int i = 1; i < count; i++)
        printf("<%s>\n", argument[i]);
    if (yes)
        printf("RACEBENCH_YES=%s\n", yes);
    return count > 2 && !strcmp(argument[1], "exit") ? atoi(argument[2]) : 0;
}
C
}

# shim NAME [LINE...]: a command NAME that writes its call into the log, then does LINEs.
shim() {
    local name=$1
    shift
    {
        printf '#!/bin/sh\necho "%s $*" >>"%s"\n' "$name" "$log"
        printf '%s\n' "$@"
    } >"$shims/$name"
    chmod +x "$shims/$name"
}

# not_called PATTERN: no shim has logged such a call.
not_called() {
    if grep "$1" "$log"; then return 1; fi
}

nothing_installed() {
    shim dpkg-query 'exit 1'
    shim apt-cache
}

not_root() {
    shim id 'echo 1000'
}

# built_once: builds and then makes every tool of a build fail.
built_once() {
    "$project/racebench" >/dev/null 2>&1
    shim cmake 'exit 1'
    shim ninja 'exit 1'
    shim dpkg-query 'exit 1'
}

@test "builds, says so on stderr, passes arguments and the exit code" {
    run --separate-stderr "$project/racebench" "a b" '' --workers '*'
    [ "$status" -eq 0 ]
    [ "$output" = "first
$project/results/runs
<a b>
<>
<--workers>
<*>" ]
    [ "$stderr" = "building racebench ..." ]
    run "$project/racebench" exit 76
    [ "$status" -eq 76 ]
}

@test "the second call builds nothing and asks for no packages" {
    built_once
    run --separate-stderr "$project/racebench"
    [ "$status" -eq 0 ]
    [ "${lines[0]}" = first ]
    [ -z "$stderr" ]
    [ ! -s "$log" ]
}

@test "a newer source, a new one and one that is gone are built in" {
    "$project/racebench" 2>/dev/null
    program "second"
    run "$project/racebench"
    [ "${lines[1]}" = second ]
    echo 'int other(void) { return 1; }' >"$project/strategies/other.c"
    run "$project/racebench"
    [ "${lines[0]}" = "building racebench ..." ]
    rm "$project/strategies/other.c"
    run "$project/racebench"
    [ "${lines[0]}" = "building racebench ..." ]
    run "$project/racebench"
    [ "${lines[0]}" = second ]
}

@test "a source that was saved while the compiler ran is seen" {
    real=$(command -v cmake)
    shim cmake "\"$real\" \"\$@\" || exit" "sleep 0.05; echo >>'$project/harness/main.c'"
    "$project/racebench" 2>/dev/null
    rm "$shims/cmake"
    run "$project/racebench"
    [ "${lines[0]}" = "building racebench ..." ]
}

@test "works from another folder, by a relative path and through links" {
    cd "$BATS_TEST_TMPDIR" || return
    run "a project/racebench"
    [ "$status" -eq 0 ]
    mkdir bin
    ln -s "../a project/racebench" bin/first
    ln -s first bin/second
    cd / || return
    run "$BATS_TEST_TMPDIR/bin/second"
    [ "$status" -eq 0 ]
    [ "${lines[1]}" = "$project/results/runs" ]
    PATH="$BATS_TEST_TMPDIR/bin:$PATH" run second
    [ "${lines[0]}" = first ]
    cd "$project" || return
    run bash racebench
    [ "${lines[1]}" = "$project/results/runs" ]
}

@test "RACEBENCH_RESULTS is kept when it is set" {
    "$project/racebench" >/dev/null 2>&1
    RACEBENCH_RESULTS=/somewhere run "$project/racebench"
    [ "${lines[1]}" = /somewhere ]
}

@test "a checkout that cannot be written runs what was built" {
    built_once
    program "second"
    chmod -R a-w "$project"
    if [ "$(id -u)" = 0 ]; then
        chmod -R a+rX "$BATS_TEST_TMPDIR" "$BATS_RUN_TMPDIR"
        as_nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups)
        "${as_nobody[@]}" test -x "$project/racebench" || skip "nobody cannot get here"
    fi
    run --separate-stderr "${as_nobody[@]}" "$project/racebench"
    chmod -R u+w "$project"
    [ "$status" -eq 0 ]
    [ "${lines[0]}" = first ]
    [ "${lines[1]}" = "$BATS_TEST_TMPDIR/state/racebench/runs" ]
    [[ $stderr == *"warning: sources are newer"* ]]
    not_called cmake
}

@test "a failed build shows the compiler's output and ends with 70; repaired it builds" {
    echo 'int broken(' >"$project/strategies/broken.c"
    run --separate-stderr "$project/racebench"
    [ "$status" -eq 70 ]
    [ -z "$output" ]
    [[ $stderr == *"broken.c"*"error"* ]]
    [[ $stderr == *"racebench: the build failed"* ]]
    rm "$project/strategies/broken.c"
    run "$project/racebench"
    [ "$status" -eq 0 ]
}

@test "a failed build does not run the old program" {
    "$project/racebench" >/dev/null 2>&1
    echo 'int broken(' >"$project/strategies/broken.c"
    run "$project/racebench"
    [ "$status" -eq 70 ]
    run "$project/racebench"
    [ "$status" -eq 70 ]
}

@test "without packages and not root: one line to run, exit 69" {
    nothing_installed
    not_root
    shim sudo
    run --separate-stderr "$project/racebench" --workers 2
    [ "$status" -eq 69 ]
    [ "${#stderr_lines[@]}" -eq 2 ]
    [[ ${stderr_lines[1]} == "sudo apt-get install -y --no-install-recommends gcc "*libuv1-dev* ]]
    [[ ${stderr_lines[1]} != *libcmocka-dev* ]]
    not_called '^sudo'
}

@test "without packages and not root, --yes: sudo apt-get, and the program never sees --yes" {
    nothing_installed
    not_root
    shim sudo
    run "$project/racebench" --yes --workers 2
    [ "$status" -eq 0 ]
    grep -q '^sudo .*apt-get .*install -y --no-install-recommends .*libmongoc-dev' "$log"
    [[ $output == *"<--workers>"* ]]
    [[ $output != *"<--yes>"* ]]
}

@test "RACEBENCH_YES=1 does the same, and is not handed on" {
    nothing_installed
    not_root
    shim sudo
    RACEBENCH_YES=1 run "$project/racebench"
    [ "$status" -eq 0 ]
    grep -q '^sudo .*apt-get .*install' "$log"
    [[ $output != *RACEBENCH_YES* ]]
}

@test "as root: installs by itself, without sudo, and says what" {
    nothing_installed
    shim id 'echo 0'
    shim sudo
    shim apt-get
    run "$project/racebench"
    [ "$status" -eq 0 ]
    grep -q '^apt-get .*install -y --no-install-recommends .*uthash-dev' "$log"
    not_called '^sudo'
    [[ $output == *"setup: installing gcc"* ]]
}

@test "apt-get that fails is tried three times, after an update, then exit 69" {
    nothing_installed
    shim id 'echo 0'
    shim apt-get 'exit 100'
    shim sleep
    run "$project/racebench"
    [ "$status" -eq 69 ]
    [ "$(grep -c '^apt-get .*install' "$log")" -eq 3 ]
    [ "$(grep -c '^apt-get .*update' "$log")" -eq 2 ]
}

@test "only what is missing is asked for" {
    not_root
    shim dpkg-query 'shift 3; for name; do' \
        '[ "$name" = uthash-dev ] || echo "installed $name"; done; exit 1'
    run "$project/racebench"
    [ "$status" -eq 69 ]
    [[ $output == *"sudo apt-get install -y --no-install-recommends uthash-dev" ]]
}

@test "two launches at once build once after the other and both run" {
    "$project/racebench" >"$BATS_TEST_TMPDIR/one" 2>&1 &
    "$project/racebench" >"$BATS_TEST_TMPDIR/two" 2>&1
    wait $!
    grep -q '^first$' "$BATS_TEST_TMPDIR/one"
    grep -q '^first$' "$BATS_TEST_TMPDIR/two"
}

@test "a checkout that was moved is built anew where it is" {
    "$project/racebench" >/dev/null 2>&1
    mv "$project" "$BATS_TEST_TMPDIR/moved"
    echo >>"$BATS_TEST_TMPDIR/moved/harness/main.c"
    run "$BATS_TEST_TMPDIR/moved/racebench"
    [ "$status" -eq 0 ]
    [[ $output == *"$BATS_TEST_TMPDIR/moved/results/runs"* ]]
}

@test "old libbson is warned about" {
    shim dpkg-query 'shift 3; [ $# = 1 ] && echo 1.23.1-1+deb12u2 ||' \
        'for name; do echo "installed $name"; done'
    run "$project/scripts/setup"
    [ "$status" -eq 0 ]
    [[ $output == *"warning: libbson-dev 1.23.1-1+deb12u2 lacks"* ]]
}
