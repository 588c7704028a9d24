#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# map: tests/README.md says which test stands for which promise; it must not rot.
#
# labels: cli

bats_require_minimum_version 1.5.0

setup() {
    root=${RACEBENCH_SOURCE:?}
    copy=$BATS_TEST_TMPDIR/README.md
}

@test "every line has a test, and every test named exists" {
    run -0 "$root/scripts/check_map"
}

@test "a test that is gone, a line without a row, a row without a test are found" {
    sed 's/: test_unknown_sticks/: test_unknown_sticks_no_more/' "$root/tests/README.md" >"$copy"
    run -1 "$root/scripts/check_map" "$copy"
    [[ $output == *"H3: "*"has no such test" ]]
    sed 's/`broken\/start_frees_locks.c`/`broken\/gone.c`/' "$root/tests/README.md" >"$copy"
    run -1 "$root/scripts/check_map" "$copy"
    [[ $output == *"D10: "*"no such variant" ]]
    sed '/^| F3 /d' "$root/tests/README.md" >"$copy"
    run -1 "$root/scripts/check_map" "$copy"
    [[ $output == *"F3 has no row" ]]
    sed 's/^| R4 .*/| R4 | the lease | soon |/' "$root/tests/README.md" >"$copy"
    run -1 "$root/scripts/check_map" "$copy"
    [[ $output == *"R4 names no test and gives no reason" ]]
    run -65 "$root/scripts/check_map" "$BATS_TEST_TMPDIR/nothing"
}
