#!/usr/bin/env bats
# check: the tester is tested. Every rule of scripts/check must find the violation that is planted
# for it in a small project of its own, and must leave alone what only looks like one.
# labels: cli slow

setup() {
    source_root=${RACEBENCH_SOURCE:-$(cd "$BATS_TEST_DIRNAME/../.." && pwd)}
    project=$BATS_TEST_TMPDIR/project
    mkdir -p "$project"/{harness/{document,engine,report},strategies,scenarios,tests,scripts}
    cp "$source_root/scripts/check" "$project/scripts/check"
    cp "$source_root/.clang-format" "$project/"
    cd "$project"
    header harness/base.h
    header harness/gate.h
    header harness/session.h
    header harness/strategy.h '#include "session.h"'
    header harness/scenario.h '#include "strategy.h"'
    header harness/worker.h
    header harness/checker.h
    header harness/run.h
    header harness/options.h
    header harness/engine/engine.h
    header harness/engine/match.h
    room strategies/naive.c '#include "strategy.h"'
    room scenarios/counter.c '#include "scenario.h"'
}

# header FILE [LINE...]: a header that the gate has nothing to say about.
header() {
    local file=$1
    shift
    {
        printf '/* SPDX-License-Identifier: Apache-2.0\n *\n * %s: for a test.\n */\n' "$file"
        [ $# = 0 ] || printf '%s\n' "$@"
    } >"$file"
}

# room FILE [LINE...]: a C file with a long enough head (lines 1-9), then these lines from line 10.
room() {
    local file=$1
    shift
    {
        printf '/* SPDX-License-Identifier: Apache-2.0\n *\n'
        printf ' * one\n * two\n * three\n * four\n * five\n * six\n */\n'
        [ $# = 0 ] || printf '%s\n' "$@"
    } >"$file"
}

# finds RULE FILE:LINE: scripts/check ends with 1 and says so, and no other rule says anything.
finds() {
    run scripts/check
    echo "$output"
    [ "$status" -eq 1 ]
    grep -q "^$2: $1: ." <<<"$output"
    ! grep -v "^[^ ]*: $1: \|^check: " <<<"$output"
}

# is_clean: scripts/check ends with 0 and prints no finding.
is_clean() {
    run scripts/check
    echo "$output"
    [ "$status" -eq 0 ]
    ! grep -v '^check: note: \|^$' <<<"$output"
}

# repeated COUNT TEXT
repeated() {
    local i
    for ((i = 0; i < $1; i++)); do printf '%s\n' "$2"; done
}

@test "a clean project has no findings" {
    is_clean
}

@test "every rule has a planted violation here" {
    while read -r rule _; do
        grep -q "^ *finds $rule " "$BATS_TEST_FILENAME" || { echo "no test for $rule"; return 1; }
    done < <(scripts/check --rules)
}

@test "width: a line of 101 columns, but not one of 100 with wide characters" {
    header harness/base.h "/* $(printf '%094d' 0) */"
    is_clean
    header harness/base.h "/* $(printf '%090d' 0)äöüß */"
    is_clean
    header harness/base.h "/* $(printf '%095d' 0) */"
    finds width harness/base.h:5
}

@test "tabs: one in a script" {
    printf '#!/bin/sh\n# x: for a test.\n\ttrue\n' >scripts/x
    finds tabs scripts/x:3
}

@test "blanks: one at a line's end" {
    header harness/base.h '' '/* a */ '
    sed -i 's/^ \* harness.*/& /' harness/base.h
    run scripts/check blanks
    [ "$status" -eq 1 ]
    printf '#!/bin/sh\n# x: for a test.\ntrue \n' >scripts/x
    header harness/base.h
    finds blanks scripts/x:3
}

@test "todo: a mark in C and in Python, but not mktemp's pattern" {
    printf '#!/bin/sh\n# x: for a test.\nmktemp /tmp/x.XXXXXX\n' >scripts/x
    is_clean
    header harness/base.h "/* $(echo TO)DO: later */"
    finds todo harness/base.h:5
    header harness/base.h
    printf '#!/usr/bin/python3\n"""x: for a test."""\npass  # %sME\n' FIX >scripts/x.py
    finds todo scripts/x.py:3
}

@test "file: 601 lines, but not 600" {
    room harness/run.c
    repeated 591 '/* a */' >>harness/run.c
    [ "$(wc -l <harness/run.c)" = 600 ]
    is_clean
    echo '/* a */' >>harness/run.c
    finds file harness/run.c:601
}

@test "engine: a line too many in all files together; comments and blank lines are none" {
    sed -i 's/^engine_lines_max=[0-9]*/engine_lines_max=4/' scripts/check
    room harness/engine/match.c '#include "match.h"' '' '/* not' ' * counted */' 'int a(void);'
    room harness/engine/find.c '#include "match.h"' '// nor this' 'int b(void);'
    is_clean
    room harness/engine/find.c '#include "match.h"' 'int b(void);' 'int c(void);'
    finds engine harness/engine/state.h:1
    [[ $output == *"5 lines of code, 4 at most"* ]]
}

@test "spdx: no licence in the first line" {
    header harness/base.h
    sed -i 's|^/\* SPDX.*|/*|' harness/base.h
    finds spdx harness/base.h:1
}

@test "head: nothing but the licence; a strategy with one line; a script without" {
    printf '/* SPDX-License-Identifier: Apache-2.0 */\n' >harness/base.h
    finds head harness/base.h:1
    header harness/base.h
    header strategies/naive.c '#include "strategy.h"'
    finds head strategies/naive.c:1
    room strategies/naive.c '#include "strategy.h"'
    printf '#!/bin/sh\ntrue\n' >scripts/x
    finds head scripts/x:1
}

@test "function: 61 lines, but not 60; in tests too" {
    for file in harness/run.c tests/test_run.c; do
        room "$file" 'static void f(void)' '{' "$(repeated 57 '    g();')" '}'
        is_clean # 60 lines
        room "$file" 'static void f(void)' '{' "$(repeated 58 '    g();')" '}'
        finds function "$file:10"
        rm "$file"
    done
}

@test "parameters: six, but not five with a function among them" {
    header harness/base.h '/* Adds. */' 'int f(int, int (*b)(int, int), int, int, int, ...);'
    is_clean
    header harness/base.h '/* Adds. */' 'int f(int a, int b, int c, int d, int e, int g);'
    finds parameters harness/base.h:6
    header harness/base.h
    room harness/run.c 'static int f(int a, int b, int c, int d, int e, int g)' '{' \
        '    return a + b + c + d + e + g;' '}'
    finds parameters harness/run.c:10
}

@test "prototype: without a comment, after a blank line; one comment covers a group" {
    header harness/base.h '/* Both add. */' 'int f(int);' 'int g(int);'
    is_clean
    header harness/base.h '/* A pair. */' 'struct pair {' '    int a; /* first */' '};' \
        'int f(struct pair *);'
    is_clean
    header harness/base.h '/* Adds. */' 'int f(int);' '' 'int g(int); /* adds */'
    finds prototype harness/base.h:8
}

@test "typedef: a struct, but not a function" {
    header harness/base.h '/* Called. */' 'typedef int visitor(int);'
    is_clean
    header harness/base.h 'typedef struct pair {' '    int a;' '} pair;'
    finds typedef harness/base.h:5
}

@test "format: an indent of three" {
    room harness/run.c 'static void f(void)' '{' '   g();' '}'
    finds format harness/run.c:11
}

@test "include: what each room must not know" {
    local case file name planted=()
    for case in strategies/naive.c=worker.h strategies/naive.c=session.h \
        strategies/naive.c=naive.h scenarios/counter.c=strategy.h scenarios/counter.c=checker.h \
        harness/engine/a.c=session.h harness/document/a.c=engine/match.h \
        harness/base.c=gate.h harness/gate.c=session.h \
        harness/session.c=worker.h harness/session.c=engine/match.h harness/worker.c=run.h \
        harness/checker.c=options.h harness/run.c=options.h harness/result.c=run.h \
        harness/report/text.c=session.h harness/report/text.c=worker.h \
        harness/report/text.c=run.h harness/report/text.c=options.h \
        harness/transport_driver.c=../strategies/naive.h; do
        file=${case%=*}
        [ -s "$file" ] && [[ $file != */naive.c && $file != */counter.c ]] || room "$file"
        planted+=("$file=${case#*=}")
    done
    header strategies/naive.h
    for case in "${planted[@]}"; do
        printf '\n#include "%s"\n' "${case#*=}" >>"${case%=*}"
    done
    finds include strategies/naive.c:11
    for case in "${planted[@]}"; do
        name=$(basename "${case#*=}")
        grep "^${case%=*}:1[0-9]: include: .* must not know .*/$name " <<<"$output" || return
    done
    [ "$(grep -c ': include: ' <<<"$output")" -eq ${#planted[@]} ]
}

@test "include: what rooms may know" {
    room strategies/naive.c '#include "strategy.h"' '#include <string.h>'
    room harness/engine/match.c '#include "match.h"' '#include "gate.h"'
    mkdir harness/engine/commands harness/verb
    room harness/engine/commands/find.c '#include "../match.h"'
    room harness/run.c '#include "engine/engine.h"' '#include "worker.h"'
    room harness/verb/list.c '#include "options.h"'
    room harness/plan.c '#include "options.h"'
    room tests/test_match.c '#include "engine/match.h"'
    is_clean
}

@test "include: system headers past the session, and the driver in the engine" {
    room strategies/naive.c '#include "strategy.h"' '#include <time.h>'
    finds include strategies/naive.c:11
    room strategies/naive.c '#include "strategy.h"'
    room harness/engine/match.c '#include <mongoc/mongoc.h>'
    finds include harness/engine/match.c:10
}

@test "seam: names and calls that go past the session" {
    local calls=('mongoc_init()' 'uv_sleep(1)' 'time(NULL)' 'clock_gettime(0, 0)' 'rand()'
        'getrandom(0, 0, 0)' 'usleep(1)' 'sleep (1)' 'open("a", 0)' 'fopen("a", "r")'
        'pthread_yield()' 'printf("a")' 'x = uv_hrtime()' 'fputs("a", f)' 'x = stderr')
    local file i text
    text=('/* clang-format off */' 'void f(void)' '{' "${calls[@]/%/;}" '}')
    for file in strategies/naive.c scenarios/counter.c; do
        room "$file" "${text[@]}"
        finds seam "$file:13"
        for ((i = 0; i < ${#calls[@]}; i++)); do
            grep "^$file:$((13 + i)): seam: " <<<"$output" || return
        done
        room "$file"
    done
    room harness/run.c "${text[@]}"
    is_clean
}

@test "seam: what only looks like it" {
    room strategies/naive.c '/* time(NULL) is not' ' * sleep(1) */' \
        '/* clang-format off */' \
        'void f(struct a *a) { a->open(1); a->time++; session_sleep(a, "time(", snprintf(0)); }' \
        '// rand()' 'int timeout(int sleep);'
    is_clean
}

@test "stack: BCON_NEW in the harness, but not in a test" {
    room tests/test_run.c '/* clang-format off */' 'void f(void) { BCON_NEW("a", 0); }'
    is_clean
    room harness/run.c '/* clang-format off */' 'void f(void) { BCON_NEW("a", 0); }'
    finds stack harness/run.c:11
}

@test "state: static, global, local static and thread-local variables, but not constants" {
    mkdir -p build/release/CMakeFiles/harness.dir/harness
    object=build/release/CMakeFiles/harness.dir/harness/run.c.o
    room harness/run.c 'const int limit = 1;' 'static const char *const names[] = {"a", "b"};' \
        'const char *f(int i)' '{' '    return names[i];' '}'
    cc -fPIE -c harness/run.c -o "$object"
    is_clean
    room harness/run.c 'static int a;' 'static int b = 1;' 'int c;' 'int d = 1;' \
        '_Thread_local int e;' 'static const char *g = "a";' 'int f(void)' '{' \
        '    return a++ + b++ + c + d + e + *g++;' '}'
    cc -fPIE -fcommon -c harness/run.c -o "$object"
    finds state harness/run.c:10
    [ "$(grep -c '^harness/run.c:1[0-5]: state: ' <<<"$output")" -eq 6 ]
    room harness/run.c 'int f(void)' '{' '    static int count;' '    return count++;' '}'
    cc -fPIE -fcommon -c harness/run.c -o "$object"
    finds state harness/run.c:12
    mv harness/run.c harness/main.c
    mv "$object" "${object/run.c/main.c}"
    is_clean
}

@test "shell: an unquoted variable" {
    command -v shellcheck || skip "no shellcheck"
    printf '#!/bin/sh\n# x: for a test.\nrm $1\n' >scripts/x
    finds shell scripts/x:3
}

@test "a rule can be asked for alone, an unknown one is refused" {
    printf '#!/bin/sh\ntrue\n' >scripts/x
    run scripts/check tabs
    [ "$status" -eq 0 ]
    run scripts/check head
    [ "$status" -eq 1 ]
    run scripts/check beauty
    [ "$status" -eq 64 ]
}
