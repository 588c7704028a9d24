#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# without_wiredtiger: what a build without it (preset memory) says where it is asked for, and that
# all else is there, with the store memory.
#
# labels: cli

bats_require_minimum_version 1.5.0

setup() {
    cd "$BATS_TEST_TMPDIR" || exit
    racebench=${RACEBENCH_BINARY:?}
    ! ldd "$racebench" | grep -q wiredtiger || skip "built with WiredTiger"
}

# lacks ARGUMENT...: ends with 69 and one line that says what to do.
lacks() {
    run -69 "$racebench" "$@"
    [[ ${lines[-1]} == "racebench: this racebench was built without WiredTiger; install"*"memory" ]]
}

@test "asked for the store that is not there: 69 and what to do" {
    lacks serve --store wiredtiger --socket "$PWD/e.sock"
    lacks serve --dbpath "$PWD/data" --socket "$PWD/e.sock"
    lacks run --store wiredtiger -s inc -n 10 --results "$PWD/runs"
    lacks explore -s inc --store wiredtiger
    [ ! -e data ]
}

@test "asked for nothing: the store is memory, and results say so" {
    run -0 "$racebench" run -s occ -n 400 --work 200us --results "$PWD/runs" --out json=run.json
    jq -e '[.cells[].engine.store] == ["memory"]' run.json
}
